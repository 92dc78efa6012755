// SPDX-License-Identifier: Apache-2.0
#include "agentd/daemon.h"

#include <grp.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "agentd/config/changes.h"
#include "agentd/config/models.h"
#include "agentd/log.h"
#include "agentd/spawn_task.h"
#include "agentd/supervisor/machine.h"
#include "agentd/supervisor/settled_event.h"
#include "base/files.h"
#include "models/costs.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

constexpr auto kCostsAfter = std::chrono::milliseconds(200);  // settlements of a burst share one write
constexpr auto kRefreshAfter = std::chrono::milliseconds(5);  // changes of a burst share one look

// A simulation waits for its disk.
Worker::Mode diskOf(Alarms::Mode alarms) {
  return alarms == Alarms::Mode::kManual ? Worker::Mode::kInline : Worker::Mode::kThread;
}

std::optional<gid_t> groupNamed(const std::string& name) {
  const group* found = name.empty() ? nullptr : ::getgrnam(name.c_str());
  if (found == nullptr) return std::nullopt;
  return found->gr_gid;
}

RoleConfig rolesOf(const Config& config) {
  RoleConfig roles;
  roles.adminGroup = groupNamed(config.adminGroup);
  roles.adminGroupName = config.adminGroup;
  roles.workGroup = groupNamed(config.socketGroup.empty() ? config.user : config.socketGroup);
  roles.workGroupName = config.socketGroup.empty() ? config.user : config.socketGroup;
  if (!config.paths.prefix.empty()) roles.adminUids.insert(::getuid());
  return roles;
}

Json haltView(const std::optional<Halt>& halt) {
  if (!halt) return nullptr;
  return {{"since", formatUtc(halt->since)},
          {"actor", halt->actor},
          {"reason", halt->reason},
          {"kill", halt->kill},
          {"frozen", halt->holding.size()}};
}

}  // namespace

Daemon::Daemon(World world, Config config)
    : world_(std::move(world)),
      config_(std::move(config)),
      alarms_(world.io, world.clock, world.alarms),
      started_(world.clock.now()) {}

Daemon::~Daemon() {
  alarms_.shutDown();
  pool_.join();
}

Result<std::unique_ptr<Daemon>> Daemon::make(World world, Config config) {
  std::unique_ptr<Daemon> daemon(new Daemon(world, std::move(config)));
  AGENTOS_CHECK(daemon->openState());
  AGENTOS_CHECK(daemon->openCompany());
  AGENTOS_CHECK(daemon->makeParts());
  AGENTOS_CHECK(daemon->makeScheduler());
  daemon->makeReload();
  AGENTOS_CHECK(daemon->makeApi());
  return daemon;
}

Result<void> Daemon::openState() {
  for (const auto& path : {config_.paths.state(), config_.paths.instances(), config_.paths.audit(),
                           config_.paths.artifacts(), config_.paths.scratch(), config_.paths.log()}) {
    AGENTOS_CHECK(makeDirectories(path, 0750));
  }
  AGENTOS_TRY(audit_, govern::AuditLog::open(config_.paths.audit(), world_.clock));
  events_ = std::make_unique<Events>(*audit_, config_.paths.audit());
  AGENTOS_CHECK(tellCut());
  anchoring_ = std::make_unique<Anchoring>(Anchoring::Parts{
      .io = world_.io, .clock = world_.clock, .alarms = alarms_, .spawner = world_.spawner, .audit = *audit_});
  headListener_ = events_->listen([this](const govern::AuditEntry& entry) {
    logEvent(entry);
    anchoring_->soon();
  });
  AGENTOS_TRY(db_, Database::open(config_.paths.database()));
  db_->whenLost(world_.diskFailed);
  return {};
}

// What opening the log has itself put there: no listener was there to hear of it.
Result<void> Daemon::tellCut() {
  govern::AuditFilter newest;
  newest.limit = 1;
  AGENTOS_TRY(auto entries, govern::queryAudit(config_.paths.audit(), newest));
  if (!entries.empty() && entries.back().event.kind == "audit.cut" && entries.back().time >= started_)
    logEvent(entries.back());
  return {};
}

