// SPDX-License-Identifier: Apache-2.0
// What happens to a live instance: the effects of lifecycle.h, performed.
#include "agentd/supervisor/supervisor_impl.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <utility>

#include "agentd/spawn_task.h"
#include "agentd/supervisor/end_of_run.h"
#include "agentd/supervisor/init_control.h"
#include "base/files.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

constexpr auto kKillRetry = std::chrono::seconds(1);      // the spawner did not answer
constexpr auto kInitPatience = std::chrono::seconds(10);  // from kill to agent-init's exit record

Fd openOrWarn(const std::string& path) {
  auto directory = makeDirectories(path, 0750);
  if (!directory) spdlog::error("{}", directory.error().message());
  return directory ? *std::move(directory) : Fd();
}

}  // namespace

SupervisorImpl::SupervisorImpl(SupervisorParts parts, SupervisorSettings settings)
    : parts_(parts),
      settings_(std::move(settings)),
      instancesDir_(openOrWarn(settings_.paths.instances())),
      logDir_(openOrWarn(settings_.paths.log())),
      spares_(settings_.paths.instances(), settings_.paths.log(), settings_.spareDirectories, settings_.disk),
      limits_(parts_.io, parts_.clock, parts_.alarms,
              [this](const InstanceId& id, const char* kind, Json data) { tellLimit(id, kind, std::move(data)); }),
      remover_(settings_.disk) {}

// Rooms go on; nobody waits for their ends here any more.
SupervisorImpl::~SupervisorImpl() {
  for (const auto& [id, instance] : instances_) instance->pidfd.reset();
}

Result<InstancePtr> SupervisorImpl::findLive(const InstanceId& id) const {
  auto found = instances_.find(id);
  if (found == instances_.end())
    return fail(ErrorCode::kNotFound, "there is no instance " + id.str(), "agentctl ps --all lists them");
  if (!isLive(found->second->view.state)) {
    return fail(ErrorCode::kConflict,
                id.str() + " has ended already (" + std::string(nameOf(found->second->view.state)) + ")",
                "agentctl ps lists those that run");
  }
  return found->second;
}

Result<SupervisorImpl::Effects> SupervisorImpl::happen(Instance& instance, Event event, const std::string& actor) {
  auto step = transition(instance.view.state, event);
  if (!step) {
    return fail(ErrorCode::kConflict, instance.id().str() + " is " + std::string(nameOf(instance.view.state)) + ": " +
                                          std::string(nameOf(event)) + " has no meaning there");
  }
  spdlog::debug("{}: {} + {} = {} ({})", instance.id().str(), nameOf(instance.view.state), nameOf(event),
                nameOf(step->to), actor);
  instance.view.state = step->to;
  return std::move(step->effects);
}

void SupervisorImpl::watch(const InstancePtr& instance, Fd pidfd) {
  instance->pidfd = std::make_unique<asio::posix::stream_descriptor>(parts_.io, pidfd.release());
  instance->pidfd->async_wait(asio::posix::stream_descriptor::wait_read,
                              [this, instance](const boost::system::error_code& error) {
                                if (error) return;
                                spawnTask(parts_.io.get_executor(), "end of " + instance->id().str(), finish(instance));
                              });
}

void SupervisorImpl::startTimeout(Instance& instance) {
  if (instance.timeLeft.count() <= 0) return;
  const BootTime deadline = parts_.clock.bootNow() + instance.timeLeft;
  instance.deadline = deadline;
  instance.timeoutAlarm = parts_.alarms.at(deadline, [this, id = instance.id()] {
    auto live = findLive(id);
    if (!live) return;
    auto work = [](SupervisorImpl* self, InstancePtr held) -> asio::awaitable<void> {
      const Nanoseconds grace = held->contract->run.stop.grace;
      [[maybe_unused]] auto done = co_await self->endRun(held, Event::kTimeout, EndCause::kTimedOut, "agentd", grace);
    };
    spawnTask(parts_.io.get_executor(), "timeout of " + id.str(), work(this, *live));
  });
}

void SupervisorImpl::stopTimeout(Instance& instance) {
  if (!instance.deadline) return;
  instance.timeLeft = std::max(Nanoseconds(1), *instance.deadline - parts_.clock.bootNow());
  instance.deadline.reset();
  parts_.alarms.cancel(std::exchange(instance.timeoutAlarm, 0));
}

