// SPDX-License-Identifier: Apache-2.0
// The queue: task files in directories, claims with holder and epoch in agentd.db. A claim is committed to the
// database, then made by one renameat2(RENAME_NOREPLACE), then written into the file; a crash between any two of these
// is mended by recover(). No other process moves these files except people, and whoever loses a rename has lost.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/sqlite.h"
#include "company/layout.h"
#include "company/task.h"

namespace agentos::company {

struct Claim {
  TaskId task;
  InstanceId holder;
  std::int64_t epoch = 0;  // grows by one with every claim of this task, for ever
};

struct NewTask {
  std::string title{}, createdBy{}, assignedTo{}, product{}, body{}, idempotencyKey{};
  std::vector<std::string> tags{};
  Priority priority = Priority::kMedium;
  std::vector<TaskId> dependsOn{};
  std::optional<Timestamp> notBefore{}, deadline{};
  std::int64_t attempts = 3;
  bool backlog = false;
};

// Why an agent got no task.
enum class Idleness : std::uint8_t {
  kIdle,
  kStarved,
  kBlocked
};  // nothing there; only others' work; only blocked work
struct NextTask {
  std::optional<TaskId> task{};
  Idleness why = Idleness::kIdle;
  std::string detail{};                // "task-… waits for task-… (failed)"
  std::optional<Timestamp> retryAt{};  // no task now, and one of its own is free at this not_before: the earliest
};

// What the queue did or saw; the daemon puts each into the audit log. kind: "task.created", "task.claimed",
// "task.completed", "task.failed", "task.requeued", "task.dead_lettered", "task.submitted", "task.declined",
// "task.promoted", "task.demoted", "task.quarantined", "task.moved_outside", "task.edited_outside", "task.appeared",
// "task.unreadable". What people did has actor "external" and the file's owner and ctime in `detail`; a claim that
// ended by it has its holder and epoch in the event, and that holder is the caller's to stop.
struct TaskEvent {
  std::string kind{}, file{};  // file: its name, for quarantined files that have no id
  TaskId task{};
  std::string holder{}, agent{}, actor{}, detail{};
  std::int64_t epoch = 0;
};
using TaskEventSink = std::function<void(const TaskEvent&)>;

class TaskQueue {
 public:
  static Result<std::unique_ptr<TaskQueue>> open(Company& company, Database& db, const Clock& clock,
                                                 TaskEventSink sink);
  virtual ~TaskQueue() = default;

  virtual Result<TaskId> add(const NewTask& task) = 0;  // an idempotency key that was used returns the first task's id
  virtual Result<Task> find(const TaskId& id) = 0;      // done/_archive counts
  virtual Result<std::vector<Task>> list(std::optional<TaskStatus> status) = 0;  // without bodies, from the index

  // The task this agent would get now: its own interrupted one first, then priority, then age. Changes nothing.
  virtual Result<NextTask> next(const AgentName& agent) = 0;
  // One winner among all callers and all machines' people; empty when somebody (a person's mv) was faster.
  virtual Result<std::optional<Claim>> claim(const TaskId& task, const InstanceId& holder) = 0;

  // All of these refuse a claim whose epoch is not the newest: kTaskStaleEpoch.
  virtual Result<void> complete(const Claim& claim, const std::string& outcome, const Handoff& handoff,
                                const std::vector<std::string>& artifacts) = 0;
  virtual Result<void> submit(const Claim& claim, const Handoff& handoff,
                              const std::vector<std::string>& artifacts) = 0;
  // A failed attempt: queued again after a back-off, or dead-lettered in failed/ when attempts ran out; the evidence
  // (one entry a run) is kept in the file.
  virtual Result<TaskStatus> failAttempt(const Claim& claim, const std::string& reason, const Handoff& handoff) = 0;
  // Back to queued without counting the attempt: the holder died, the budget or the context ran out.
  virtual Result<void> release(const Claim& claim, const std::string& reason, const Handoff& handoff) = 0;

  // An operator's moves, from whatever status the table in docs/company.md allows (kTaskWrongState otherwise).
  virtual Result<void> move(const TaskId& task, TaskStatus to, const std::string& actor, const std::string& reason) = 0;

  virtual Result<std::optional<Claim>> claimOf(const TaskId& task) = 0;  // the live claim
  virtual Result<std::vector<Claim>> claims() = 0;

  // At start, once, before anything else is asked: finishes or undoes half-made moves, and releases claims whose holder
  // `isAlive` denies.
  virtual Result<void> recover(const std::function<bool(const InstanceId&)>& isAlive) = 0;
  // After inotify said that something changed in this directory, or everywhere (an overflow, or at start). New
  // malformed files are quarantined once they have been left alone for two seconds; returns when to look again, if so.
  virtual Result<std::optional<BootTime>> refresh(std::optional<TaskStatus> status) = 0;
  // The same for one name in it: what inotify says, at the price of one file however long the queue is.
  virtual Result<std::optional<BootTime>> refreshFile(TaskStatus status, const std::string& name) {
    (void)name;
    return refresh(status);
  }
};

}  // namespace agentos::company