Result<void> Daemon::openCompany() {
  if (config_.company.empty()) return {};
  AGENTOS_TRY(company_, company::Company::open(config_.company));
  AGENTOS_TRY(queue_, company::TaskQueue::open(*company_, *db_, world_.clock,
                                               [this](const company::TaskEvent& event) { taskEvent(event); }));
  return {};
}

Result<void> Daemon::makeParts() {
  modelFiles_ = modelFilesDigest(config_);
  AGENTOS_CHECK(openModels(config_, world_.io.get_executor(), models_));
  AGENTOS_TRY(ledger_, models::Ledger::open(*db_, world_.clock, company_ ? company_->settings().timezone : "UTC"));
  meter_ = std::make_unique<models::Meter>(models_, *ledger_,
                                           [this](const models::Ledger::Settlement& one) { settled(one); });
  meter_->turnstile().setPlaces(static_cast<std::size_t>(config_.modelCalls));
  AGENTOS_TRY(auto boot, bootId());
  AGENTOS_TRY(runs_, RunTable::open(*db_, boot));
  AGENTOS_TRY(commits_, GroupCommit::open(world_.io.get_executor(), config_.paths.database() + "-wal", *audit_,
                                          world_.diskFailed, diskOf(world_.alarms)));
  contracts_ =
      std::make_unique<ContractStore>(config_.contracts, company_ ? company_->path() + "/agents/contracts" : "");
  for (const auto& line : contracts_->reload().problems) spdlog::warn("contract: {}", line);
  overlays_ = std::make_unique<Overlays>(
      Overlays::Parts{.io = world_.io, .pool = pool_, .spawner = world_.spawner, .paths = config_.paths});
  AGENTOS_CHECK(overlays_->load());
  supervisor_ = std::make_unique<SupervisorImpl>(SupervisorParts{.io = world_.io,
                                                                 .clock = world_.clock,
                                                                 .alarms = alarms_,
                                                                 .events = *events_,
                                                                 .runs = *runs_,
                                                                 .commits = *commits_,
                                                                 .spawner = world_.spawner,
                                                                 .ledger = *ledger_,
                                                                 .company = company_.get(),
                                                                 .queue = queue_.get(),
                                                                 .overlays = overlays_.get()},
                                                 supervisorSettings());
  AGENTOS_CHECK(makeEgress());
  gateway_ = std::make_unique<Gateway>(GatewayServices{.io = world_.io,
                                                       .clock = world_.clock,
                                                       .supervisor = *supervisor_,
                                                       .meter = *meter_,
                                                       .models = models_,
                                                       .ledger = *ledger_,
                                                       .events = *events_,
                                                       .company = company_.get(),
                                                       .queue = queue_.get(),
                                                       .pool = &pool_,
                                                       .egress = egress_.get()});
  supervisor_->serveRoomsWith(*gateway_);
  return {};
}

Result<void> Daemon::makeEgress() {
  AGENTOS_TRY(egressBooks_, egress::Books::open(*db_));
  resolver_ = std::make_unique<egress::SystemResolver>(world_.io);
  auto permitted = [this] {
    std::vector<IpRange> ranges;
    for (const auto& text : config_.policy.egressPrivate) {
      if (auto range = IpRange::parse(text)) ranges.push_back(*range);
    }
    return ranges;
  };
  egress_ = std::make_unique<egress::Proxy>(egress::ProxyParts{.io = world_.io,
                                                               .events = *events_,
                                                               .books = *egressBooks_,
                                                               .resolver = *resolver_,
                                                               .permitted = std::move(permitted)});
  return {};
}

SupervisorSettings Daemon::supervisorSettings() {
  SupervisorSettings settings;
  settings.paths = config_.paths;
  settings.policy = config_.policy;
  settings.recordsKept = static_cast<std::size_t>(config_.recordsKept);
  settings.logRotateAt = config_.logRotateAt;
  settings.logKeep = config_.logKeep;
  settings.disk = diskOf(world_.alarms);
  if (settings.disk == Worker::Mode::kInline) settings.spareDirectories = 0;
  settings.machine = [this] { return machineOf(platform_, models_, config_.policy); };
  settings.groups = [this] { return platform_.cgroupRoot; };
  settings.runtime = [this] { return runtimeSide(); };
  return settings;
}

