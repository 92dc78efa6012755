// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agentd/alarms.h"
#include "agentd/config/config.h"
#include "agentd/events.h"
#include "agentd/group_commit.h"
#include "agentd/overlay/overlays.h"
#include "agentd/supervisor/dead_table.h"
#include "agentd/supervisor/halt_table.h"
#include "agentd/supervisor/health_table.h"
#include "agentd/supervisor/instance.h"
#include "agentd/supervisor/limit_watch.h"
#include "agentd/supervisor/preemption.h"
#include "agentd/supervisor/restart_table.h"
#include "agentd/supervisor/run_table.h"
#include "agentd/supervisor/spare_directories.h"
#include "agentd/supervisor/tree.h"
#include "agentd/worker.h"
#include "company/layout.h"
#include "contract/admission.h"
#include "models/ledger.h"

namespace agentos::agentd {

// All outlive the supervisor. Company and queue are null without a company.
struct SupervisorParts {
  boost::asio::io_context& io;
  const Clock& clock;
  Alarms& alarms;
  Events& events;
  RunTable& runs;
  GroupCommit& commits;
  sandbox::Spawner& spawner;
  models::Ledger& ledger;
  company::Company* company = nullptr;
  company::TaskQueue* queue = nullptr;
  Overlays* overlays = nullptr;  // none: no contract with an overlay is admitted
};

struct SupervisorSettings {
  Paths paths;
  PolicyConfig policy;
  std::size_t recordsKept = 200;
  Bytes logRotateAt{16 << 20};
  std::int64_t logKeep = 4;
  std::size_t spareDirectories = 8;  // made ahead of their runs
  Worker::Mode disk = Worker::Mode::kThread;
  std::function<contract::Machine()> machine;  // what admission goes by
  std::function<std::string()> groups;         // where the instances' control groups are; empty: not known
  std::function<std::string()> runtime;        // the live runtime side, resolved at each spawn; empty: none
};

struct HaltReport {
  std::size_t instances = 0;  // that were live
  Nanoseconds took{0};        // until the kernel said of all of them that they are held, and it is on disk
};

class SupervisorImpl final : public Supervisor {
 public:
  SupervisorImpl(SupervisorParts parts, SupervisorSettings settings);
  ~SupervisorImpl() override;
  // The gateway, once it is made; before anything is spawned or adopted.
  void serveRoomsWith(RoomServer& rooms) { rooms_ = &rooms; }
  // Called when a room stands, and after an instance's end is in the books.
  void onStarted(std::function<void(const InstanceId&)> told) { started_ = std::move(told); }
  void onEnded(std::function<void(const InstanceId&)> told) { told_ = std::move(told); }

  boost::asio::awaitable<Result<InstanceId>> spawn(SpawnRequest request) override;
  boost::asio::awaitable<Result<void>> pause(InstanceId id, std::string actor) override;
  boost::asio::awaitable<Result<void>> resume(InstanceId id, std::string actor) override;
  boost::asio::awaitable<Result<void>> stop(InstanceId id, std::optional<Nanoseconds> grace,
                                            std::string actor) override;
  boost::asio::awaitable<Result<void>> kill(InstanceId id, int signal, std::string actor) override;
  boost::asio::awaitable<Result<InstanceView>> wait(InstanceId id, std::optional<Nanoseconds> timeout) override;
  boost::asio::awaitable<Result<std::vector<std::int32_t>>> processes(InstanceId id) override;

  std::vector<InstanceView> list(bool all) const override;
  Result<InstanceView> view(const InstanceId& id) const override;
  Result<InstanceId> resolve(std::string_view text) const override;
  std::optional<RoomView> room(const InstanceId& id) const override;
  Result<void> giveVerdict(const InstanceId& id, Verdict verdict) override;
  void countCall(const InstanceId& id, MicroUsd cost) override;
  void heartbeat(const InstanceId& id) override;
  void progress(const InstanceId& id) override;

  // The global halt: what runs is frozen (or, with `kill`, ended), and nothing starts until unhalt. kUnavailable while
  // agentd starts. An error means that not everything may be held; nothing starts all the same.
  boost::asio::awaitable<Result<HaltReport>> halt(bool kill, std::string reason, std::string actor);
  // What the halt froze goes on, restarts that came due meanwhile are made; kConflict when nothing is halted.
  boost::asio::awaitable<Result<void>> unhalt(std::string actor);
  const std::optional<Halt>& halted() const { return halt_; }

