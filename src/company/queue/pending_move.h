// SPDX-License-Identifier: Apache-2.0
// A move of a task that has been decided: written to the database before the first file is touched, so that after a
// crash it is carried to its end, once. Pure: what the move makes of the file, and which moves there are.
#pragma once

#include <string>
#include <vector>

#include "company/layout.h"
#include "company/task.h"

namespace agentos::company {

struct PendingMove {
  TaskId task;
  std::string kind;  // complete, submit, fail, release: a holder's; promote, demote, decline, requeue, …: a person's
  TaskStatus from = TaskStatus::kInProgress, to = TaskStatus::kDone;
  std::int64_t epoch = 0;  // of the claim it ends; 0 when there is none
  std::string holder, actor, reason, outcome;
  Timestamp at;
  std::optional<Handoff> handoff;
  std::vector<std::string> artifacts;
};

std::string toJson(const PendingMove& move);
Result<PendingMove> pendingMoveOf(const std::string& json);

// The task as the move leaves it. Applied twice it changes nothing more: `at` tells that it was here.
Task applyMove(Task task, const PendingMove& move, const RetryBackoff& retry);

// What an operator's move from one directory to another is called; empty when there is none (docs/company.md).
std::string_view operatorMove(TaskStatus from, TaskStatus to);
// "task.completed" for "complete".
std::string_view eventOf(std::string_view kind, TaskStatus to);

Nanoseconds backoffAfter(std::int64_t failures, const RetryBackoff& retry);

}  // namespace agentos::company
