// SPDX-License-Identifier: Apache-2.0
// What is left of the health spans of live runs, in agentd.db, so that an agentd that falls over gives nobody new time.
// Written without waiting for the disk, and no more often than a quarter of a span: what is lost is that much.
#pragma once

#include <map>

#include "agentd/supervisor/health.h"
#include "base/ids.h"
#include "base/sqlite.h"

namespace agentos::agentd {

class HealthTable {
 public:
  static Result<HealthTable> open(Database& db, const Clock& clock, std::string bootId);  // both outlive the table
  Result<void> save(const InstanceId& id, const Health& health);
  // Into one that was made of the contract. A span that went on while nobody counted has gone on; but what the agent
  // said meanwhile waits in its listener, so each gets a moment in which that is heard.
  Result<void> restore(const InstanceId& id, Health& health);
  Result<void> remove(const InstanceId& id);

 private:
  HealthTable(Database& db, const Clock& clock, std::string bootId)
      : db_(&db), clock_(&clock), bootId_(std::move(bootId)) {}
  Database* db_;
  const Clock* clock_;
  std::string bootId_;
};

}  // namespace agentos::agentd
