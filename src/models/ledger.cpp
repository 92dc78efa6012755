// SPDX-License-Identifier: Apache-2.0
// Three kinds of rows: open reservations (deleted when settled), settlements (never changed), and sums a day and a run,
// which are derived from the settlements and kept in the same transaction, so that a reservation reads a few rows and
// not a month of calls.
#include "models/ledger.h"

#include <spdlog/fmt/fmt.h>

#include "base/fault.h"
#include "models/caps.h"
#include "models/period.h"

namespace agentos::models {
namespace {

constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS ledger_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_reservations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, opened INTEGER NOT NULL,
  agent TEXT NOT NULL, instance TEXT NOT NULL, task TEXT NOT NULL, model TEXT NOT NULL,
  amount INTEGER NOT NULL, tokens INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS ledger_settlements (
  id INTEGER PRIMARY KEY AUTOINCREMENT, reservation INTEGER NOT NULL UNIQUE, time INTEGER NOT NULL, day TEXT NOT NULL,
  agent TEXT NOT NULL, instance TEXT NOT NULL, task TEXT NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL,
  input INTEGER NOT NULL, output INTEGER NOT NULL, cached INTEGER NOT NULL, cost INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS ledger_settlements_time ON ledger_settlements (time);
CREATE TABLE IF NOT EXISTS ledger_days (
  agent TEXT NOT NULL, day TEXT NOT NULL, cost INTEGER NOT NULL, PRIMARY KEY (agent, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_runs (
  instance TEXT PRIMARY KEY, cost INTEGER NOT NULL, tokens INTEGER NOT NULL) WITHOUT ROWID;
)sql";

constexpr const char* kSettlementColumns =
    "id, time, agent, instance, task, model, outcome, input, output, cached, cost FROM ledger_settlements";
constexpr std::string_view kCompanyKey;  // the row of everybody in ledger_days: no agent has the empty name

__extension__ typedef __int128 Wide;

std::int64_t nanos(Timestamp time) { return time.time_since_epoch().count(); }
Timestamp fromNanos(std::int64_t count) { return Timestamp(Nanoseconds(count)); }

Ledger::Settlement settlementOf(const SqlStatement& row) {
  return {.id = row.integer(0),
          .time = fromNanos(row.integer(1)),
          .account = {row.text(2), row.text(3), row.text(4)},
          .model = row.text(5),
          .outcome = row.text(6),
          .usage = {row.integer(7), row.integer(8), row.integer(9)},
          .cost = {row.integer(10)}};
}

class SqliteLedger final : public Ledger {
 public:
  SqliteLedger(Database& db, const Clock& clock, std::string zone) : db_(db), clock_(clock), zone_(std::move(zone)) {}

  Result<void> prepareTables();
  Result<std::int64_t> reserve(const Account& account, const Caps& caps, const std::string& model, MicroUsd worstCase,
                               std::int64_t worstCaseTokens) override;
  Result<Settlement> settle(std::int64_t reservation, const Usage& usage, MicroUsd cost,
                            const std::string& outcome) override;
  Result<std::vector<Settlement>> settleOrphans(const std::optional<std::string>& instance) override;
  Result<std::vector<CapLeft>> left(const Account& account, const Caps& caps) override;
  Result<std::vector<Total>> totals(By by, std::optional<Timestamp> since) override;
  Result<std::vector<Settlement>> settlements(std::int64_t afterId, std::size_t limit) override;
  Result<MicroUsd> costOfRun(const std::string& instance) override;
  Result<std::int64_t> exportedUpTo() override;
  Result<void> markExported(std::int64_t settlementId) override;

 private:
  template <class... Values>
  Result<std::int64_t> number(std::string_view sql, const Values&... values);
  template <class... Values>
  Result<void> write(std::string_view sql, const Values&... values);
  Result<std::string> meta(std::string_view key);
  Result<void> setMeta(std::string_view key, std::string_view value);
  Result<void> rebuildSums();
  Result<CapLeft> spent(const BoundCap& cap, const Account& account, const std::string& today);
  Result<Settlement> settleInside(std::int64_t reservation, const Usage& usage, MicroUsd cost,
                                  const std::string& outcome);
  Result<void> addToSums(const Settlement& settlement, std::string_view day);

  Database& db_;
  const Clock& clock_;
  std::string zone_;
};

template <class... Values>
Result<std::int64_t> SqliteLedger::number(std::string_view sql, const Values&... values) {
  AGENTOS_TRY(auto statement, db_.prepare(sql));
  AGENTOS_TRY(const bool there, statement.with(values...).step());
  return there ? statement.integer(0) : 0;
}

template <class... Values>
Result<void> SqliteLedger::write(std::string_view sql, const Values&... values) {
  AGENTOS_TRY(auto statement, db_.prepare(sql));
  return statement.with(values...).run();
}

Result<std::string> SqliteLedger::meta(std::string_view key) {
  AGENTOS_TRY(auto statement, db_.prepare("SELECT value FROM ledger_meta WHERE key = ?1"));
  AGENTOS_TRY(const bool there, statement.with(key).step());
  return there ? statement.text(0) : std::string();
}

Result<void> SqliteLedger::setMeta(std::string_view key, std::string_view value) {
  return write("INSERT INTO ledger_meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2", key, value);
}

Result<void> SqliteLedger::prepareTables() {
  AGENTOS_CHECK(localDate(clock_.now(), zone_));  // an unknown zone is refused here, not at the first call
  AGENTOS_CHECK(db_.execute(kSchema));
  AGENTOS_TRY(const std::string before, meta("zone"));
  return before == zone_ ? Result<void>() : rebuildSums();
}

// Another zone means other days: the sums are made again from the settlements.
Result<void> SqliteLedger::rebuildSums() {
  AGENTOS_TRY(auto transaction, Transaction::begin(db_));
  AGENTOS_CHECK(db_.execute("DELETE FROM ledger_days; DELETE FROM ledger_runs;"));
  for (std::int64_t after = 0;;) {
    AGENTOS_TRY(const auto page, settlements(after, 1000));
    if (page.empty()) break;
    for (const Settlement& settlement : page) {
      AGENTOS_TRY(const std::string day, localDate(settlement.time, zone_));
      AGENTOS_CHECK(write("UPDATE ledger_settlements SET day = ?2 WHERE id = ?1", settlement.id, day));
      AGENTOS_CHECK(addToSums(settlement, day));
    }
    after = page.back().id;
  }
  AGENTOS_CHECK(setMeta("zone", zone_));
  return transaction.commit();
}

// What settled calls used and open ones hold, of the run, agent or company that the cap is about.
Result<CapLeft> SqliteLedger::spent(const BoundCap& cap, const Account& account, const std::string& today) {
  CapLeft left{.name = cap.name, .cap = {cap.cap}, .used = {}, .reserved = {}};
  if (cap.scope == CapScope::kRun) {
    AGENTOS_TRY(left.used.count, number(cap.tokens ? "SELECT tokens FROM ledger_runs WHERE instance = ?1"
                                                   : "SELECT cost FROM ledger_runs WHERE instance = ?1",
                                        account.instance));
    AGENTOS_TRY(left.reserved.count,
                number(cap.tokens ? "SELECT coalesce(sum(tokens), 0) FROM ledger_reservations WHERE instance = ?1"
                                  : "SELECT coalesce(sum(amount), 0) FROM ledger_reservations WHERE instance = ?1",
                       account.instance));
    return left;
  }
  const bool all = cap.scope == CapScope::kCompany;
  AGENTOS_TRY(const std::string first, firstDayOf(cap.period, today));
  AGENTOS_TRY(left.used.count, number("SELECT coalesce(sum(cost), 0) FROM ledger_days WHERE agent = ?1 AND day >= ?2",
                                      all ? kCompanyKey : std::string_view(account.agent), first));
  AGENTOS_TRY(left.reserved.count,
              all ? number("SELECT coalesce(sum(amount), 0) FROM ledger_reservations")
                  : number("SELECT coalesce(sum(amount), 0) FROM ledger_reservations WHERE agent = ?1", account.agent));
  return left;
}

Result<std::int64_t> SqliteLedger::reserve(const Account& account, const Caps& caps, const std::string& model,
                                           MicroUsd worstCase, std::int64_t worstCaseTokens) {
  if (worstCase.count < 0 || worstCaseTokens < 0)
    return fail(ErrorCode::kInternal,
                fmt::format("reservation of {} µUSD, {} tokens", worstCase.count, worstCaseTokens));
  const Timestamp now = clock_.now();
  AGENTOS_TRY(const std::string today, localDate(now, zone_));
  AGENTOS_TRY(auto transaction, Transaction::begin(db_));
  for (const BoundCap& cap : boundCaps(caps)) {
    const std::int64_t need = cap.tokens ? worstCaseTokens : worstCase.count;
    AGENTOS_TRY(const CapLeft left, spent(cap, account, today));
    if (need == 0 || need <= left.cap.count - left.used.count - left.reserved.count)
      continue;  // what is free always fits
    std::string resets;
    if (cap.period != Period::kRun) {
      AGENTOS_TRY(resets, endOf(cap.period, now, zone_));
    }
    return std::unexpected(exhausted(cap, left, account, need, resets));
  }
  AGENTOS_CHECK(
      write("INSERT INTO ledger_reservations (opened, agent, instance, task, model, amount, tokens) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            nanos(now), account.agent, account.instance, account.task, model, worstCase.count, worstCaseTokens));
  const std::int64_t id = db_.lastRowId();
  AGENTOS_CHECK(transaction.commit());
  faultPoint("ledger.reserve.committed");
  return id;
}

Result<Ledger::Settlement> SqliteLedger::settle(std::int64_t reservation, const Usage& usage, MicroUsd cost,
                                                const std::string& outcome) {
  AGENTOS_TRY(auto transaction, Transaction::begin(db_));
  AGENTOS_TRY(auto settlement, settleInside(reservation, usage, cost, outcome));
  AGENTOS_CHECK(transaction.commit());
  faultPoint("ledger.settle.committed");
  return settlement;
}

Result<Ledger::Settlement> SqliteLedger::settleInside(std::int64_t reservation, const Usage& usage, MicroUsd cost,
                                                      const std::string& outcome) {
  Settlement settled{
      .id = 0, .time = clock_.now(), .account = {}, .model = {}, .outcome = outcome, .usage = usage, .cost = cost};
  {
    AGENTOS_TRY(auto open, db_.prepare("SELECT agent, instance, task, model FROM ledger_reservations WHERE id = ?1"));
    AGENTOS_TRY(const bool there, open.with(reservation).step());
    if (!there) {
      AGENTOS_TRY(const auto done, number("SELECT id FROM ledger_settlements WHERE reservation = ?1", reservation));
      if (done == 0) return fail(ErrorCode::kNotFound, fmt::format("reservation {}", reservation));
      return fail(ErrorCode::kConflict,
                  fmt::format("reservation {} was settled before, as settlement {}", reservation, done));
    }
    settled.account = {open.text(0), open.text(1), open.text(2)};
    settled.model = open.text(3);
  }
  AGENTOS_TRY(const std::string day, localDate(settled.time, zone_));
  AGENTOS_CHECK(write(
      "INSERT INTO ledger_settlements (reservation, time, day, agent, instance, task, model, outcome, input, "
      "output, cached, cost) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
      reservation, nanos(settled.time), day, settled.account.agent, settled.account.instance, settled.account.task,
      settled.model, outcome, usage.inputTokens, usage.outputTokens, usage.cachedTokens, cost.count));
  settled.id = db_.lastRowId();
  AGENTOS_CHECK(write("DELETE FROM ledger_reservations WHERE id = ?1", reservation));
  AGENTOS_CHECK(addToSums(settled, day));
  return settled;
}

Result<void> SqliteLedger::addToSums(const Settlement& settlement, std::string_view day) {
  for (const std::string_view key : {std::string_view(settlement.account.agent), kCompanyKey}) {
    AGENTOS_CHECK(
        write("INSERT INTO ledger_days VALUES (?1, ?2, ?3) ON CONFLICT (agent, day) DO UPDATE SET cost = cost + ?3",
              key, day, settlement.cost.count));
  }
  return write(
      "INSERT INTO ledger_runs VALUES (?1, ?2, ?3) "
      "ON CONFLICT (instance) DO UPDATE SET cost = cost + ?2, tokens = tokens + ?3",
      settlement.account.instance, settlement.cost.count, settlement.usage.inputTokens + settlement.usage.outputTokens);
}

Result<std::vector<Ledger::Settlement>> SqliteLedger::settleOrphans(const std::optional<std::string>& instance) {
  struct Open {
    std::int64_t id, tokens;
    MicroUsd amount;
  };
  std::vector<Open> open;
  {
    AGENTOS_TRY(auto rows, db_.prepare("SELECT id, tokens, amount FROM ledger_reservations "
                                       "WHERE ?1 = '' OR instance = ?1 ORDER BY id"));
    rows.with(instance.value_or(""));
    for (;;) {
      AGENTOS_TRY(const bool more, rows.step());
      if (!more) break;
      open.push_back({rows.integer(0), rows.integer(1), {rows.integer(2)}});
    }
  }
  AGENTOS_TRY(auto transaction, Transaction::begin(db_));
  std::vector<Settlement> settled;
  for (const Open& call : open) {
    // The endpoint may have worked to the end of it: what was reserved is the most that it can have cost.
    AGENTOS_TRY(auto one, settleInside(call.id, {.inputTokens = call.tokens}, call.amount, "lost"));
    settled.push_back(std::move(one));
  }
  AGENTOS_CHECK(transaction.commit());
  return settled;
}

Result<std::vector<CapLeft>> SqliteLedger::left(const Account& account, const Caps& caps) {
  AGENTOS_TRY(const std::string today, localDate(clock_.now(), zone_));
  std::vector<CapLeft> all;
  for (const BoundCap& cap : boundCaps(caps)) {
    AGENTOS_TRY(auto one, spent(cap, account, today));
    all.push_back(std::move(one));
  }
  return all;
}

Result<std::vector<Ledger::Total>> SqliteLedger::totals(By by, std::optional<Timestamp> since) {
  const char* key = by == By::kAgent ? "agent" : by == By::kModel ? "model" : by == By::kTask ? "task" : "day";
  AGENTOS_TRY(auto rows, db_.prepare(fmt::format("SELECT {0}, sum(cost), count(*), sum(input), sum(output) "
                                                 "FROM ledger_settlements WHERE time >= ?1 GROUP BY {0} ORDER BY {0}",
                                                 key)));
  rows.with(since ? nanos(*since) : std::numeric_limits<std::int64_t>::min());
  std::vector<Total> all;
  for (;;) {
    AGENTOS_TRY(const bool more, rows.step());
    if (!more) return all;
    all.push_back({rows.text(0), {rows.integer(1)}, rows.integer(2), rows.integer(3), rows.integer(4)});
  }
}

Result<std::vector<Ledger::Settlement>> SqliteLedger::settlements(std::int64_t afterId, std::size_t limit) {
  AGENTOS_TRY(auto rows, db_.prepare(fmt::format("SELECT {} WHERE id > ?1 ORDER BY id LIMIT ?2", kSettlementColumns)));
  rows.with(afterId, static_cast<std::int64_t>(limit));
  std::vector<Settlement> page;
  for (;;) {
    AGENTOS_TRY(const bool more, rows.step());
    if (!more) return page;
    page.push_back(settlementOf(rows));
  }
}

Result<MicroUsd> SqliteLedger::costOfRun(const std::string& instance) {
  AGENTOS_TRY(const std::int64_t cost, number("SELECT cost FROM ledger_runs WHERE instance = ?1", instance));
  return MicroUsd{cost};
}

Result<std::int64_t> SqliteLedger::exportedUpTo() {
  return number("SELECT CAST(value AS INTEGER) FROM ledger_meta WHERE key = 'exported'");
}

Result<void> SqliteLedger::markExported(std::int64_t settlementId) {
  return setMeta("exported", std::to_string(settlementId));
}

}  // namespace

MicroUsd costOf(const Price& price, const Usage& usage) {
  constexpr Wide kMost = 1'000'000'000'000'000;
  const auto part = [](std::int64_t tokens, MicroUsd perMillion) {
    return static_cast<Wide>(std::max<std::int64_t>(tokens, 0)) * std::max<std::int64_t>(perMillion.count, 0);
  };
  const std::int64_t cached =
      std::clamp<std::int64_t>(usage.cachedTokens, 0, std::max<std::int64_t>(usage.inputTokens, 0));
  const auto sum = part(usage.inputTokens - cached, price.inputPerMillion) + part(cached, price.cachedInputPerMillion) +
                   part(usage.outputTokens, price.outputPerMillion);
  return {static_cast<std::int64_t>(std::min(kMost, (sum + 999'999) / 1'000'000))};
}

Result<std::unique_ptr<Ledger>> Ledger::open(Database& db, const Clock& clock, std::string zone) {
  auto ledger = std::make_unique<SqliteLedger>(db, clock, std::move(zone));
  AGENTOS_CHECK(ledger->prepareTables());
  return ledger;
}

}  // namespace agentos::models
