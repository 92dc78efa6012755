// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/books.h"

#include <algorithm>

namespace agentos::agentd::egress {
namespace {

// Rows of the newest runs; the audit log keeps each run's summary for good.
constexpr std::string_view kPrune = "DELETE FROM egress WHERE rowid <= (SELECT MAX(rowid) FROM egress) - 20000";

}  // namespace

Tally& Account::of(const std::string& destination, const std::string& rule) {
  const auto key = std::pair(destination, rule);
  if (auto found = tallies.find(key); found != tallies.end()) return found->second;
  // What was refused by no rule is kept apart, so that a flood of it hides nothing.
  const auto alike =
      std::ranges::count_if(tallies, [&](const auto& one) { return one.first.second.empty() == rule.empty(); });
  const auto most = rule.empty() ? kMostRefused : kMostDestinations;
  return static_cast<std::size_t>(alike) < most ? tallies[key] : tallies[std::pair("others", rule)];
}

std::uint64_t Account::bytesOf(const std::string& rule) const {
  std::uint64_t sum = 0;
  for (const auto& [key, tally] : tallies) sum += key.second == rule ? tally.bytes() : 0;
  return sum;
}

std::uint64_t Account::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [key, tally] : tallies) sum += tally.bytes();
  return sum;
}

Json toJson(const Account& account) {
  Json list = Json::array();
  for (const auto& [key, tally] : account.tallies) {
    list.push_back({{"destination", key.first},
                    {"rule", key.second.empty() ? Json(nullptr) : Json(key.second)},
                    {"bytes_up", tally.up},
                    {"bytes_down", tally.down},
                    {"connections", tally.connections},
                    {"refused", tally.refused}});
  }
  return list;
}

Result<std::unique_ptr<Books>> Books::open(Database& db) {
  AGENTOS_CHECK(
      db.execute("CREATE TABLE IF NOT EXISTS egress ("
                 "instance TEXT NOT NULL, destination TEXT NOT NULL, rule TEXT NOT NULL, up INTEGER NOT NULL, "
                 "down INTEGER NOT NULL, connections INTEGER NOT NULL, refused INTEGER NOT NULL, "
                 "PRIMARY KEY (instance, destination, rule));"));
  AGENTOS_CHECK(db.execute(std::string(kPrune)));
  AGENTOS_TRY(auto select,
              db.prepare("SELECT destination, rule, up, down, connections, refused FROM egress WHERE instance = ?1"));
  AGENTOS_TRY(auto upsert, db.prepare("INSERT INTO egress VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                                      "ON CONFLICT DO UPDATE SET up = ?4, down = ?5, connections = ?6, refused = ?7"));
  return std::unique_ptr<Books>(new Books(db, std::move(select), std::move(upsert)));
}

Result<Account> Books::load(const InstanceId& id) {
  Account account;
  auto& rows = select_.with(id.str());
  while (true) {
    AGENTOS_TRY(const bool more, rows.step());
    if (!more) break;
    auto count = [&](int column) { return static_cast<std::uint64_t>(rows.integer(column)); };
    account.tallies[{rows.text(0), rows.text(1)}] = {count(2), count(3), count(4), count(5)};
    account.fresh = false;
  }
  return account;
}

Result<void> Books::save(const InstanceId& id, const Account& account) {
  RelaxedCommits relaxed(db_);
  AGENTOS_TRY(auto transaction, Transaction::begin(db_));
  for (const auto& [key, tally] : account.tallies) {
    AGENTOS_CHECK(
        upsert_.with(id.str(), key.first, key.second, tally.up, tally.down, tally.connections, tally.refused).run());
  }
  return transaction.commit();
}

}  // namespace agentos::agentd::egress
