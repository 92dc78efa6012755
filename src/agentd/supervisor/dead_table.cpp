// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/dead_table.h"

#include <utility>

namespace agentos::agentd {
namespace {

constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS dead_letters(
  id TEXT PRIMARY KEY, agent TEXT NOT NULL, mode TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
  since INTEGER NOT NULL, source TEXT NOT NULL, digest TEXT NOT NULL, contract TEXT NOT NULL, evidence TEXT NOT NULL);
)sql";

}  // namespace

Result<DeadTable> DeadTable::open(Database& db) {
  AGENTOS_CHECK(db.execute(kSchema));
  return DeadTable(db);
}

Result<void> DeadTable::add(const DeadLetter& letter) {
  AGENTOS_TRY(auto transaction, Transaction::begin(*db_));
  AGENTOS_TRY(auto write, db_->prepare("INSERT OR REPLACE INTO dead_letters VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)"));
  write.with(letter.id.str(), letter.agent.str(), letter.mode, letter.kind, letter.reason,
             letter.since.time_since_epoch().count(), letter.source, letter.digest, dumpJson(letter.contract),
             dumpJson(letter.evidence));
  AGENTOS_CHECK(write.run());
  AGENTOS_TRY(auto trim, db_->prepare("DELETE FROM dead_letters WHERE id IN "
                                      "(SELECT id FROM dead_letters ORDER BY since DESC, id LIMIT -1 OFFSET ?1)"));
  AGENTOS_CHECK(trim.with(kDeadLettersKept).run());
  return transaction.commit();
}

Result<std::vector<DeadLetter>> DeadTable::read(const std::string& where, const std::string& value) {
  AGENTOS_TRY(auto rows, db_->prepare("SELECT id, agent, mode, kind, reason, since, source, digest, contract, evidence "
                                      "FROM dead_letters WHERE " +
                                      where + " ORDER BY since DESC, id"));
  rows.with(value);
  std::vector<DeadLetter> letters;
  while (true) {
    AGENTOS_TRY(const bool more, rows.step());
    if (!more) return letters;
    DeadLetter letter;
    AGENTOS_TRY(letter.id, InstanceId::parse(rows.text(0)));
    AGENTOS_TRY(letter.agent, AgentName::parse(rows.text(1)));
    letter.mode = rows.text(2);
    letter.kind = rows.text(3);
    letter.reason = rows.text(4);
    letter.since = Timestamp(Nanoseconds(rows.integer(5)));
    letter.source = rows.text(6);
    letter.digest = rows.text(7);
    AGENTOS_TRY(letter.contract, parseJson(rows.text(8)));
    AGENTOS_TRY(letter.evidence, parseJson(rows.text(9)));
    letters.push_back(std::move(letter));
  }
}

Result<std::vector<DeadLetter>> DeadTable::list() { return read("?1 = ''", ""); }

Result<DeadLetter> DeadTable::find(const InstanceId& id) {
  AGENTOS_TRY(auto letters, read("id = ?1", id.str()));
  if (letters.empty())
    return fail(ErrorCode::kNotFound, "no dead letter of " + id.str(), "agentctl dead list shows those that lie there");
  return std::move(letters.front());
}

Result<bool> DeadTable::remove(const InstanceId& id) {
  AGENTOS_TRY(auto erase, db_->prepare("DELETE FROM dead_letters WHERE id = ?1"));
  AGENTOS_CHECK(erase.with(id.str()).run());
  return db_->changes() > 0;
}

Result<std::optional<DeadLetter>> DeadTable::serviceOf(const AgentName& agent) {
  AGENTOS_TRY(auto letters, read("mode = 'service' AND agent = ?1", agent.str()));
  if (letters.empty()) return std::nullopt;
  return std::move(letters.front());
}

}  // namespace agentos::agentd
