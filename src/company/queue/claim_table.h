// SPDX-License-Identifier: Apache-2.0
// The queue's tables in agentd.db: who holds what with which epoch, the moves under way, the numbers of the day's ids
// and the idempotency keys. Several processes may open them; each claim says whose it is.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/sqlite.h"
#include "company/queue/pending_move.h"
#include "company/task_queue.h"

namespace agentos::company {

struct StoredClaim {
  Claim claim;
  std::string session;  // the queue that made it
};

class ClaimTable {
 public:
  static Result<std::unique_ptr<ClaimTable>> open(Database& db, std::string session);

  // The next epoch, above `fileEpoch`, committed; empty when a live claim of another queue is there. A claim of this
  // same queue is left over from a person's move, and gives way.
  Result<std::optional<std::int64_t>> take(const TaskId& task, const InstanceId& holder, std::int64_t fileEpoch);
  Result<void> drop(const TaskId& task, std::int64_t epoch);  // only while that epoch is the newest
  Result<void> adopt(const TaskId& task);                     // the claim of a process that is gone becomes ours
  Result<std::optional<StoredClaim>> find(const TaskId& task);
  Result<std::vector<StoredClaim>> all();

  Result<void> begin(const PendingMove& move);
  Result<void> forget(const TaskId& task);
  Result<void> settle(const PendingMove& move);  // the move and the claim it ended, in one transaction
  Result<std::vector<PendingMove>> pending();

  // A number of that day ("2026-1120") that no other caller gets. With a key, the key now means the id with this
  // number, unconfirmed.
  struct Reserved {
    std::int64_t number = 0;
    std::optional<TaskId> earlier;  // the key was used: this is its task, and no number was taken
    bool confirmed = false;         // its file was made
  };
  Result<Reserved> reserve(const std::string& day, const std::string& key);
  Result<void> confirmKey(const std::string& key, const TaskId& task);
  Result<void> freeKey(const std::string& key);
  Result<std::vector<std::pair<std::string, TaskId>>> unconfirmedKeys();

 private:
  ClaimTable(Database& db, std::string session) : db_(db), session_(std::move(session)) {}
  Database& db_;
  std::string session_;
  struct Statements;
  std::shared_ptr<Statements> sql_;
};

// "task-2026-1120-001" from "2026-1120" and 1.
Result<TaskId> taskIdOf(const std::string& day, std::int64_t number);

}  // namespace agentos::company