void SupervisorImpl::startGrace(const InstancePtr& instance, Nanoseconds grace) {
  parts_.alarms.cancel(std::exchange(instance->graceAlarm, 0));
  instance->graceAlarm = parts_.alarms.after(grace, [this, id = instance->id()] {
    auto live = findLive(id);
    if (!live) return;
    auto work = [](SupervisorImpl* self, InstancePtr held) -> asio::awaitable<void> {
      if (auto effects = self->happen(*held, Event::kGraceOver, "agentd")) {
        [[maybe_unused]] auto done = co_await self->perform(held, *std::move(effects), Nanoseconds(0));
      }
    };
    spawnTask(parts_.io.get_executor(), "grace of " + id.str(), work(this, *live));
  });
}

asio::awaitable<Result<void>> SupervisorImpl::perform(InstancePtr instance, Effects effects, Nanoseconds grace) {
  using namespace asio::experimental::awaitable_operators;
  const InstanceId id = instance->id();
  Result<void> first;
  for (const Effect effect : effects) {
    Result<void> done;
    switch (effect) {
      case Effect::kSpawnRoom:
        break;  // spawn does it: it has the plan
      case Effect::kFreeze:
        done = co_await parts_.spawner.freeze(id);
        break;
      case Effect::kThaw:
        done = co_await parts_.spawner.thaw(id);
        break;
      case Effect::kSignalStop:
        done = sendSignal(instance->control.get(), instance->contract->run.stop.signal);
        break;
      case Effect::kStartGrace:
        startGrace(instance, grace);
        break;
      case Effect::kKillAll:
        // Not dead until agent-init has said so; an agent-init that does not is swept, which ends the run as lost.
        done = ++instance->kills < 3 ? co_await parts_.spawner.kill(id) : co_await parts_.spawner.sweep(id);
        if (isLive(instance->view.state))
          startGrace(instance, done ? Nanoseconds(kInitPatience) : Nanoseconds(kKillRetry));
        break;
      case Effect::kSettle:
        // The room is swept while the books go to disk.
        if (std::ranges::find(effects, Effect::kSweep) == effects.end()) {
          co_await book(instance);
        } else {
          done = co_await (book(instance) && parts_.spawner.sweep(id));
        }
        break;
      case Effect::kSweep:
        break;  // with kSettle
      case Effect::kNotify:
        notify(instance);
        break;
    }
    if (!done) {
      spdlog::warn("{}: {}", id.str(), done.error().message());
      if (first) first = std::unexpected(std::move(done).error());
    }
  }
  co_return first;
}

asio::awaitable<Result<void>> SupervisorImpl::pause(InstanceId id, std::string actor) {
  AGENTOS_CO_TRY(auto instance, findLive(id));
  if (isPreempted(id)) {  // frozen already: from now on it is that person's
    instance->view.preempted = false;
    instance->view.reason = "paused by " + actor;
    AGENTOS_CO_CHECK(parts_.runs.update(*instance));
    audit(*instance, "instance.paused", actor, Json::object(), true);
    co_return Result<void>();
  }
  AGENTOS_CO_TRY(auto effects, happen(*instance, Event::kPause, actor));
  stopClocks(*instance);
  auto frozen = co_await perform(instance, std::move(effects), Nanoseconds(0));
  if (!frozen) {
    if (instance->view.state == State::kPaused) {  // not frozen as a whole: running, as before
      instance->view.state = State::kRunning;
      startClocks(*instance);
      [[maybe_unused]] auto thawed = co_await parts_.spawner.thaw(id);
    }
    co_return std::unexpected(std::move(frozen).error());  // or overtaken by a stop, whose thaw it did not undo
  }
  if (instance->view.state == State::kPaused) instance->view.reason = "paused by " + actor;
  AGENTOS_CO_CHECK(parts_.runs.update(*instance));
  audit(*instance, "instance.paused", actor, Json::object(), true);
  co_return Result<void>();
}

asio::awaitable<Result<void>> SupervisorImpl::resume(InstanceId id, std::string actor) {
  AGENTOS_CO_CHECK(refuseWhileHalted(id.str() + " cannot go on"));
  AGENTOS_CO_TRY(auto instance, findLive(id));
  AGENTOS_CO_TRY(auto effects, happen(*instance, Event::kResume, actor));
  auto thawed = co_await perform(instance, std::move(effects), Nanoseconds(0));
  if (!thawed && instance->view.state == State::kRunning) {
    instance->view.state = State::kPaused;
    co_return std::unexpected(std::move(thawed).error());
  }
  instance->view.preempted = false;
  if (instance->view.state == State::kRunning) {
    instance->view.reason.clear();
    startClocks(*instance);
  }
  AGENTOS_CO_CHECK(parts_.runs.update(*instance));
  audit(*instance, "instance.resumed", actor, Json::object(), true);
  co_return Result<void>();
}

