// SPDX-License-Identifier: Apache-2.0
// The composition root: makes every part in order, joins them, starts and stops the whole. Nothing else makes parts.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>
#include <string>

#include "agentd/alarms.h"
#include "agentd/anchoring.h"
#include "agentd/api/api_server.h"
#include "agentd/config/config.h"
#include "agentd/disk_failure.h"
#include "agentd/egress/proxy.h"
#include "agentd/events.h"
#include "agentd/explain.h"
#include "agentd/gateway/gateway.h"
#include "agentd/overlay/overlays.h"
#include "agentd/recovery/recovery.h"
#include "agentd/reload.h"
#include "agentd/scheduler/contract_store.h"
#include "agentd/scheduler/scheduler.h"
#include "agentd/scheduler/task_watch.h"
#include "agentd/supervisor/preemptor.h"
#include "agentd/supervisor/run_table.h"
#include "agentd/supervisor/supervisor_impl.h"
#include "base/sqlite.h"
#include "company/layout.h"
#include "company/task_queue.h"
#include "models/ledger.h"
#include "models/meter.h"
#include "models/registry.h"

namespace agentos::agentd {

class Daemon {
 public:
  // What a test gives otherwise: the clock, the spawner, and who moves time.
  struct World {
    boost::asio::io_context& io;
    const Clock& clock;
    sandbox::Spawner& spawner;
    Alarms::Mode alarms = Alarms::Mode::kReal;
    std::function<void(const Error&)> diskFailed = endForDisk;  // what was committed may not be on disk
  };
  // Opens the state and the company and makes the parts; nothing runs yet.
  static Result<std::unique_ptr<Daemon>> make(World world, Config config);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Recovery, then dispatching, then the API on `socket` (none: no API).
  boost::asio::awaitable<Result<RecoveryReport>> start(Fd socket);
  // No new work; then `agents` (absent: stop.agents) decides: running cycles get the grace and every agent is stopped,
  // or all of them are left to the next agentd. On return nothing is served any more.
  boost::asio::awaitable<void> stop(std::optional<StopAgents> agents = std::nullopt);
  // How configuration is read again, as it was read for `make`. Without it only contracts are.
  void rereadWith(Reload::Reread reread) { reload_->rereadWith(std::move(reread)); }
  // Configuration and contracts again; the report as the API gives it. A configuration that is broken, in agentd's own
  // part or in root's, changes nothing; a broken contract keeps the one before it.
  boost::asio::awaitable<Result<Json>> reload(std::string actor);
  // The global halt, as the API answers it.
  boost::asio::awaitable<Result<Json>> halt(bool kill, std::string reason, std::string actor);
  boost::asio::awaitable<Result<Json>> unhalt(std::string actor);
  // In a few words, for a service manager's status.
  std::string statusLine() const;

  const Config& config() const { return config_; }
  SupervisorImpl& supervisor() { return *supervisor_; }
  Result<Json> explain(const std::string& name) const { return explainer_->explain(name); }
  Scheduler* scheduler() { return scheduler_.get(); }
  company::TaskQueue* queue() { return queue_.get(); }
  const ContractStore& contracts() const { return *contracts_; }
  models::Ledger& ledger() { return *ledger_; }
  Alarms& alarms() { return alarms_; }
  Events& events() { return *events_; }

 private:
  Daemon(World world, Config config);
  Result<void> openState();
  Result<void> tellCut();
  Result<void> openCompany();
  Result<void> makeParts();
  Result<void> makeScheduler();
  void makePreemptor();
  boost::asio::awaitable<void> watchPressure();
  void makeReload();
  Result<void> makeEgress();
  ChangeControl changeControl();
  Result<void> makeApi();
  SupervisorSettings supervisorSettings();
  std::string runtimeSide() const;
  // Of all contracts in force, or of those that `parent` supervises.
  void startServices(const std::string& parent = {});
  bool isRunning(const std::string& agent) const;
  SupervisionControl supervisionControl();
  void taskEvent(const company::TaskEvent& event);
  void settled(const models::Ledger::Settlement& settlement);
  void writeCostsSoon();
  void refreshQueue(const std::set<company::TaskStatus>& directories, bool everything);
  void say(std::string kind, const std::string& actor, Json data);
  Json systemInfo() const;

  World world_;
  Config config_;
  Alarms alarms_;
  boost::asio::thread_pool pool_{2};
  std::unique_ptr<Database> db_;
  std::unique_ptr<govern::AuditLog> audit_;
  std::unique_ptr<Anchoring> anchoring_;
  std::unique_ptr<Events> events_;
  std::unique_ptr<company::Company> company_;
  std::unique_ptr<company::TaskQueue> queue_;
  models::ModelRegistry models_;
  std::unique_ptr<models::Ledger> ledger_;
  std::unique_ptr<models::Meter> meter_;
  std::unique_ptr<RunTable> runs_;
  std::unique_ptr<GroupCommit> commits_;
  std::unique_ptr<ContractStore> contracts_;
  std::unique_ptr<Overlays> overlays_;
  std::unique_ptr<SupervisorImpl> supervisor_;
  std::unique_ptr<Preemptor> preemptor_;  // none: nobody is preempted, and noPressure_ says why
  std::string noPressure_;
  std::unique_ptr<egress::Books> egressBooks_;
  std::unique_ptr<egress::Resolver> resolver_;
  std::unique_ptr<egress::Proxy> egress_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<Explainer> explainer_;
  std::unique_ptr<Reload> reload_;
  std::unique_ptr<TaskWatch> watch_;
  std::unique_ptr<ApiServer> api_;
  std::shared_ptr<void> headListener_;
  std::string modelFiles_;  // what models.cpp read, as a digest
  sandbox::PlatformReport platform_;
  std::string notReady_ = "starting";
  Timestamp started_;
  bool costsDue_ = false, refreshDue_ = false;
  std::set<company::TaskStatus> changed_;
  bool changedAll_ = false;
};

}  // namespace agentos::agentd
