// SPDX-License-Identifier: Apache-2.0
// What the schedule remembers over restarts: when the clock last started a cycle of an agent, and who is held.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "base/sqlite.h"

namespace agentos::agentd {

struct ScheduleRow {
  std::optional<Timestamp> lastRun;
  std::string heldBy;  // empty: not held
};

class ScheduleTable {
 public:
  static Result<std::unique_ptr<ScheduleTable>> open(Database& db);
  Result<std::map<AgentName, ScheduleRow>> load();
  // All of them in one commit.
  Result<void> save(const std::map<AgentName, ScheduleRow>& rows);

 private:
  ScheduleTable(Database& db, SqlStatement write) : db_(db), write_(std::move(write)) {}
  Database& db_;
  SqlStatement write_;
};

}  // namespace agentos::agentd
