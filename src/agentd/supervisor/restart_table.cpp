// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/restart_table.h"

#include <algorithm>

#include "base/json.h"

namespace agentos::agentd {
namespace {

// `boot` and `wall` are one moment on both clocks, when the row was written; `ages` and `due` count from it. On the
// same boot the first tells how long ago it was, on another the second.
constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS restarts(
  agent TEXT PRIMARY KEY, boot_id TEXT NOT NULL, boot INTEGER NOT NULL, wall INTEGER NOT NULL, ages TEXT NOT NULL,
  ended TEXT NOT NULL, due INTEGER NOT NULL) WITHOUT ROWID;
)sql";

std::int64_t countOf(BootTime time) { return time.time_since_epoch().count(); }
std::int64_t countOf(Timestamp time) { return time.time_since_epoch().count(); }

}  // namespace

Result<RestartTable> RestartTable::open(Database& db, const Clock& clock, std::string bootId) {
  AGENTOS_CHECK(db.execute(kSchema));
  return RestartTable(db, clock, std::move(bootId));
}

Result<void> RestartTable::save(const AgentName& agent, const RestartRow& row) {
  const BootTime now = clock_->bootNow();
  Json ages = Json::array();
  for (const BootTime at : row.earlier) ages.push_back((now - at).count());
  AGENTOS_TRY(auto write, db_->prepare("INSERT OR REPLACE INTO restarts VALUES(?1,?2,?3,?4,?5,?6,?7)"));
  return write
      .with(agent.str(), bootId_, countOf(now), countOf(clock_->now()), dumpJson(ages),
            row.waiting ? row.waiting->ended.str() : std::string(),
            row.waiting ? (row.waiting->due - now).count() : std::int64_t{0})
      .run();
}

Result<std::map<AgentName, RestartRow>> RestartTable::load() {
  AGENTOS_TRY(auto read, db_->prepare("SELECT agent, boot_id, boot, wall, ages, ended, due FROM restarts"));
  std::map<AgentName, RestartRow> rows;
  while (true) {
    AGENTOS_TRY(const bool more, read.step());
    if (!more) return rows;
    AGENTOS_TRY(const auto agent, AgentName::parse(read.text(0)));
    const std::int64_t passed = read.text(1) == bootId_ ? countOf(clock_->bootNow()) - read.integer(2)
                                                        : countOf(clock_->now()) - read.integer(3);
    // A wall clock that was set back makes nothing last longer than it was to.
    const BootTime written = clock_->bootNow() - Nanoseconds(std::max<std::int64_t>(0, passed));
    RestartRow& row = rows[agent];
    AGENTOS_TRY(const Json ages, parseJson(read.text(4)));
    for (const Json& age : ages)
      if (age.is_number_integer()) row.earlier.push_back(written - Nanoseconds(age.get<std::int64_t>()));
    if (auto ended = InstanceId::parse(read.text(5)))
      row.waiting = RestartRow::Waiting{*ended, written + Nanoseconds(read.integer(6))};
  }
}

}  // namespace agentos::agentd
