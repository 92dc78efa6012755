// SPDX-License-Identifier: Apache-2.0
// A task file: Markdown with YAML front matter (docs/company.md has the fields). The directory it lies in is its
// status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"

namespace agentos::company {

enum class TaskStatus : std::uint8_t { kBacklog, kQueued, kInProgress, kInReview, kDone, kFailed, kDeclined };
std::string_view directoryOf(TaskStatus status);  // "in-progress", as below agents/tasks/
std::optional<TaskStatus> findTaskStatus(std::string_view directory);
inline constexpr TaskStatus kAllTaskStatuses[] = {TaskStatus::kBacklog,  TaskStatus::kQueued, TaskStatus::kInProgress,
                                                  TaskStatus::kInReview, TaskStatus::kDone,   TaskStatus::kFailed,
                                                  TaskStatus::kDeclined};

enum class Priority : std::uint8_t { kCritical, kHigh, kMedium, kLow };  // any other word reads as medium
std::string_view nameOf(Priority priority);

// Attempted, changed, remains, failed, next: what one run leaves for the next.
struct Handoff {
  std::string attempted, changed, remains, failed, next;
  bool operator==(const Handoff&) const = default;
};

// One run's evidence, as the file keeps it: a list under `runs`, the newest last, at most kMaxRuns of them.
struct RunRecord {
  std::int64_t epoch = 0;  // 0: not a run but a person's move, with its reason
  std::string holder;      // the instance, or who moved it
  Timestamp ended;
  std::string verdict;  // completed, submitted, failed, released, or the operator's move
  std::string reason;
  Handoff handoff;  // clipped
  bool operator==(const RunRecord&) const = default;
};
inline constexpr std::size_t kMaxRuns = 32;

struct Task {
  TaskId id;
  TaskStatus status = TaskStatus::kQueued;
  std::string title, createdBy, assignedTo, product, outcome, idempotencyKey;
  std::vector<std::string> tags;
  Priority priority = Priority::kMedium;
  std::vector<TaskId> dependsOn;
  Timestamp created;
  std::optional<Timestamp> notBefore, deadline;
  std::int64_t attempts = 3;  // how many runs it may take
  std::int64_t attempt = 0;   // how many it has had
  std::int64_t epoch = 0;     // a copy; SQLite is the truth
  std::string claimedBy;      // a copy of the holder (instance id)
  std::vector<std::string> verify, artifacts;
  bool promotable = true;
  std::string promotedBy;
  std::optional<Timestamp> promotedAt;
  std::optional<Handoff> handoff;  // the last run's
  std::vector<RunRecord> runs;
  std::string body;  // the Markdown after the front matter
  bool operator==(const Task&) const = default;
};

// The agent whose run of this queued task was cut short and is to be taken up again; empty when none was.
std::string interruptedAgent(const Task& task);

// Pure. kTaskMalformed with file:line:column in `what`. `status` is the directory the text was found in.
Result<Task> parseTask(std::string_view text, const TaskId& id, TaskStatus status);
// The same file with the fields that `task` says; front matter keys that are not ours keep their place and text,
// and so do ours where `task` says what they say already, and the body when it is the same. Times are written in
// milliseconds.
Result<std::string> renderTask(const Task& task, std::string_view previousText = {});

// `agent-000` matches `agent-000-steward`, never `agent-0001-x`; empty matches everybody.
bool isAssignedTo(std::string_view assignedTo, const AgentName& agent);

}  // namespace agentos::company
