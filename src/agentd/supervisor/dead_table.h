// SPDX-License-Identifier: Apache-2.0
// Dead letters: what failed for good lies here with its contract and its evidence until a person retries or drops it. A
// job whose restarts ran out (or that has none), a service past its start limit. In agentd.db, so it outlives the
// records of the runs that it speaks of.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/sqlite.h"
#include "contract/contract.h"

namespace agentos::agentd {

inline constexpr std::int64_t kDeadLettersKept = 1000;  // beyond, the oldest goes

struct DeadLetter {
  InstanceId id;  // the last run
  AgentName agent;
  std::string mode, kind, reason;  // kind: "start_limit", "failed", "refused"
  Timestamp since;
  std::string source, digest;
  Json contract, evidence;  // evidence: {"runs":[…],"log":"…"}, newest run first
};

class DeadTable {
 public:
  static Result<DeadTable> open(Database& db);  // outlives the table
  Result<void> add(const DeadLetter& letter);
  Result<std::vector<DeadLetter>> list();  // newest first
  Result<DeadLetter> find(const InstanceId& id);
  Result<bool> remove(const InstanceId& id);
  // The service's letter of that agent, if one lies there.
  Result<std::optional<DeadLetter>> serviceOf(const AgentName& agent);

 private:
  explicit DeadTable(Database& db) : db_(&db) {}
  Result<std::vector<DeadLetter>> read(const std::string& where, const std::string& value);
  Database* db_;
};

}  // namespace agentos::agentd