// The company's live side, the link resolved once for each run; else what the configuration or the package gives. A
// side without runtime.yaml holds no runtime: a new company's sides are empty until the first change is staged.
std::string Daemon::runtimeSide() const {
  std::error_code error;
  if (company_) {
    auto live = std::filesystem::canonical(company_->path() + "/runtime", error);
    if (!error && std::filesystem::exists(live / "runtime.yaml", error)) return live.string();
  }
  const std::string& other = config_.runtime.empty() ? config_.paths.runtime() : config_.runtime;
  auto side = std::filesystem::canonical(other, error);
  return error ? std::string() : side.string();
}

Result<void> Daemon::makeScheduler() {
  supervisor_->onEnded([this](const InstanceId& id) {
    if (scheduler_) scheduler_->instanceEnded(id);
  });
  supervisor_->onStarted([this](const InstanceId& id) {
    if (config_.startServices) startServices(std::string(agentOf(id)));
  });
  if (!company_) return {};
  SchedulerLimits limits{static_cast<std::size_t>(config_.concurrentCycles)};
  scheduler_ =
      std::make_unique<Scheduler>(Scheduler::Parts{.io = world_.io,
                                                   .clock = world_.clock,
                                                   .alarms = alarms_,
                                                   .db = *db_,
                                                   .events = *events_,
                                                   .contracts = *contracts_,
                                                   .supervisor = *supervisor_,
                                                   .company = *company_,
                                                   .queue = *queue_,
                                                   .halted = [this] { return supervisor_->halted().has_value(); }},
                                  limits);
  return {};
}

void Daemon::makeReload() {
  reload_ = std::make_unique<Reload>(
      Reload::Parts{.io = world_.io,
                    .spawner = world_.spawner,
                    .config = config_,
                    .models = models_,
                    .contracts = *contracts_,
                    .supervisor = *supervisor_,
                    .scheduler = scheduler_.get(),
                    .settings = [this] { return supervisorSettings(); },
                    .startServices = [this] { startServices(); },
                    .say = [this](const std::string& actor, Json data) { say("agentd.reloaded", actor, data); }},
      modelFiles_);
}

ChangeControl Daemon::changeControl() {
  return {.show = [this](InstanceId id) { return overlays_->changes(std::move(id)); },
          .commit = [this](InstanceId id,
                           std::string actor) { return supervisor_->commitChanges(std::move(id), std::move(actor)); },
          .discard = [this](const InstanceId& id,
                            const std::string& actor) { return supervisor_->discardChanges(id, actor); },
          .heldFor = [this](const TaskId& task) { return overlays_->heldFor(task.str()); }};
}

SupervisionControl Daemon::supervisionControl() {
  explainer_ = std::make_unique<Explainer>(Explainer::Parts{.clock = world_.clock,
                                                            .supervisor = *supervisor_,
                                                            .contracts = *contracts_,
                                                            .ledger = *ledger_,
                                                            .scheduler = scheduler_.get(),
                                                            .company = company_.get()});
  return {
      .explain = [this](const std::string& name) { return explainer_->explain(name); },
      .halt = [this](bool kill, std::string reason,
                     std::string actor) { return halt(kill, std::move(reason), std::move(actor)); },
      .unhalt = [this](std::string actor) { return unhalt(std::move(actor)); },
      .dead = [this] { return supervisor_->dead(); },
      .dropDead = [this](const InstanceId& id, const std::string& actor) { return supervisor_->dropDead(id, actor); },
      .retryDead = [this](InstanceId id,
                          std::string actor) { return supervisor_->retryDead(std::move(id), std::move(actor)); }};
}

asio::awaitable<Result<Json>> Daemon::halt(bool kill, std::string reason, std::string actor) {
  AGENTOS_CO_TRY(const auto report, co_await supervisor_->halt(kill, std::move(reason), std::move(actor)));
  co_return Json{{"halted", true}, {"kill", kill}, {"instances", report.instances}, {"took_ns", report.took.count()}};
}

