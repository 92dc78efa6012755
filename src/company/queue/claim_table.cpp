// SPDX-License-Identifier: Apache-2.0
#include "company/queue/claim_table.h"

namespace agentos::company {
namespace {

// task_claims keeps a row for every task that was ever claimed: the epoch grows for ever, the holder comes and goes.
constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS task_claims(task TEXT PRIMARY KEY, epoch INTEGER NOT NULL, holder TEXT, session TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS task_moves(task TEXT PRIMARY KEY, move TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS task_numbers(day TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS task_keys(key TEXT PRIMARY KEY, task TEXT NOT NULL, confirmed INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS task_claims_live ON task_claims(holder) WHERE holder IS NOT NULL;
)";

Result<StoredClaim> claimAt(const SqlStatement& row) {
  AGENTOS_TRY(const TaskId task, TaskId::parse(row.text(0)));
  AGENTOS_TRY(const InstanceId holder, InstanceId::parse(row.text(2)));
  return StoredClaim{{task, holder, row.integer(1)}, row.text(3)};
}

}  // namespace

struct ClaimTable::Statements {
  SqlStatement row, take, drop, adopt, live, begin, forget, pending, number, findKey, putKey, confirm, freeKey, loose;
};

Result<std::unique_ptr<ClaimTable>> ClaimTable::open(Database& db, std::string session) {
  AGENTOS_CHECK(db.execute(kSchema));
  std::unique_ptr<ClaimTable> table(new ClaimTable(db, std::move(session)));
  AGENTOS_TRY(auto row, db.prepare("SELECT task, epoch, holder, session FROM task_claims WHERE task = ?1"));
  AGENTOS_TRY(auto take, db.prepare("INSERT INTO task_claims(task, epoch, holder, session) VALUES(?1, ?2, ?3, ?4) "
                                    "ON CONFLICT(task) DO UPDATE SET epoch = ?2, holder = ?3, session = ?4"));
  AGENTOS_TRY(auto drop,
              db.prepare("UPDATE task_claims SET holder = NULL, session = NULL WHERE task = ?1 AND epoch = ?2"));
  AGENTOS_TRY(auto adopt, db.prepare("UPDATE task_claims SET session = ?2 WHERE task = ?1 AND holder IS NOT NULL"));
  AGENTOS_TRY(
      auto live,
      db.prepare("SELECT task, epoch, holder, session FROM task_claims WHERE holder IS NOT NULL ORDER BY task"));
  AGENTOS_TRY(auto begin, db.prepare("INSERT OR REPLACE INTO task_moves(task, move) VALUES(?1, ?2)"));
  AGENTOS_TRY(auto forget, db.prepare("DELETE FROM task_moves WHERE task = ?1"));
  AGENTOS_TRY(auto pending, db.prepare("SELECT move FROM task_moves ORDER BY task"));
  AGENTOS_TRY(auto number, db.prepare("INSERT INTO task_numbers(day, number) VALUES(?1, 1) "
                                      "ON CONFLICT(day) DO UPDATE SET number = number + 1 RETURNING number"));
  AGENTOS_TRY(auto findKey, db.prepare("SELECT task, confirmed FROM task_keys WHERE key = ?1"));
  AGENTOS_TRY(auto putKey, db.prepare("INSERT INTO task_keys(key, task, confirmed) VALUES(?1, ?2, 0)"));
  AGENTOS_TRY(auto confirm, db.prepare("UPDATE task_keys SET task = ?2, confirmed = 1 WHERE key = ?1"));
  AGENTOS_TRY(auto freeKey, db.prepare("DELETE FROM task_keys WHERE key = ?1"));
  AGENTOS_TRY(auto loose, db.prepare("SELECT key, task FROM task_keys WHERE confirmed = 0"));
  table->sql_ = std::make_shared<Statements>(
      Statements{std::move(row), std::move(take), std::move(drop), std::move(adopt), std::move(live), std::move(begin),
                 std::move(forget), std::move(pending), std::move(number), std::move(findKey), std::move(putKey),
                 std::move(confirm), std::move(freeKey), std::move(loose)});
  return table;
}

Result<std::optional<std::int64_t>> ClaimTable::take(const TaskId& task, const InstanceId& holder,
                                                     std::int64_t fileEpoch) {
  AGENTOS_TRY(auto transaction, Transaction::begin(db_));
  AGENTOS_TRY(const bool known, sql_->row.with(task.str()).step());
  const std::int64_t last = known ? sql_->row.integer(1) : 0;
  const bool foreign = known && !sql_->row.isNull(2) && sql_->row.text(3) != session_;
  if (known) AGENTOS_CHECK(sql_->row.run());
  if (foreign) return std::nullopt;
  const std::int64_t epoch = std::max(last, fileEpoch) + 1;
  AGENTOS_CHECK(sql_->take.with(task.str(), epoch, holder.str(), session_).run());
  AGENTOS_CHECK(transaction.commit());
  return epoch;
}

Result<void> ClaimTable::drop(const TaskId& task, std::int64_t epoch) {
  return sql_->drop.with(task.str(), epoch).run();
}

Result<void> ClaimTable::adopt(const TaskId& task) { return sql_->adopt.with(task.str(), session_).run(); }

Result<std::optional<StoredClaim>> ClaimTable::find(const TaskId& task) {
  AGENTOS_TRY(const bool known, sql_->row.with(task.str()).step());
  if (!known) return std::nullopt;
  std::optional<StoredClaim> found;
  if (!sql_->row.isNull(2)) {
    AGENTOS_TRY(found, claimAt(sql_->row));
  }
  AGENTOS_CHECK(sql_->row.run());
  return found;
}

Result<std::vector<StoredClaim>> ClaimTable::all() {
  std::vector<StoredClaim> claims;
  sql_->live.with();
  for (;;) {
    AGENTOS_TRY(const bool more, sql_->live.step());
    if (!more) return claims;
    AGENTOS_TRY(auto claim, claimAt(sql_->live));
    claims.push_back(std::move(claim));
  }
}

Result<void> ClaimTable::begin(const PendingMove& move) {
  return sql_->begin.with(move.task.str(), toJson(move)).run();
}

Result<void> ClaimTable::forget(const TaskId& task) { return sql_->forget.with(task.str()).run(); }

Result<void> ClaimTable::settle(const PendingMove& move) {
  AGENTOS_TRY(auto transaction, Transaction::begin(db_));
  AGENTOS_CHECK(sql_->forget.with(move.task.str()).run());
  if (move.epoch != 0) AGENTOS_CHECK(sql_->drop.with(move.task.str(), move.epoch).run());
  return transaction.commit();
}

Result<std::vector<PendingMove>> ClaimTable::pending() {
  std::vector<PendingMove> moves;
  sql_->pending.with();
  for (;;) {
    AGENTOS_TRY(const bool more, sql_->pending.step());
    if (!more) return moves;
    AGENTOS_TRY(auto move, pendingMoveOf(sql_->pending.text(0)));
    moves.push_back(std::move(move));
  }
}

Result<ClaimTable::Reserved> ClaimTable::reserve(const std::string& day, const std::string& key) {
  AGENTOS_TRY(auto transaction, Transaction::begin(db_));
  Reserved reserved;
  if (!key.empty()) {
    AGENTOS_TRY(const bool used, sql_->findKey.with(key).step());
    if (used) {
      AGENTOS_TRY(reserved.earlier, TaskId::parse(sql_->findKey.text(0)));
      reserved.confirmed = sql_->findKey.integer(1) != 0;
      AGENTOS_CHECK(sql_->findKey.run());
      return reserved;
    }
  }
  AGENTOS_TRY(const bool row, sql_->number.with(day).step());
  if (!row) return fail(ErrorCode::kInternal, "no number for a task of " + day);
  reserved.number = sql_->number.integer(0);
  AGENTOS_CHECK(sql_->number.run());
  if (!key.empty()) {
    AGENTOS_TRY(const TaskId id, taskIdOf(day, reserved.number));
    AGENTOS_CHECK(sql_->putKey.with(key, id.str()).run());
  }
  AGENTOS_CHECK(transaction.commit());
  return reserved;
}

Result<void> ClaimTable::confirmKey(const std::string& key, const TaskId& task) {
  return sql_->confirm.with(key, task.str()).run();
}

Result<void> ClaimTable::freeKey(const std::string& key) { return sql_->freeKey.with(key).run(); }

Result<std::vector<std::pair<std::string, TaskId>>> ClaimTable::unconfirmedKeys() {
  std::vector<std::pair<std::string, TaskId>> keys;
  sql_->loose.with();
  for (;;) {
    AGENTOS_TRY(const bool more, sql_->loose.step());
    if (!more) return keys;
    AGENTOS_TRY(TaskId id, TaskId::parse(sql_->loose.text(1)));
    keys.emplace_back(sql_->loose.text(0), std::move(id));
  }
}

Result<TaskId> taskIdOf(const std::string& day, std::int64_t number) {
  const std::string digits = std::to_string(number);
  return TaskId::parse("task-" + day + "-" + std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits);
}

}  // namespace agentos::company
