// SPDX-License-Identifier: Apache-2.0
// When each agent was started again, and who waits for it, in agentd.db: a back-off that agentd's own restart forgot
// would let an agent and a daemon that fall over together start as fast as they can.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/sqlite.h"

namespace agentos::agentd {

struct RestartRow {
  std::vector<BootTime> earlier;  // oldest first; of before a boot: negative
  struct Waiting {
    InstanceId ended;  // whose successor it will be
    BootTime due;
  };
  std::optional<Waiting> waiting;
};

class RestartTable {
 public:
  // Both outlive the table.
  static Result<RestartTable> open(Database& db, const Clock& clock, std::string bootId);
  Result<std::map<AgentName, RestartRow>> load();
  Result<void> save(const AgentName& agent, const RestartRow& row);

 private:
  RestartTable(Database& db, const Clock& clock, std::string bootId)
      : db_(&db), clock_(&clock), bootId_(std::move(bootId)) {}
  Database* db_;
  const Clock* clock_;
  std::string bootId_;
};

}  // namespace agentos::agentd