// What was due meanwhile is looked at now.
asio::awaitable<Result<Json>> Daemon::unhalt(std::string actor) {
  AGENTOS_CO_CHECK(co_await supervisor_->unhalt(std::move(actor)));
  if (scheduler_) scheduler_->taskChanged();
  if (config_.startServices) startServices();
  co_return Json{{"halted", false}};
}

Result<void> Daemon::makeApi() {
  ApiServices services{.io = world_.io,
                       .pool = pool_,
                       .clock = world_.clock,
                       .db = *db_,
                       .events = *events_,
                       .supervisor = *supervisor_,
                       .contracts = *contracts_,
                       .ledger = *ledger_,
                       .models = models_,
                       .cycles = {},
                       .logDirectory = config_.paths.log(),
                       .stateDirectory = config_.paths.state(),
                       .anchorPath = config_.paths.auditAnchor(),
                       .version = AGENTOS_VERSION,
                       .roles = rolesOf(config_),
                       .bearerToken = {},
                       .systemInfo = {},
                       .reload = {},
                       .notReady = {},
                       .supervision = {}};
  services.company = company_.get();
  services.queue = queue_.get();
  if (scheduler_) services.cycles = controlOf(*scheduler_);
  services.explain = [this](const SpawnRequest& request) { return supervisor_->explain(request); };
  services.overlays = changeControl();
  services.egress = [this](const InstanceId& id) { return egress_->view(id); };
  services.supervision = supervisionControl();
  services.systemInfo = [this] { return systemInfo(); };
  services.reload = [this](std::string actor) { return reload(std::move(actor)); };
  services.notReady = [this] { return notReady_; };
  AGENTOS_TRY(api_, ApiServer::make(std::move(services)));
  return {};
}

void Daemon::makePreemptor() {
  if (!config_.preempt) {
    noPressure_ = "preempt.enabled is false";
    return;
  }
  PreemptionRules rules{.calm = config_.preemptCalm, .longest = config_.preemptLongest};
  auto& supervisor = *supervisor_;
  preemptor_ = std::make_unique<Preemptor>(
      world_.io, world_.clock, alarms_, rules,
      Preemptor::Hands{.running = [&supervisor] { return supervisor.runningNow(); },
                       .preempt = [&supervisor](InstanceId id, Pressure why) { return supervisor.preempt(id, why); },
                       .relieve = [&supervisor](InstanceId id) { return supervisor.relieve(id); },
                       .isPreempted = [&supervisor](const InstanceId& id) { return supervisor.isPreempted(id); }});
}

// After recovery. Whom an earlier agentd preempted goes on in its time, whether or not there are triggers now.
asio::awaitable<void> Daemon::watchPressure() {
  makePreemptor();
  for (const auto& view : supervisor_->list(false)) {
    if (!supervisor_->isPreempted(view.id)) continue;
    if (preemptor_) {
      preemptor_->takeOver(view.id);
    } else if (auto gone = co_await supervisor_->relieve(view.id); !gone) {
      spdlog::warn("{}: {}", view.id.str(), gone.error().message());
    }
  }
  if (!preemptor_) co_return;
  auto us = [](Nanoseconds time) { return std::chrono::duration_cast<std::chrono::microseconds>(time).count(); };
  auto triggers = co_await world_.spawner.pressure({us(config_.preemptMemory), us(config_.preemptCpu)});
  if (triggers) {
    preemptor_->watch(*std::move(triggers));
  } else {
    noPressure_ = triggers.error().message();
    spdlog::info("nobody is preempted under pressure: {}", noPressure_);
  }
}

