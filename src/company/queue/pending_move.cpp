// SPDX-License-Identifier: Apache-2.0
#include "company/queue/pending_move.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"

namespace agentos::company {
namespace {

using enum TaskStatus;

// A holder that died twice may have been unlucky; from the third time on the task itself waits longer and longer.
constexpr std::int64_t kFreeReleases = 2;

struct OperatorMove {
  TaskStatus from, to;
  std::string_view kind;
};
constexpr OperatorMove kOperatorMoves[] = {
    {kBacklog, kQueued, "promote"},   {kQueued, kBacklog, "demote"},       {kBacklog, kDeclined, "reject"},
    {kQueued, kDeclined, "decline"},  {kInProgress, kDeclined, "decline"}, {kInReview, kDeclined, "decline"},
    {kInProgress, kDone, "complete"}, {kInReview, kDone, "complete"},      {kInProgress, kFailed, "fail"},
    {kInReview, kFailed, "fail"},     {kInProgress, kQueued, "requeue"},   {kInReview, kQueued, "requeue"},
    {kFailed, kQueued, "requeue"},    {kDeclined, kQueued, "requeue"},
};

struct Naming {
  std::string_view kind, event, verdict;
};
constexpr Naming kNames[] = {
    {"complete", "task.completed", "completed"}, {"submit", "task.submitted", "submitted"},
    {"fail", "task.failed", "failed"},           {"release", "task.requeued", "released"},
    {"promote", "task.promoted", "promoted"},    {"demote", "task.demoted", "demoted"},
    {"reject", "task.declined", "rejected"},     {"decline", "task.declined", "declined"},
    {"requeue", "task.requeued", "requeued"},
};

const Naming& namesOf(std::string_view kind) { return *std::ranges::find(kNames, kind, &Naming::kind); }

bool isHoldersOwn(const PendingMove& move) { return move.actor.empty(); }

std::int64_t releasesInARow(const Task& task) {
  std::int64_t count = 0;
  for (auto run = task.runs.rbegin(); run != task.runs.rend() && run->verdict == "released"; ++run) ++count;
  return count;
}

bool wasApplied(const Task& task, const RunRecord& run) {
  return !task.runs.empty() && task.runs.back().ended == run.ended && task.runs.back().verdict == run.verdict &&
         task.runs.back().epoch == run.epoch;
}

// A holder's word: the run it ends becomes evidence, and the task is nobody's again.
void endRun(Task& task, const PendingMove& move, const RetryBackoff& retry) {
  if (move.kind == "fail") {
    task.attempt += 1;
    if (move.to == kQueued) task.notBefore = move.at + backoffAfter(task.attempt, retry);
  }
  if (move.kind == "release") {
    const std::int64_t over = releasesInARow(task) - kFreeReleases;
    if (over > 0) task.notBefore = move.at + backoffAfter(over, retry);
  }
  for (const std::string& artifact : move.artifacts) {
    if (std::ranges::find(task.artifacts, artifact) == task.artifacts.end()) task.artifacts.push_back(artifact);
  }
  if (move.handoff && *move.handoff != Handoff{}) task.handoff = move.handoff;
}

void moveByPerson(Task& task, const PendingMove& move) {
  if (move.kind == "promote") task.promotedBy = move.actor, task.promotedAt = move.at;
  if (move.kind == "requeue") {
    if (move.from == kFailed || move.from == kDeclined) task.attempt = 0;
    task.notBefore.reset();
  }
}

Json toJson(const Handoff& handoff) {
  return {{"attempted", handoff.attempted},
          {"changed", handoff.changed},
          {"remains", handoff.remains},
          {"failed", handoff.failed},
          {"next", handoff.next}};
}

Handoff handoffOf(const Json& json) {
  return {json.at("attempted"), json.at("changed"), json.at("remains"), json.at("failed"), json.at("next")};
}

}  // namespace

std::string_view operatorMove(TaskStatus from, TaskStatus to) {
  for (const OperatorMove& move : kOperatorMoves) {
    if (move.from == from && move.to == to) return move.kind;
  }
  return {};
}

std::string_view eventOf(std::string_view kind, TaskStatus to) {
  if (kind == "fail" && to == kQueued) return "task.requeued";
  return namesOf(kind).event;
}

Nanoseconds backoffAfter(std::int64_t failures, const RetryBackoff& retry) {
  const std::int64_t doublings = std::clamp<std::int64_t>(failures - 1, 0, 62);
  if (retry.first.count() > retry.longest.count() >> doublings) return retry.longest;
  return retry.first * (std::int64_t{1} << doublings);
}

Task applyMove(Task task, const PendingMove& move, const RetryBackoff& retry) {
  task.status = move.to;
  task.claimedBy.clear();
  task.outcome = move.outcome;
  const RunRecord run{move.epoch,  isHoldersOwn(move) ? move.holder : move.actor,
                      move.at,     std::string(namesOf(move.kind).verdict),
                      move.reason, move.handoff.value_or(Handoff{})};
  if (wasApplied(task, run)) return task;
  task.runs.push_back(run);
  if (task.runs.size() > kMaxRuns) task.runs.erase(task.runs.begin());
  if (isHoldersOwn(move)) {
    endRun(task, move, retry);
  } else {
    moveByPerson(task, move);
  }
  return task;
}

std::string toJson(const PendingMove& move) {
  Json json{{"task", move.task.str()},
            {"kind", move.kind},
            {"from", directoryOf(move.from)},
            {"to", directoryOf(move.to)},
            {"epoch", move.epoch},
            {"holder", move.holder},
            {"actor", move.actor},
            {"reason", move.reason},
            {"outcome", move.outcome},
            {"at", move.at.time_since_epoch().count()},
            {"artifacts", move.artifacts}};
  if (move.handoff) json["handoff"] = toJson(*move.handoff);
  return dumpJson(json);
}

Result<PendingMove> pendingMoveOf(const std::string& text) {
  AGENTOS_TRY(const Json json, parseJson(text));
  try {
    PendingMove move;
    AGENTOS_TRY(move.task, TaskId::parse(json.at("task").get<std::string>()));
    move.kind = json.at("kind");
    const auto from = findTaskStatus(json.at("from").get<std::string>());
    const auto to = findTaskStatus(json.at("to").get<std::string>());
    if (!from || !to || std::ranges::find(kNames, move.kind, &Naming::kind) == std::end(kNames)) {
      return fail(ErrorCode::kInternal, "a journalled move that nobody knows: " + text);
    }
    move.from = *from, move.to = *to;
    move.epoch = json.at("epoch");
    move.holder = json.at("holder"), move.actor = json.at("actor");
    move.reason = json.at("reason"), move.outcome = json.at("outcome");
    move.at = Timestamp(Nanoseconds(json.at("at").get<std::int64_t>()));
    move.artifacts = json.at("artifacts").get<std::vector<std::string>>();
    if (json.contains("handoff")) move.handoff = handoffOf(json.at("handoff"));
    return move;
  } catch (const nlohmann::json::exception& problem) {
    return fail(ErrorCode::kInternal, "a journalled move that cannot be read: " + std::string(problem.what()));
  }
}

}  // namespace agentos::company
