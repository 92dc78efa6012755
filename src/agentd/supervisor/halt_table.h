// SPDX-License-Identifier: Apache-2.0
// The global halt, in agentd.db: it outlives agentd and the machine's start, until a person lifts it.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "base/sqlite.h"

namespace agentos::agentd {

struct Halt {
  Timestamp since;
  std::string actor, reason;
  bool kill = false;             // what ran was ended; else it is frozen
  std::set<InstanceId> holding;  // frozen by the halt: they go on when it is lifted; what a person paused does not
  bool operator==(const Halt&) const = default;
};

class HaltTable {
 public:
  static Result<HaltTable> open(Database& db);  // outlives the table
  Result<std::optional<Halt>> load();
  Result<void> save(const Halt& halt);
  Result<void> clear();

 private:
  explicit HaltTable(Database& db) : db_(&db) {}
  Database* db_;
};

}  // namespace agentos::agentd