asio::awaitable<Result<RecoveryReport>> Daemon::start(Fd socket) {
  // Served from the first moment, so that status answers and says "starting" while recovery works.
  if (socket) api_->listen(std::move(socket));
  AGENTOS_CO_TRY(platform_, co_await world_.spawner.platform());
  for (const auto& warning : platform_.warnings) spdlog::warn("platform: {}", warning);
  say("agentd.started", "agentd",
      {{"version", AGENTOS_VERSION},
       {"company", config_.company},
       {"cgroups", platform_.cgroupMode},
       {"controllers", platform_.controllers}});
  AGENTOS_CO_TRY(auto report, co_await recover({.clock = world_.clock,
                                                .events = *events_,
                                                .runs = *runs_,
                                                .spawner = world_.spawner,
                                                .ledger = *ledger_,
                                                .queue = queue_.get(),
                                                .supervisor = *supervisor_}));
  co_await supervisor_->tidyOverlays();
  if (company_) {
    AGENTOS_CO_TRY(watch_, TaskWatch::make(world_.io, *company_,
                                           [this](const auto& which, bool all) { refreshQueue(which, all); }));
    refreshQueue({}, true);
    writeCostsSoon();
    AGENTOS_CO_CHECK(scheduler_->start());
  }
  co_await watchPressure();
  if (config_.startServices) startServices();
  notReady_.clear();
  co_return report;
}

bool Daemon::isRunning(const std::string& agent) const {
  auto last = supervisor_->resolve(agent);
  auto view = last ? supervisor_->view(*last) : std::unexpected(last.error());
  return view && isLive(view->state);
}

// Services stay up: those of the contracts in force that do not run yet.
void Daemon::startServices(const std::string& parent) {
  if (supervisor_->halted()) return;
  for (const auto& [name, stored] : contracts_->all()) {
    if (stored.contract->run.mode != contract::RunMode::kService) continue;
    const std::string& above = stored.contract->supervise.parent;
    if (!parent.empty() && above != parent) continue;
    if (!above.empty() && !isRunning(above)) continue;  // started when its parent has been
    if (isRunning(name.str()) || supervisor_->waitsForRestart(name)) continue;
    if (supervisor_->isDead(name, stored.contract->digest)) continue;
    auto work = [](SupervisorImpl* supervisor, SpawnRequest request) -> asio::awaitable<void> {
      const std::string agent = request.contract->name.str();
      auto spawned = co_await supervisor->spawn(std::move(request));
      if (!spawned) spdlog::error("{}: {}", agent, spawned.error().message());
    };
    spawnTask(world_.io.get_executor(), "service " + name.str(),
              work(supervisor_.get(), SpawnRequest{.contract = stored.contract, .source = stored.path}));
  }
}

asio::awaitable<void> Daemon::stop(std::optional<StopAgents> agents) {
  const StopAgents what = agents.value_or(config_.stopAgents);
  notReady_ = "stopping";
  say("agentd.stopping", "agentd", {{"agents", what == StopAgents::kKeep ? "keep" : "stop"}});
  if (scheduler_) scheduler_->stopDispatching();
  watch_.reset();
  supervisor_->refuseSpawns();
  if (what == StopAgents::kStop) {
    co_await supervisor_->waitForCycles(config_.stopGrace);
    co_await supervisor_->stopAll(config_.stopGrace);
  }
  co_await gateway_->closeAll();
  co_await api_->close();
  if (company_) {
    if (auto written = models::appendCosts(company_->rootFd(), *ledger_, company_->settings().timezone); !written) {
      spdlog::warn("costs: {}", written.error().message());
    }
  }
  say("agentd.stopped", "agentd", {{"left_running", supervisor_->liveCount()}});
  co_await anchoring_->last();
  alarms_.shutDown();
}

asio::awaitable<Result<Json>> Daemon::reload(std::string actor) { return reload_->run(std::move(actor)); }

std::string Daemon::statusLine() const {
  return std::to_string(contracts_->all().size()) + " contracts, " + std::to_string(supervisor_->liveCount()) +
         " live instances" + (supervisor_->halted() ? ", all halted" : "") + ", company " +
         (config_.company.empty() ? "none" : config_.company);
}

void Daemon::say(std::string kind, const std::string& actor, Json data) {
  govern::AuditEvent event{.kind = std::move(kind), .actor = actor};
  event.data = std::move(data);
  if (auto kept = events_->record(std::move(event)); !kept) spdlog::error("audit: {}", kept.error().message());
}

