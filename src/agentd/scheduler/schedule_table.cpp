// SPDX-License-Identifier: Apache-2.0
#include "agentd/scheduler/schedule_table.h"

namespace agentos::agentd {

Result<std::unique_ptr<ScheduleTable>> ScheduleTable::open(Database& db) {
  AGENTOS_CHECK(db.execute(
      "CREATE TABLE IF NOT EXISTS schedule(agent TEXT PRIMARY KEY, last_run INTEGER NOT NULL, held_by TEXT NOT NULL)"));
  AGENTOS_TRY(auto write, db.prepare("INSERT OR REPLACE INTO schedule VALUES(?1,?2,?3)"));
  return std::unique_ptr<ScheduleTable>(new ScheduleTable(db, std::move(write)));
}

Result<std::map<AgentName, ScheduleRow>> ScheduleTable::load() {
  AGENTOS_TRY(auto read, db_.prepare("SELECT agent, last_run, held_by FROM schedule"));
  std::map<AgentName, ScheduleRow> rows;
  while (true) {
    AGENTOS_TRY(const bool more, read.step());
    if (!more) return rows;
    AGENTOS_TRY(auto agent, AgentName::parse(read.text(0)));
    ScheduleRow& row = rows[agent];
    if (read.integer(1) != 0) row.lastRun = Timestamp(Nanoseconds(read.integer(1)));
    row.heldBy = read.text(2);
  }
}

Result<void> ScheduleTable::save(const std::map<AgentName, ScheduleRow>& rows) {
  if (rows.empty()) return {};
  AGENTOS_TRY(auto transaction, Transaction::begin(db_));
  for (const auto& [agent, row] : rows) {
    const std::int64_t last = row.lastRun ? row.lastRun->time_since_epoch().count() : 0;
    AGENTOS_CHECK(write_.with(agent.str(), last, row.heldBy).run());
  }
  return transaction.commit();
}

}  // namespace agentos::agentd