asio::awaitable<Result<void>> SupervisorImpl::endRun(InstancePtr instance, Event event, EndCause cause,
                                                     std::string actor, Nanoseconds grace) {
  AGENTOS_CO_TRY(auto effects, happen(*instance, event, actor));
  stopClocks(*instance);
  // The first reason is the reason; a kill after a stop that did not help is still that stop.
  if (instance->cause == EndCause::kOwn) {
    instance->cause = cause;
    instance->endedBy = actor;
  }
  AGENTOS_CO_CHECK(parts_.runs.update(*instance));
  audit(*instance, "instance.stopping", actor, {{"event", nameOf(event)}}, true);
  co_return co_await perform(instance, std::move(effects), grace);
}

asio::awaitable<Result<void>> SupervisorImpl::stop(InstanceId id, std::optional<Nanoseconds> grace, std::string actor) {
  auto instance = findLive(id);
  if (!instance && cancelRestart(id)) co_return Result<void>();
  if (!instance) co_return std::unexpected(std::move(instance).error());
  // A stop thaws, so that the agent can end gently.
  AGENTOS_CO_CHECK(refuseWhileHalted(id.str() + " cannot be stopped gently"));
  co_await endDescendants((*instance)->view.agent, EndCause::kParentEnded, "parent " + id.str());
  const Nanoseconds patience = grace.value_or((*instance)->contract->run.stop.grace);
  auto done = co_await endRun(*instance, Event::kStop, EndCause::kStopped, std::move(actor), patience);
  // A payload that cannot be signalled any more is ending; the grace sees to the rest.
  if (!done && done.error().code == ErrorCode::kUnreachable) co_return Result<void>();
  co_return done;
}

asio::awaitable<Result<void>> SupervisorImpl::kill(InstanceId id, int signal, std::string actor) {
  AGENTOS_CO_TRY(auto instance, findLive(id));
  if (signal == SIGKILL)
    co_return co_await endRun(instance, Event::kKill, EndCause::kKilled, std::move(actor), Nanoseconds(0));
  if (signal < 1 || signal > 64) {
    co_return fail(ErrorCode::kInvalidArgument, std::to_string(signal) + " is no signal", "1 … 64");
  }
  if (!instance->control) co_return fail(ErrorCode::kConflict, id.str() + " is still starting");
  audit(*instance, "instance.signalled", actor, {{"signal", signal}}, true);
  co_return sendSignal(instance->control.get(), signal);
}

asio::awaitable<void> SupervisorImpl::finish(InstancePtr instance) {
  if (std::exchange(instance->finishing, true)) co_return;
  stopClocks(*instance);
  parts_.alarms.cancel(std::exchange(instance->graceAlarm, 0));
  readExitRecord(*instance);
  if (auto met = limits_.end(instance->id()); !met.empty()) instance->view.limitsMet = std::move(met);
  instance->view.ended = parts_.clock.now();
  auto effects = happen(*instance, instance->view.exit ? Event::kEnded : Event::kVanished, "agentd");
  instance->pidfd.reset();
  instance->control.reset();
  if (!effects) co_return;
  instance->view.reason = describeEnd(*instance);
  [[maybe_unused]] auto done = co_await perform(instance, *std::move(effects), Nanoseconds(0));
}

asio::awaitable<Result<InstanceView>> SupervisorImpl::wait(InstanceId id, std::optional<Nanoseconds> timeout) {
  auto found = instances_.find(id);
  if (found == instances_.end()) co_return fail(ErrorCode::kNotFound, "there is no instance " + id.str());
  InstancePtr instance = found->second;
  auto bell = std::make_shared<asio::steady_timer>(parts_.io, asio::steady_timer::time_point::max());
  AlarmId alarm = 0;
  if (timeout) alarm = parts_.alarms.after(*timeout, [bell] { bell->cancel(); });
  if (!instance->told) {
    instance->waiters.push_back(bell);
    boost::system::error_code ignored;  // a bell rings by being cancelled
    co_await bell->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    std::erase(instance->waiters, bell);
  }
  parts_.alarms.cancel(alarm);
  if (!instance->told)
    co_return fail(ErrorCode::kTimedOut, id.str() + " is still " + std::string(nameOf(instance->view.state)));
  co_return instance->view;
}

