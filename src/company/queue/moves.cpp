// SPDX-License-Identifier: Apache-2.0
// Everything that ends a claim or moves a task, in one order: the decision into the database, the file rewritten where
// it lies, one rename, the database again. What was decided is carried out, by us now or by recover() later.
#include <algorithm>

#include "base/fault.h"
#include "base/text.h"
#include "company/messages.h"
#include "company/queue/file_queue.h"

namespace agentos::company {
namespace {

constexpr int kMostRewrites = 16;  // somebody who saves this often in a row is asked to stop first
constexpr std::string_view kOutcomes[] = {"success", "partial", "failure", "cancelled"};

std::string missingOf(const Task& task) {
  for (const std::string& name : task.verify) {
    if (std::ranges::find(task.artifacts, name) == task.artifacts.end()) return name;
  }
  return {};
}

std::string directoryName(TaskStatus status) { return std::string(directoryOf(status)); }

std::string agentNameOf(const std::string& holder) {
  const auto id = InstanceId::parse(holder);
  return id ? std::string(agentOf(*id)) : std::string();
}

}  // namespace

// Compare and swap until it holds: what a person saved in between is read, kept and built upon.
Result<void> FileTaskQueue::rewriteTask(TaskStatus status, const TaskId& id,
                                        const std::function<Result<Task>(Task)>& change) {
  for (int tries = 1;; ++tries) {
    AGENTOS_TRY(const Loaded loaded, loadRecord(status, id));
    AGENTOS_TRY(const Task changed, change(loaded.task));
    AGENTOS_TRY(const std::string text, renderTask(changed, loaded.text));
    if (text == loaded.text) return {};
    auto written = rewriteFile(company_.tasksFd(status), fileOf(id), text, loaded.stamp);
    if (written) return {};
    if (written.error().code != ErrorCode::kConflict || tries == kMostRewrites) {
      return std::unexpected(std::move(written).error());
    }
  }
}

Result<void> FileTaskQueue::checkClaim(const Claim& claim) {
  dropVoided();
  AGENTOS_TRY(const auto newest, claims_->find(claim.task));
  if (!newest || isVoided(newest->claim)) {
    return fail(ErrorCode::kTaskStaleEpoch,
                "nobody holds " + claim.task.str() + " any more; this is about epoch " + std::to_string(claim.epoch),
                "a new claim");
  }
  if (newest->claim.epoch != claim.epoch || newest->claim.holder != claim.holder) {
    return fail(ErrorCode::kTaskStaleEpoch,
                claim.task.str() + " is held by " + newest->claim.holder.str() + " with epoch " +
                    std::to_string(newest->claim.epoch) + "; this is about epoch " + std::to_string(claim.epoch),
                "a new claim");
  }
  if (isThere(TaskStatus::kInProgress, claim.task)) return {};
  AGENTOS_CHECK(considerGone(claim.task));
  return fail(ErrorCode::kTaskStaleEpoch, claim.task.str() + " was moved out of in-progress/ by somebody",
              "a new claim");
}

Result<PendingMove> FileTaskQueue::holdersMove(const Claim& claim, std::string kind, TaskStatus to) const {
  PendingMove move;
  move.task = claim.task;
  move.kind = std::move(kind);
  move.to = to;
  move.epoch = claim.epoch;
  move.holder = claim.holder.str();
  move.at = std::chrono::floor<std::chrono::milliseconds>(clock_.now());
  return move;
}

Result<void> FileTaskQueue::complete(const Claim& claim, const std::string& outcome, const Handoff& handoff,
                                     const std::vector<std::string>& artifacts) {
  const std::string word = outcome.empty() ? "success" : outcome;
  if (std::ranges::find(kOutcomes, word) == std::end(kOutcomes)) {
    return fail(ErrorCode::kInvalidArgument, "outcome: '" + word + "'", "success, partial, failure or cancelled");
  }
  AGENTOS_CHECK(checkClaim(claim));
  AGENTOS_TRY(const Loaded loaded, loadRecord(TaskStatus::kInProgress, claim.task));
  if (!loaded.task.verify.empty()) {
    return fail(ErrorCode::kRefused, claim.task.str() + " is complete only when somebody else has verified it",
                "submit it; whoever verifies it completes it from in-review");
  }
  AGENTOS_TRY(PendingMove move, holdersMove(claim, "complete", TaskStatus::kDone));
  move.outcome = word, move.handoff = handoff, move.artifacts = artifacts;
  return perform(move);
}

Result<void> FileTaskQueue::submit(const Claim& claim, const Handoff& handoff,
                                   const std::vector<std::string>& artifacts) {
  AGENTOS_CHECK(checkClaim(claim));
  AGENTOS_TRY(PendingMove move, holdersMove(claim, "submit", TaskStatus::kInReview));
  move.handoff = handoff, move.artifacts = artifacts;
  return perform(move);
}

Result<TaskStatus> FileTaskQueue::failAttempt(const Claim& claim, const std::string& reason, const Handoff& handoff) {
  AGENTOS_CHECK(checkClaim(claim));
  AGENTOS_TRY(const Loaded loaded, loadRecord(TaskStatus::kInProgress, claim.task));
  const bool isLast = loaded.task.attempt + 1 >= loaded.task.attempts;
  AGENTOS_TRY(PendingMove move, holdersMove(claim, "fail", isLast ? TaskStatus::kFailed : TaskStatus::kQueued));
  move.reason = reason, move.handoff = handoff, move.outcome = isLast ? "failure" : "";
  AGENTOS_CHECK(perform(move));
  return move.to;
}

Result<void> FileTaskQueue::release(const Claim& claim, const std::string& reason, const Handoff& handoff) {
  AGENTOS_CHECK(checkClaim(claim));
  AGENTOS_TRY(PendingMove move, holdersMove(claim, "release", TaskStatus::kQueued));
  move.reason = reason, move.handoff = handoff;
  return perform(move);
}

Result<void> FileTaskQueue::move(const TaskId& task, TaskStatus to, const std::string& actor,
                                 const std::string& reason) {
  const auto from = locate(task);
  if (!from) return fail(ErrorCode::kNotFound, "no task " + task.str(), "`agentctl task list` shows what is there");
  const auto kind = operatorMove(*from, to);
  if (kind.empty()) {
    return fail(
        ErrorCode::kTaskWrongState,
        task.str() + " lies in " + directoryName(*from) + "/, from where no move leads to " + directoryName(to) + "/",
        "a move of the table in docs/company.md");
  }
  AGENTOS_TRY(const Loaded loaded, loadRecord(*from, task));
  if (const auto missing = missingOf(loaded.task); to == TaskStatus::kDone && !missing.empty()) {
    return fail(ErrorCode::kRefused, task.str() + " needs the artifact '" + missing + "' to be verified",
                "produce it first");
  }
  PendingMove move;
  move.task = task;
  move.kind = kind;
  move.from = *from, move.to = to;
  move.actor = actor.empty() ? "operator" : actor;
  move.reason = reason;
  move.at = std::chrono::floor<std::chrono::milliseconds>(clock_.now());
  move.outcome = to == TaskStatus::kDone ? "success" : to == TaskStatus::kFailed ? "failure" : "";
  if (*from == TaskStatus::kInProgress) {
    AGENTOS_TRY(const auto held, claims_->find(task));
    if (held) move.epoch = held->claim.epoch, move.holder = held->claim.holder.str();
  }
  return perform(move);
}

Result<void> FileTaskQueue::perform(const PendingMove& move) {
  auto begun = claims_->begin(move);
  if (!begun) return std::unexpected(std::move(begun).error().within("moving " + move.task.str()));
  abandoned_.erase(move.task);
  faultPoint(("queue." + move.kind + ".committed").c_str());
  return carryOut(move);
}

Result<void> FileTaskQueue::carryOut(const PendingMove& move) {
  // Rewritten before it is renamed: nobody may find it in queued/ without its not_before.
  auto done = rewriteTask(move.from, move.task, [&](Task task) -> Result<Task> {
    return applyMove(std::move(task), move, company_.settings().retry);
  });
  if (done) {
    faultPoint(("queue." + move.kind + ".rewritten").c_str());
    done = moveFile(company_.tasksFd(move.from), fileOf(move.task), company_.tasksFd(move.to), fileOf(move.task));
  }
  if (!done) return abandon(move, std::move(done).error().within("moving " + move.task.str()));
  faultPoint(("queue." + move.kind + ".renamed").c_str());
  return finish(move);
}

Result<void> FileTaskQueue::finish(const PendingMove& move) {
  auto loaded = loadRecord(move.to, move.task);
  if (loaded && (move.kind == "decline" || move.kind == "reject")) tellCreator(move, loaded->task);
  const bool deadLetter = move.kind == "fail" && move.to == TaskStatus::kFailed && move.actor.empty();
  // Told before it is settled, as the creator is: a crash between the two tells it twice, never not at all.
  emit({.kind = deadLetter ? "task.dead_lettered" : std::string(eventOf(move.kind, move.to)),
        .task = move.task,
        .holder = move.holder,
        .agent = agentNameOf(move.holder),
        .actor = move.actor,
        .detail = move.outcome.empty() ? move.reason : move.outcome + (move.reason.empty() ? "" : ": " + move.reason),
        .epoch = move.epoch});
  auto settled = claims_->settle(move);
  faultPoint(("queue." + move.kind + ".settled").c_str());
  if (loaded) {
    index(*loaded);
    flushCache(false);
  } else {
    unindex(move.task);  // moved on by somebody already: the next refresh finds it
  }
  // The file lies where it should; a row that a full disk kept is dropped by recover(), which finds nothing left to do.
  if (!settled && move.epoch != 0) voided_[move.task] = move.epoch;
  return {};
}

// Nothing has moved: the claim is as it was, unless a person took the file away.
Result<void> FileTaskQueue::abandon(const PendingMove& move, Error why) {
  if (!claims_->forget(move.task)) abandoned_.insert(move.task);
  if (why.code == ErrorCode::kNotFound) {
    AGENTOS_CHECK(considerGone(move.task));
    return fail(move.epoch != 0 ? ErrorCode::kTaskStaleEpoch : ErrorCode::kConflict,
                move.task.str() + " was moved out of " + directoryName(move.from) + "/ by somebody meanwhile",
                "look again");
  }
  if (why.code == ErrorCode::kExists) {
    why.code = ErrorCode::kConflict;
    why.remedy = "remove the other copy in " + directoryName(move.to) + "/";
  }
  return std::unexpected(std::move(why));
}

// Told at least once: before the move is settled, so that a crash tells it again rather than never.
void FileTaskQueue::tellCreator(const PendingMove& move, const Task& task) const {
  const auto creator = AgentName::parse(task.createdBy);
  Message message;
  message.from = move.actor;
  message.to = creator ? creator->str() : "human";
  message.subject = "Declined: " + task.title.substr(0, 200);
  if (!isValidUtf8(message.subject)) message.subject = "Declined: " + move.task.str();
  message.task = move.task.str();
  message.body = "\n" + move.task.str() + " was declined by " + move.actor + ".\n\n" +
                 (move.reason.empty() ? "No reason was given." : move.reason) + "\n";
  (void)sendMessage(company_, std::move(message),
                    clock_.now());  // ignoring a failure: the move is in the audit log too
}

}  // namespace agentos::company
