// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/health_table.h"

#include <algorithm>

namespace agentos::agentd {
namespace {

constexpr Nanoseconds kHearing = std::chrono::seconds(5);

// Spans as what is left of them at `boot`; a run is of one boot, so no wall clock is needed. `frozen`: they stood
// still.
constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS health(
  id TEXT PRIMARY KEY, boot_id TEXT NOT NULL, boot INTEGER NOT NULL, running INTEGER NOT NULL, beat INTEGER NOT NULL,
  progress INTEGER NOT NULL, misses INTEGER NOT NULL, ready INTEGER NOT NULL,
  last INTEGER NOT NULL) WITHOUT ROWID;
)sql";

bool runs(const Health& health) { return health.beat.due() || health.progress.due(); }

}  // namespace

Result<HealthTable> HealthTable::open(Database& db, const Clock& clock, std::string bootId) {
  AGENTOS_CHECK(db.execute(kSchema));
  return HealthTable(db, clock, std::move(bootId));
}

Result<void> HealthTable::save(const InstanceId& id, const Health& health) {
  RelaxedCommits relaxed(*db_);
  const BootTime now = clock_->bootNow();
  AGENTOS_TRY(auto write, db_->prepare("INSERT OR REPLACE INTO health VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)"));
  return write
      .with(id.str(), bootId_, now.time_since_epoch().count(), runs(health) ? 1 : 0, health.beat.left(now).count(),
            health.progress.left(now).count(), health.misses, health.ready ? 1 : 0,
            health.last ? health.last->time_since_epoch().count() : std::int64_t{0})
      .run();
}

Result<void> HealthTable::restore(const InstanceId& id, Health& health) {
  AGENTOS_TRY(auto read, db_->prepare("SELECT boot_id, boot, running, beat, progress, misses, ready, last "
                                      "FROM health WHERE id = ?1"));
  read.with(id.str());
  AGENTOS_TRY(const bool there, read.step());
  if (!there || read.text(0) != bootId_) return {};
  const Nanoseconds passed =
      read.integer(2) != 0 ? clock_->bootNow() - BootTime(Nanoseconds(read.integer(1))) : Nanoseconds(0);
  int column = 3;
  for (StoppableSpan* span : {&health.beat, &health.progress}) {
    const Nanoseconds left(read.integer(column++));
    span->restore(std::clamp(left - passed, std::min(kHearing, span->span()), span->span()));
  }
  health.misses = read.integer(5);
  health.ready = health.ready || read.integer(6) != 0;
  if (read.integer(7) != 0) health.last = Timestamp(Nanoseconds(read.integer(7)));
  return {};
}

Result<void> HealthTable::remove(const InstanceId& id) {
  RelaxedCommits relaxed(*db_);
  AGENTOS_TRY(auto erase, db_->prepare("DELETE FROM health WHERE id = ?1"));
  return erase.with(id.str()).run();
}

}  // namespace agentos::agentd