// The queue's word into the audit log, with the trace of the run that caused it.
void Daemon::taskEvent(const company::TaskEvent& task) {
  govern::AuditEvent event{.kind = task.kind, .actor = task.actor.empty() ? "agentd" : task.actor, .agent = task.agent};
  event.instance = task.holder;
  event.task = task.task.str();
  if (auto holder = InstanceId::parse(task.holder); holder && supervisor_) {
    if (auto view = supervisor_->view(*holder)) event.trace = view->trace;
  }
  event.data = Json::object();
  if (!task.detail.empty()) event.data["detail"] = task.detail;
  if (!task.file.empty()) event.data["file"] = task.file;
  if (task.epoch != 0) event.data["epoch"] = task.epoch;
  if (auto kept = events_->record(std::move(event)); !kept) spdlog::error("audit: {}", kept.error().message());
  // A move of agentd's own may free another task as well as a person's does.
  if (watch_) refreshQueue({}, false);
}

void Daemon::settled(const models::Ledger::Settlement& settlement) {
  auto id = InstanceId::parse(settlement.account.instance);
  govern::AuditEvent event = settledEvent(settlement);
  if (id && supervisor_) {
    if (auto view = supervisor_->view(*id)) event.trace = view->trace;
    supervisor_->countCall(*id, settlement.cost);
  }
  if (auto kept = events_->note(std::move(event)); !kept) spdlog::error("audit: {}", kept.error().message());
  writeCostsSoon();
}

void Daemon::writeCostsSoon() {
  if (!company_ || std::exchange(costsDue_, true)) return;
  alarms_.after(kCostsAfter, [this] {
    costsDue_ = false;
    auto written = models::appendCosts(company_->rootFd(), *ledger_, company_->settings().timezone);
    if (!written) spdlog::warn("costs: {}", written.error().message());
  });
}

void Daemon::refreshQueue(const std::set<company::TaskStatus>& directories, bool everything) {
  changed_.insert(directories.begin(), directories.end());
  changedAll_ = changedAll_ || everything;
  if (std::exchange(refreshDue_, true)) return;
  alarms_.after(kRefreshAfter, [this] {
    refreshDue_ = false;
    std::vector<std::optional<company::TaskStatus>> which;
    if (std::exchange(changedAll_, false)) {
      which.push_back(std::nullopt);
      changed_.clear();
    }
    for (const auto status : std::exchange(changed_, {})) which.push_back(status);
    for (const auto& status : which) {
      auto again = queue_->refresh(status);
      if (!again) {
        spdlog::warn("tasks: {}", again.error().message());
      } else if (*again) {  // a malformed file is left alone for a moment, in case somebody is still writing it
        alarms_.at(**again, [this, status] {
          refreshQueue(status ? std::set{*status} : std::set<company::TaskStatus>{}, !status);
        });
      }
    }
    if (scheduler_) scheduler_->taskChanged();
  });
}

Json Daemon::systemInfo() const {
  Json models = Json::array();
  for (const auto& model : models_.all()) models.push_back(model.name);
  return {{"version", AGENTOS_VERSION},
          {"pid", ::getpid()},
          {"user", config_.user},
          {"started", formatUtc(started_)},
          {"company", config_.company},
          {"prefix", config_.paths.prefix},
          {"state_directory", config_.paths.state()},
          {"runtime", runtimeSide()},
          {"kernel", platform_.kernel},
          {"cgroup_mode", platform_.cgroupMode},
          {"cgroup_root", platform_.cgroupRoot},
          {"controllers", platform_.controllers},
          {"landlock_abi", platform_.landlockAbi},
          {"preemption", {{"on", noPressure_.empty()}, {"why_not", noPressure_}}},
          {"idmapped_mounts", platform_.idmappedMounts},
          {"real_time",
           {{"cpus", platform_.realTime.cpus},
            {"share_percent", platform_.realTime.sharePpm / 10000},
            {"why_not", platform_.realTime.why}}},
          {"warnings", platform_.warnings},
          {"models", models},
          {"contracts", contracts_->all().size()},
          {"live_instances", supervisor_->liveCount()},
          {"overlays", overlays_->counts()},
          {"halt", haltView(supervisor_->halted())},
          {"concurrent_cycles", config_.concurrentCycles},
          {"log", {{"format", logState().format}, {"lost", logState().lost}}}};
}

}  // namespace agentos::agentd
