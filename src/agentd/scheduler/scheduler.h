// SPDX-License-Identifier: Apache-2.0
// Decides when an agent gets a cycle. Deterministic: the same clock, contracts and queue give the same decisions. No
// polling: one alarm for the earliest due time, and inotify for work that arrives; an agent without work costs one look
// at the queue's index and no process.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
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
#include "agentd/supervisor/supervisor.h"
#include "base/sqlite.h"
#include "company/layout.h"
#include "company/task_queue.h"

namespace agentos::agentd {

// One agent's place in the schedule, for `cycle schedule` and `cycle due`.
struct AgentSchedule {
  AgentName agent;
  std::optional<Timestamp> nextDue, lastStarted;  // nextDue: by the clock; work may wake it earlier
  bool onTask = false, held = false, waiting = false;  // waiting: due, and behind max concurrent cycles
  std::string state;   // "idle", "starved", "blocked", "running", "refused", "held", "new"
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
  };
  Scheduler(Parts parts, SchedulerLimits limits);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Makes its tables, takes the contracts in force, and starts to dispatch (missed times are caught up as contracts say).
  Result<void> start();
  // No new cycles from now on.
  void stopDispatching();
  // Contracts were reloaded.
  void applyContracts();
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
    Recurrence recurrence;
    Timestamp anchor;
    std::optional<Timestamp> nextDue, lastStarted, retryAt;
    std::optional<InstanceId> running;
    bool held = false, ready = false, starting = false, again = false;
    std::string state = "new", detail;
  };

  Result<void> makeTables();
  void load(const AgentName& name, Entry& entry);
  void addEntry(const AgentName& name, const StoredContract& stored);
  void tick();
  void arm();
  void markReady(const AgentName& name, Entry& entry);
  void dispatch();
  bool dispatchOne(const AgentName& name, Entry& entry);
  void setIdle(const AgentName& name, Entry& entry, const company::NextTask& next);
  void setState(const AgentName& name, Entry& entry, std::string state, std::string detail);
  void wakeAt(Entry& entry, const AgentName& name, Timestamp when);
  boost::asio::awaitable<Result<InstanceId>> startCycle(AgentName name, TaskId task, std::string actor);
  boost::asio::awaitable<void> runCycle(AgentName name, TaskId task);
  void cycleRefused(const AgentName& name, const Error& error);
  void saveTick();

  Parts parts_;
  SchedulerLimits limits_;
  std::map<AgentName, Entry> entries_;
  DueHeap due_;
  std::deque<AgentName> ready_;
  std::size_t active_ = 0;
  bool dispatching_ = false;
  std::optional<Timestamp> lastTick_;
  AlarmId alarm_ = 0, saveAlarm_ = 0;
};

}  // namespace agentos::agentd