  Result<std::vector<DeadLetter>> dead();
  Result<void> dropDead(const InstanceId& id, const std::string& actor);
  boost::asio::awaitable<Result<InstanceId>> retryDead(InstanceId id, std::string actor);
  // That contract of a service has reached its start limit.
  bool isDead(const AgentName& agent, const std::string& digest);
  // When and why the agent is started again; absent: it does not wait.
  std::optional<BootTime> restartDue(const AgentName& agent) const;

  // Recovery's way in (recovery/recovery.h): instances of an earlier agentd, ended ones and those that still run.
  void remember(InstancePtr instance);
  void adopt(InstancePtr instance, sandbox::SpawnedRoom room, bool frozen);
  boost::asio::awaitable<void> settle(InstancePtr instance, bool launched);  // it ended, or never began, meanwhile
  // Before anything is settled: what an earlier agentd knew of restarts; and after it: who waited for one waits on.
  Result<void> loadRestarts();
  Result<void> loadHalt();
  Result<void> loadDead();
  void resumeRestarts();
  boost::asio::awaitable<void> resumeHalt();
  void endOrphans();
  bool waitsForRestart(const AgentName& agent) const;
  int instancesDir() const { return instancesDir_.get(); }
  const SupervisorSettings& settings() const { return settings_; }
  // What a run that ended changed in its overlays (supervisor_overlays.cpp).
  boost::asio::awaitable<Result<Json>> commitChanges(InstanceId id, std::string actor);
  Result<void> discardChanges(const InstanceId& id, const std::string& actor);
  boost::asio::awaitable<void> tidyOverlays();
  // For the runs to come; paths stay.
  void changeSettings(SupervisorSettings settings) { settings_ = std::move(settings); }

  // Under pressure (preemption.h).
  boost::asio::awaitable<Result<void>> preempt(InstanceId id, Pressure pressure);
  boost::asio::awaitable<Result<void>> relieve(InstanceId id);
  bool isPreempted(const InstanceId& id) const;
  std::vector<Preemption::Running> runningNow() const;

  // The machine, less what the agents that live were promised.
  contract::Machine machineNow() const;
  // The admission table of a spawn that is not made.
  Json explain(const SpawnRequest& request) const;

  // Nothing is spawned or restarted from now on.
  void refuseSpawns() { refusing_ = true; }
  // Every live instance is stopped as `stop` does, waited for, and killed when the grace is over.
  boost::asio::awaitable<void> stopAll(Nanoseconds grace);
  // Waits until no cycle runs, at most this long.
  boost::asio::awaitable<void> waitForCycles(Nanoseconds grace);
  std::size_t liveCount() const;
  void prune();

 private:
  using Effects = std::vector<Effect>;

  // spawn, step by step (supervisor_spawn.cpp)
  Result<std::shared_ptr<const contract::Contract>> admitted(const SpawnRequest& request, Json& admission) const;
  Result<InstancePtr> makeInstance(const SpawnRequest& request, std::shared_ptr<const contract::Contract> contract);
  Result<void> makeDirectories(const Instance& instance, const std::string& contextText);
  Result<void> begin(const SpawnRequest& request, Instance& instance, Json admission);
  Result<void> claimTask(const SpawnRequest& request, Instance& instance);
  Result<sandbox::RoomPlan> planFor(const Instance& instance) const;
  Result<sandbox::RoomPlan> prepare(const SpawnRequest& request, Instance& instance);
  boost::asio::awaitable<void> roomStands(InstancePtr instance, sandbox::SpawnedRoom room);
  boost::asio::awaitable<void> refuse(InstancePtr instance, Error error);

  // life (supervisor_impl.cpp)
  Result<InstancePtr> findLive(const InstanceId& id) const;
  Result<Effects> happen(Instance& instance, Event event, const std::string& actor);
  void watch(const InstancePtr& instance, Fd pidfd);
  void watchLimits(const InstancePtr& instance);
  void tellLimit(const InstanceId& id, const char* kind, Json data);
  void startTimeout(Instance& instance);
  void stopTimeout(Instance& instance);
  boost::asio::awaitable<Result<void>> perform(InstancePtr instance, Effects effects, Nanoseconds grace);
  boost::asio::awaitable<Result<void>> endRun(InstancePtr instance, Event event, EndCause cause, std::string actor,
                                              Nanoseconds grace);
  void startGrace(const InstancePtr& instance, Nanoseconds grace);
  boost::asio::awaitable<void> finish(InstancePtr instance);

