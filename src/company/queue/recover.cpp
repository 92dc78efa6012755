// SPDX-License-Identifier: Apache-2.0
// What a crash left. Each point between two steps leads to one outcome: a move that was decided is carried out, a claim
// that never reached its file is undone, a claim whose holder is gone is released, an add that made no file never was.
#include <algorithm>

#include "base/fault.h"
#include "company/front_matter.h"
#include "company/queue/file_queue.h"

namespace agentos::company {
namespace {

// One task that cannot be mended must not keep the others from it: the first error is told at the end. A file that a
// person has spoiled is no error of ours: it is quarantined in its time, and its claim ends with it.
void keepFirst(Result<void>& first, Result<void> next) {
  if (first && !next && next.error().code != ErrorCode::kTaskMalformed) first = std::move(next);
}

// ".task-2026-1120-001.md.4711.0.tmp" → the task that it was to become.
std::optional<TaskId> recordOf(const std::string& temporary) {
  const auto ending = temporary.find(".md.");
  if (!temporary.starts_with(".task-") || !temporary.ends_with(".tmp") || ending == std::string::npos)
    return std::nullopt;
  auto id = TaskId::parse(std::string_view(temporary).substr(1, ending - 1));
  return id ? std::optional(*std::move(id)) : std::nullopt;
}

std::optional<std::string> bodyOf(const Result<std::string>& text) {
  if (!text) return std::nullopt;
  const auto record = FrontMatter::parse(*text, "");
  return record ? std::optional(std::string(record->body())) : std::nullopt;
}

}  // namespace

Result<void> FileTaskQueue::recover(const std::function<bool(const InstanceId&)>& isAlive) {
  Result<void> first;
  AGENTOS_TRY(const auto moves, claims_->pending());
  for (const PendingMove& move : moves) keepFirst(first, recoverMove(move));
  keepFirst(first, recoverKeys());
  AGENTOS_TRY(const auto stored, claims_->all());
  for (const StoredClaim& claim : stored) keepFirst(first, recoverClaim(claim, isAlive));
  keepFirst(first, recoverOrphans(isAlive));
  for (const TaskStatus status : kAllTaskStatuses) keepFirst(first, sweepTemporaries(status));
  return first;
}

Result<void> FileTaskQueue::recoverMove(const PendingMove& move) {
  AGENTOS_TRY(const auto held, claims_->find(move.task));
  if (held && held->claim.epoch != move.epoch) return claims_->forget(move.task);  // overtaken by a later claim
  if (isThere(move.from, move.task)) return carryOut(move);
  if (isThere(move.to, move.task)) return finish(move);
  return claims_->settle(move);  // a person took it elsewhere: the state follows
}

Result<void> FileTaskQueue::recoverClaim(const StoredClaim& stored,
                                         const std::function<bool(const InstanceId&)>& isAlive) {
  const Claim& claim = stored.claim;
  if (!isThere(TaskStatus::kInProgress, claim.task)) {
    AGENTOS_CHECK(claims_->drop(claim.task, claim.epoch));
    emit({.kind = "task.requeued",
          .task = claim.task,
          .holder = claim.holder.str(),
          .agent = std::string(agentOf(claim.holder)),
          .detail = "the claim is undone: its file is not in in-progress/",
          .epoch = claim.epoch});
    return {};
  }
  AGENTOS_CHECK(claims_->adopt(claim.task));
  if (!isAlive(claim.holder)) return release(claim, "the holder is gone", {});
  auto copied = rewriteTask(TaskStatus::kInProgress, claim.task,
                            [&](Task task) -> Result<Task> { return claimed(std::move(task), claim); });
  return copied ? reindex(TaskStatus::kInProgress, claim.task) : copied;
}

// An idempotency key means a task only when that task's file was made.
Result<void> FileTaskQueue::recoverKeys() {
  AGENTOS_TRY(const auto keys, claims_->unconfirmedKeys());
  for (const auto& [key, id] : keys) {
    const auto task = find(id);
    if (task && task->idempotencyKey == key) {
      AGENTOS_CHECK(claims_->confirmKey(key, id));
    } else {
      AGENTOS_CHECK(claims_->freeKey(key));
    }
  }
  return {};
}

// The database was lost, or is older than the files: a file that names a dead holder is requeued all the same. One that
// names nobody was put there by a person, and stays.
Result<void> FileTaskQueue::recoverOrphans(const std::function<bool(const InstanceId&)>& isAlive) {
  AGENTOS_TRY(const auto running, list(TaskStatus::kInProgress));
  for (const Task& task : running) {
    const auto holder = InstanceId::parse(task.claimedBy);
    AGENTOS_TRY(const auto held, claims_->find(task.id));
    if (!holder || held || isAlive(*holder)) continue;
    AGENTOS_TRY(PendingMove move, holdersMove({task.id, *holder, task.epoch}, "release", TaskStatus::kQueued));
    move.reason = "the holder is gone, and its claim is not in the database";
    AGENTOS_CHECK(perform(move));
  }
  return {};
}

// Ours has the body of the task it was to become, or no task came of it; anything else may be a person's words.
bool FileTaskQueue::isWorthKeeping(TaskStatus status, const std::string& temporary, const TaskId& id) const {
  const auto left = readFile(company_.tasksFd(status), temporary, kMaxRecordBytes);
  const auto where = locate(id);
  if (!where || !left || left->empty()) return false;
  return bodyOf(left) != bodyOf(readFile(company_.tasksFd(*where), fileOf(id), kMaxRecordBytes));
}

// A process that ended in the middle of a write leaves its temporary file.
Result<void> FileTaskQueue::sweepTemporaries(TaskStatus status) {
  AGENTOS_TRY(const auto names, listDirectory(company_.tasksFd(status)));
  for (const std::string& name : names) {
    const auto id = recordOf(name);
    if (!id) continue;
    if (isWorthKeeping(status, name, *id)) {
      AGENTOS_CHECK(company_.quarantine(company_.tasksFd(status), name,
                                        "left by a process that ended while it wrote " + fileOf(*id)));
    } else {
      AGENTOS_CHECK(removeFile(company_.tasksFd(status), name));
    }
  }
  return {};
}

}  // namespace agentos::company