asio::awaitable<Result<std::vector<std::int32_t>>> SupervisorImpl::processes(InstanceId id) {
  AGENTOS_CO_CHECK(findLive(id));
  co_return co_await parts_.spawner.processes(id);
}

void SupervisorImpl::adopt(InstancePtr instance, sandbox::SpawnedRoom room, bool frozen) {
  instance->view.adopted = true;
  instance->view.process = std::move(room.identity);
  instance->control = std::move(room.control);
  // A stop that was under way is taken up where it can be: its grace starts again.
  const bool stopping = instance->cause != EndCause::kOwn;
  instance->view.preempted = frozen && instance->view.state == State::kRunning;
  instance->view.state = stopping ? State::kStopping : frozen ? State::kPaused : State::kRunning;
  instances_[instance->id()] = instance;
  rooms_->openRoom(instance->id(), std::move(room.listeners));
  watchLimits(instance);
  instance->health = healthOf(*instance->contract);
  if (healthTable_) {
    if (auto known = healthTable_->restore(instance->id(), instance->health); !known)
      spdlog::warn("{}: its health: {}", instance->id().str(), known.error().message());
  }
  if (instance->view.state == State::kRunning) startClocks(*instance);
  if (stopping) startGrace(instance, instance->contract->run.stop.grace);
  watch(instance, std::move(room.pidfd));
  audit(*instance, "instance.adopted", "agentd", {{"pid", instance->view.process.pid}}, false);
}

void SupervisorImpl::remember(InstancePtr instance) { instances_[instance->id()] = std::move(instance); }

asio::awaitable<void> SupervisorImpl::settle(InstancePtr instance, bool launched) {
  instances_[instance->id()] = instance;
  instance->view.adopted = true;
  if (!isLive(instance->view.state)) instance->view.state = State::kStarting;
  if (launched) {
    co_await finish(instance);
  } else {
    instance->view.state = State::kStarting;
    co_await refuse(instance, Error{ErrorCode::kUnavailable, "agentd ended before the room stood", "", 0, {}});
  }
}

std::size_t SupervisorImpl::liveCount() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(instances_, [](const auto& one) { return isLive(one.second->view.state); }));
}

asio::awaitable<void> SupervisorImpl::waitForCycles(Nanoseconds grace) {
  const BootTime until = parts_.clock.bootNow() + grace;
  std::vector<InstanceId> cycles;
  for (const auto& [id, instance] : instances_) {
    if (!instance->told && instance->view.mode != "service" && instance->view.state != State::kPaused)
      cycles.push_back(id);
  }
  for (const auto& id : cycles) {
    const Nanoseconds left = until - parts_.clock.bootNow();
    if (left.count() > 0) [[maybe_unused]]
      auto ended = co_await wait(id, left);
  }
}

asio::awaitable<void> SupervisorImpl::stopAll(Nanoseconds grace) {
  const BootTime until = parts_.clock.bootNow() + grace;
  // Level by level, so that nobody outlives what it supervises; each level at once.
  for (auto level = leaves(); !level.empty(); level = leaves()) {
    for (const auto& instance : level) {
      const Nanoseconds left = std::max(Nanoseconds(0), Nanoseconds(until - parts_.clock.bootNow()));
      const Nanoseconds patience = std::min(left, instance->contract->run.stop.grace);
      // What is halted is not let go on to end gently.
      const Event event = halt_ ? Event::kKill : Event::kStop;
      [[maybe_unused]] auto asked = co_await endRun(instance, event, EndCause::kShutdown, "agentd", patience);
    }
    bool ended = false;
    for (const auto& instance : level)
      ended = (co_await wait(instance->id(), grace + kInitPatience)).has_value() || ended;
    if (!ended) co_return;
  }
}

// What is live and has nothing live beneath it.
std::vector<InstancePtr> SupervisorImpl::leaves() const {
  const Tree live = tree();
  std::vector<InstancePtr> found;
  for (const TreeNode& node : live)
    if (descendantsToStop(live, node.agent).empty()) found.push_back(instances_.at(node.id));
  if (found.empty())  // parents in a circle
    for (const TreeNode& node : live) found.push_back(instances_.at(node.id));
  return found;
}

}  // namespace agentos::agentd
