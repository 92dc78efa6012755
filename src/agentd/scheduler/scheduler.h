// SPDX-License-Identifier: Apache-2.0
// Decides when an agent gets a cycle. Deterministic: the same clock, contracts and queue give the same decisions. No
// polling: one alarm for the earliest due time, and inotify for work that arrives; an agent without work costs one look
// at the queue's index and no process.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agentd/alarms.h"
#include "agentd/events.h"
#include "agentd/scheduler/contract_store.h"
#include "agentd/scheduler/due.h"
#include "agentd/scheduler/schedule_table.h"
#include "agentd/supervisor/supervisor.h"
#include "base/sqlite.h"
#include "company/layout.h"
#include "company/schedule.h"
#include "company/task_queue.h"

namespace agentos::agentd {

// One agent's place in the schedule, for `cycle schedule` and `cycle due`.
struct AgentSchedule {
  AgentName agent;
  std::optional<Timestamp> nextDue, lastStarted;       // nextDue: by the clock; work may wake it earlier
  bool onTask = false, held = false, waiting = false;  // waiting: due, and behind max concurrent cycles
  std::string state;   // "idle", "starved", "blocked", "running", "ready", "refused", "failing", "held", "new"
  std::string detail;  // why
  std::optional<InstanceId> running;
};

// What a cycle that was asked for came to.
struct CycleStart {
  std::optional<InstanceId> instance;  // started; or
  std::string idle, detail;            // "idle", "starved", "blocked", "waiting", and why
};

struct SchedulerLimits {
  std::size_t concurrentCycles = 8;
};

class Scheduler {
 public:
  struct Parts {
    boost::asio::io_context& io;
    const Clock& clock;
    Alarms& alarms;
    Database& db;
    Events& events;
    ContractStore& contracts;
    Supervisor& supervisor;
    company::Company& company;
    company::TaskQueue& queue;
    std::function<bool()> halted;  // nothing is started while it is
  };
  Scheduler(Parts parts, SchedulerLimits limits);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Makes its tables, takes the contracts in force, and starts to dispatch (missed times are caught up as contracts
  // say).
  Result<void> start();
  // No new cycles from now on; what is to be remembered is written.
  void stopDispatching();
  // Contracts were reloaded.
  void applyContracts();
  // The configuration was: what was refused by the old one is tried again with the next applyContracts().
  void changeLimits(SchedulerLimits limits);
  // Something in the queue changed: every agent that wakes on tasks is looked at.
  void taskChanged();
  // An instance has ended (supervisor's word).
  void instanceEnded(const InstanceId& id);

  // `cycle run AGENT`: now, whatever the clock says; kConflict while one runs, kNotFound, kUnavailable when stopping.
  boost::asio::awaitable<Result<CycleStart>> runNow(AgentName agent, std::string actor);
  Result<void> hold(const AgentName& agent, const std::string& actor);
  Result<void> release(const AgentName& agent, const std::string& actor);
  std::vector<AgentSchedule> schedule() const;

 private:
  struct Entry {
    std::shared_ptr<const contract::Contract> contract;
    std::string source;
    company::CycleHistory history;
    std::optional<Timestamp> nextDue,
        retryAt;  // by the clock; because a task of its own becomes free, or a spawn failed
    std::optional<Timestamp> lastStarted;
    std::optional<InstanceId> running;
    std::string heldBy;
    bool ready = false;         // in ready_
    std::uint64_t attempt = 0;  // between the decision and the room: which start; else 0
    bool again = false;         // became due while it ran
    bool refused = false;       // its contract was refused: only the clock, a person or a reload tries again
    int failures = 0;           // spawns in a row that failed
    std::string state = "new", detail;
    bool onTask() const { return contract->schedule.on.contains(contract::WakeOn::kTask); }
    bool busy() const { return running || attempt != 0; }
  };
  using Place = std::map<AgentName, Entry>::value_type;

  const std::string& zone() const;
  void take(const AgentName& name, const StoredContract& stored, const ScheduleRow& known);
  void takeAdopted();
  // The clock's side (scheduler.cpp).
  void setDue(Place& place);
  void arm();
  void tick();
  void clockWasSet();
  void markReady(Place& place, bool byTask);
  void saveSoon(const AgentName& name);
  Result<void> save();
  // One agent's cycle (cycle.cpp).
  void leave() { active_ -= active_ > 0 ? 1 : 0; }
  void dispatch();
  void dispatchOne(Place& place);
  void setState(Place& place, std::string state, std::string detail);
  void setIdle(Place& place, const company::NextTask& next);
  void retryLater(Place& place, const Error& error);
  bool hasLiveInstance(const AgentName& name) const;
  Result<std::string> contextFor(const Entry& entry, const TaskId& task) const;
  std::uint64_t beginAttempt(Entry& entry);
  Place* endAttempt(const AgentName& name, std::uint64_t attempt, const Result<InstanceId>& started,
                    const TaskId& task);
  boost::asio::awaitable<Result<InstanceId>> startCycle(AgentName name, TaskId task, std::uint64_t attempt,
                                                        std::string actor);
  boost::asio::awaitable<void> runCycle(AgentName name, TaskId task, std::uint64_t attempt);
  void audit(const AgentName& agent, std::string kind, const std::string& actor, Json data, bool durable);

  Parts parts_;
  SchedulerLimits limits_;
  std::unique_ptr<ScheduleTable> table_;
  std::map<AgentName, Entry> entries_;
  DueHeap due_;
  std::deque<AgentName> ready_;
  std::set<AgentName> unsaved_;
  std::size_t active_ = 0;  // entries that are busy
  std::uint64_t attempts_ = 0;
  bool dispatching_ = false;
  AlarmId alarm_ = 0, saveAlarm_ = 0;
  std::optional<Timestamp> armedFor_;
};

}  // namespace agentos::agentd
