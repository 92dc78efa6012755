// SPDX-License-Identifier: Apache-2.0
// spawn, from a request to a room that stands.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "agentd/spawn_task.h"
#include "agentd/supervisor/launch_record.h"
#include "agentd/supervisor/machine.h"
#include "agentd/supervisor/policy.h"
#include "agentd/supervisor/room_plan.h"
#include "agentd/supervisor/supervisor_impl.h"
#include "base/digest.h"
#include "base/fault.h"
#include "base/files.h"

namespace agentos::agentd {
namespace {

std::string_view wordOf(contract::RunMode mode) {
  return mode == contract::RunMode::kService ? "service" : mode == contract::RunMode::kJob ? "job" : "cycle";
}

std::string_view wordOf(contract::LatencyClass latency) {
  return latency == contract::LatencyClass::kHrt ? "HRT" : latency == contract::LatencyClass::kSrt ? "SRT" : "DT";
}

// The contract as asked for: under another name or class when the request says so.
std::shared_ptr<const contract::Contract> effectiveContract(const SpawnRequest& request) {
  if (!request.name && !request.latency) return request.contract;
  auto changed = std::make_shared<contract::Contract>(*request.contract);
  if (request.name) changed->name = *request.name;
  if (request.latency) {
    changed->latency = *request.latency;
    changed->demands.insert("class.latency");
  }
  return changed;
}

// A service stays up: only a timeout that was written ends it.
Nanoseconds timeoutOf(const contract::Contract& contract) {
  const bool bounded = contract.run.mode != contract::RunMode::kService || contract.isDemanded("run.timeout");
  return bounded ? contract.run.timeout : Nanoseconds(0);
}

Result<void> makeDirectoryAt(int dirFd, const std::string& name, mode_t mode) {
  if (::mkdirat(dirFd, name.c_str(), mode) == 0 || errno == EEXIST) return {};
  return failErrno(errno, "cannot make the directory " + name);
}

}  // namespace

Result<std::shared_ptr<const contract::Contract>> SupervisorImpl::admitted(const SpawnRequest& request,
                                                                           Json& admission) const {
  auto contract = effectiveContract(request);
  if (parts_.company != nullptr && request.source.starts_with(parts_.company->path() + "/")) {
    AGENTOS_CHECK(checkCompanyGrants(*contract, settings_.policy));
  }
  const auto table = contract::admit(*contract, machineNow());
  admission = contract::toJson(table);
  if (!table.admitted()) return std::unexpected(contract::refusalOf(*contract, table));
  return contract;
}

contract::Machine SupervisorImpl::machineNow() const {
  auto machine = settings_.machine();
  for (const auto& [id, instance] : instances_) {
    if (isLive(instance->view.state) && instance->contract) promise(machine, *instance->contract);
  }
  return machine;
}

Json SupervisorImpl::explain(const SpawnRequest& request) const {
  Json table;
  auto contract = admitted(request, table);
  if (!table.is_object()) {  // root's policy refuses it before the machine is asked
    const Error& error = contract.error();
    table = {{"admitted", false}, {"notes", Json::array()}};
    table["rows"] = Json::array({{{"path", "policy"},
                                  {"demand", request.source},
                                  {"verdict", "unmet"},
                                  {"by", ""},
                                  {"why", error.what},
                                  {"remedy", error.remedy}}});
  }
  return table;
}

Result<InstancePtr> SupervisorImpl::makeInstance(const SpawnRequest& request,
                                                 std::shared_ptr<const contract::Contract> contract) {
  auto instance = std::make_shared<Instance>();
  InstanceView& view = instance->view;
  view.agent = contract->name;
  AGENTOS_TRY(view.id, spares_.take(contract->name));
  view.mode = wordOf(contract->run.mode);
  view.latency = wordOf(contract->latency);
  view.contractDigest = contract->digest;
  view.source = request.source;
  view.task = request.task ? request.task->str() : "";
  view.trace = request.trace.empty() ? sha256(view.id.str()).substr(0, 32) : request.trace;
  view.created = parts_.clock.now();
  view.restarts = request.restarts;
  instance->timeLeft = timeoutOf(*contract);
  instance->health = healthOf(*contract);
  instance->contract = std::move(contract);
  return instance;
}

Result<void> SupervisorImpl::makeDirectories(const Instance& instance, const std::string& contextText) {
  AGENTOS_CHECK(makeDirectoryAt(logDir_.get(), instance.id().str(), 0750));
  AGENTOS_TRY(auto scratch,
              agentos::makeDirectories(settings_.paths.scratch() + "/" + instance.view.agent.str(), 0700));
  AGENTOS_TRY(auto directory,
              openBeneath(instancesDir_.get(), instance.id().str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  AGENTOS_CHECK(makeDirectoryAt(directory.get(), "context", 0750));
  // Not synced: it is read by this run only, and a run whose machine crashed is over.
  AGENTOS_TRY(auto prompt,
              openBeneath(directory.get(), "context/prompt.md", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  return writeAll(prompt.get(), contextText);
}

Result<void> SupervisorImpl::claimTask(const SpawnRequest& request, Instance& instance) {
  if (!request.task) return {};
  if (parts_.queue == nullptr) return fail(ErrorCode::kUnavailable, "there is no company, so there are no tasks");
  AGENTOS_TRY(instance.claim, parts_.queue->claim(*request.task, instance.id()));
  if (!instance.claim) return fail(ErrorCode::kConflict, request.task->str() + " was taken by somebody else meanwhile");
  faultPoint("supervisor.claimed");
  return {};
}

Result<sandbox::RoomPlan> SupervisorImpl::planFor(const Instance& instance) const {
  const bool overlays =
      wantsOverlays(*instance.contract) && settings_.machine().features.contains(contract::Feature::kOverlayMounts);
  return makeRoomPlan(RoomInput{.id = instance.id(),
                                .contract = *instance.contract,
                                .paths = settings_.paths,
                                .company = parts_.company,
                                .runtime = settings_.runtime(),
                                .claim = instance.claim,
                                .trace = instance.view.trace,
                                .logRotateAt = settings_.logRotateAt,
                                .logKeep = settings_.logKeep,
                                .launchRecord = launchLine(instance),
                                .overlays = overlays});
}

// No run that the audit log does not know of: where its first event cannot be written, nothing else is either.
Result<void> SupervisorImpl::begin(const SpawnRequest& request, Instance& instance, Json admission) {
  auto kept =
      parts_.events.note(eventOf(instance, "instance.starting", request.actor, {{"admission", std::move(admission)}}));
  if (!kept) return std::unexpected(std::move(kept).error().within("a run is not started without its record"));
  auto claimed = claimTask(request, instance);
  if (!claimed) audit(instance, "instance.refused", request.actor, {{"reason", claimed.error().message()}}, false);
  return claimed;
}

// From here on there is a row: whatever goes wrong is settled as a refused run.
Result<sandbox::RoomPlan> SupervisorImpl::prepare(const SpawnRequest& request, Instance& instance) {
  if (instance.timeLeft.count() > 0) instance.deadline = parts_.clock.bootNow() + instance.timeLeft;
  // Not waited for: the claim was committed before, the spawner's launch record is durable before exec, and the row is
  // durable before anybody is told of the run (roomStands, refuse).
  AGENTOS_CHECK(parts_.runs.updateSoon(instance));
  faultPoint("supervisor.row");
  AGENTOS_CHECK(makeDirectories(instance, request.contextText));
  return planFor(instance);
}

boost::asio::awaitable<Result<InstanceId>> SupervisorImpl::spawn(SpawnRequest request) {
  if (refusing_) co_return fail(ErrorCode::kUnavailable, "agentd is stopping", "spawn again when it is back");
  AGENTOS_CO_CHECK(refuseWhileHalted("nothing is started"));
  AGENTOS_CO_CHECK(refuseWithoutParent(*request.contract));
  Json admission;
  auto contract = admitted(request, admission);
  if (!contract) {
    govern::AuditEvent event{.kind = "instance.refused", .actor = request.actor, .agent = request.contract->name.str()};
    event.contract = request.contract->digest;
    event.trace = request.trace;
    event.data = {{"reason", contract.error().message()}, {"admission", admission}};
    if (auto kept = parts_.events.record(std::move(event)); !kept) spdlog::error("audit: {}", kept.error().message());
    co_return std::unexpected(std::move(contract).error());
  }
  AGENTOS_CO_TRY(auto instance, makeInstance(request, *contract));
  const InstanceId id = instance->id();
  if (auto begun = begin(request, *instance, std::move(admission)); !begun) {
    removeRecords(settings_.paths, id);
    co_return std::unexpected(std::move(begun).error());
  }
  instances_[id] = instance;
  [[maybe_unused]] auto began = happen(*instance, Event::kAdmitted, request.actor);
  auto plan = prepare(request, *instance);
  if (!plan) {
    co_await refuse(instance, plan.error());
    co_return std::unexpected(std::move(plan).error());
  }
  if (auto made = co_await makeOverlays(instance); !made) {
    co_await refuse(instance, made.error());
    co_return std::unexpected(std::move(made).error());
  }
  auto room = co_await parts_.spawner.spawn(*plan);
  if (!room) {
    co_await refuse(instance, room.error());
    co_return std::unexpected(std::move(room).error());
  }
  faultPoint("supervisor.spawned");
  co_await roomStands(instance, *std::move(room));
  co_return id;
}

// The agent runs already. Its calls wait in the backlog of its listeners, and its end in a pidfd, until this gives the
// loop back at its first co_await: nothing may be awaited before "instance.started" is in the log, so that it stands
// before everything else that is told of the run.
boost::asio::awaitable<void> SupervisorImpl::roomStands(InstancePtr instance, sandbox::SpawnedRoom room) {
  instance->view.process = std::move(room.identity);
  instance->view.enforcement = std::move(room.enforcement);
  instance->view.started = parts_.clock.now();
  instance->control = std::move(room.control);
  rooms_->openRoom(instance->id(), std::move(room.listeners));
  auto effects = happen(*instance, Event::kSpawned, "agentd");
  if (instance->view.state == State::kRunning) startClocks(*instance);
  unbury(*instance);
  haltNewcomer(instance);
  watch(instance, std::move(room.pidfd));
  watchLimits(instance);
  auto kept = parts_.runs.updateSoon(*instance);
  audit(*instance, "instance.started", "agentd",
        {{"pid", instance->view.process.pid},
         {"substituted", instance->view.enforcement.substituted},
         {"missing", instance->view.enforcement.missing}},
        false);
  if (effects && !effects->empty()) {
    auto work = [](SupervisorImpl* self, InstancePtr held, Effects todo) -> boost::asio::awaitable<void> {
      [[maybe_unused]] auto done = co_await self->perform(held, std::move(todo), Nanoseconds(0));
    };
    spawnTask(parts_.io.get_executor(), "stop while starting", work(this, instance, *std::move(effects)));
  }
  if (kept) kept = co_await parts_.commits.durable();
  spares_.refill();
  if (started_ && instance->view.state == State::kRunning) started_(instance->id());
  // The run goes on when this fails: its launch record is on disk, and the next update says it again.
  if (!kept) spdlog::error("{}: {}", instance->id().str(), kept.error().message());
}

boost::asio::awaitable<void> SupervisorImpl::refuse(InstancePtr instance, Error error) {
  instance->view.reason = error.message();
  instance->view.ended = parts_.clock.now();
  spares_.discardUnused(instance->id());
  auto effects = happen(*instance, Event::kRefused, "agentd");
  if (effects) [[maybe_unused]]
    auto done = co_await perform(instance, *std::move(effects), Nanoseconds(0));
}

}  // namespace agentos::agentd