  // changes kept apart (supervisor_overlays.cpp)
  boost::asio::awaitable<Result<void>> makeOverlays(InstancePtr instance);
  boost::asio::awaitable<void> settleOverlays(InstancePtr instance);
  boost::asio::awaitable<Result<Json>> commitNow(InstancePtr instance, std::string actor);
  Result<void> discardNow(const Instance& instance, const std::string& actor);
  Result<InstancePtr> decided(const InstanceId& id) const;

  // the clocks (supervisor_health.cpp)
  void startClocks(Instance& instance);
  void stopClocks(Instance& instance);
  void armHealth(Instance& instance);
  void onHealthAlarm(const InstancePtr& instance);
  bool missedBeat(const InstancePtr& instance, const std::string& missed);
  void endHung(const InstancePtr& instance, EndCause cause, std::string why);
  bool outputGrew(Instance& instance);
  void keepHealth(Instance& instance);
  void keepHealthSometimes(Instance& instance, const StoppableSpan& span);

  // the halt (supervisor_halt.cpp)
  Result<void> refuseWhileHalted(const std::string& what) const;
  void markHalted(Instance& instance);
  boost::asio::awaitable<Result<void>> holdAll();
  void haltNewcomer(const InstancePtr& instance);

  // the tree (supervisor_tree.cpp)
  Tree tree() const;
  std::vector<InstancePtr> leaves() const;
  Result<void> refuseWithoutParent(const contract::Contract& contract) const;
  boost::asio::awaitable<void> endDescendants(AgentName agent, EndCause cause, std::string actor);
  void parentEnded(const Instance& parent);
  void endSupervised(const InstancePtr& instance);
  bool restartTogether(const InstancePtr& failed, BootTime due);
  boost::asio::awaitable<void> restartGroup(std::vector<InstancePtr> group, InstancePtr failed, BootTime due);

  // dead letters (supervisor_dead.cpp)
  void bury(const Instance& last, std::string kind, std::string reason);
  void unbury(const Instance& started);

  // the books (supervisor_books.cpp)
  void readExitRecord(Instance& instance) const;
  void tellOrphans(const std::string& id);
  boost::asio::awaitable<void> book(InstancePtr instance);
  void auditEnd(Instance& instance);
  Result<void> tellTask(Instance& instance);
  Result<void> performVerdict(const Instance& instance, const Verdict& verdict);
  void retryBooks(const InstancePtr& instance, const Error& error);
  void notify(const InstancePtr& instance);
  static void removeRecords(const Paths& paths, const InstanceId& id);
  void considerRestart(const InstancePtr& instance);
  void restartAt(const InstancePtr& ended, BootTime due);
  boost::asio::awaitable<void> restart(InstancePtr ended);
  void keepRestarts(const AgentName& agent);
  bool cancelRestart(const InstanceId& id);
  static govern::AuditEvent eventOf(const Instance& instance, std::string kind, const std::string& actor, Json data);
  void audit(const Instance& instance, std::string kind, const std::string& actor, Json data, bool durable);

  SupervisorParts parts_;
  SupervisorSettings settings_;
  RoomServer* rooms_ = nullptr;
  std::function<void(const InstanceId&)> told_, started_;
  Fd instancesDir_, logDir_;
  SpareDirectories spares_;
  LimitWatch limits_;
  std::map<InstanceId, InstancePtr> instances_;
  struct Restarts : RestartRow {
    AlarmId pending = 0;
    bool together = false;  // restartGroup has it in hand
  };
  std::map<AgentName, Restarts> restarts_;
  std::optional<RestartTable> restartTable_;
  std::optional<HealthTable> healthTable_;
  std::optional<HaltTable> haltTable_;
  std::optional<Halt> halt_;
  std::optional<DeadTable> deadTable_;
  bool refusing_ = false;
  Worker remover_;  // of old records
};

}  // namespace agentos::agentd
