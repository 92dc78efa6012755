// SPDX-License-Identifier: Apache-2.0
// An agent that gives way: paused as by a person, its clocks with it, but shown as preempted, and thawed by agentd.
#include <spdlog/spdlog.h>

#include "agentd/supervisor/supervisor_impl.h"

namespace agentos::agentd {

namespace asio = boost::asio;

asio::awaitable<Result<void>> SupervisorImpl::preempt(InstanceId id, Pressure pressure) {
  AGENTOS_CO_TRY(auto instance, findLive(id));
  AGENTOS_CO_TRY(auto effects, happen(*instance, Event::kPause, "agentd"));
  instance->view.preempted = true;
  stopClocks(*instance);
  auto frozen = co_await perform(instance, std::move(effects), Nanoseconds(0));
  if (!frozen) {
    if (isPreempted(id)) {  // not frozen as a whole: running, as before
      instance->view.state = State::kRunning;
      startClocks(*instance);
      [[maybe_unused]] auto thawed = co_await parts_.spawner.thaw(id);
    }
    instance->view.preempted = false;
    co_return std::unexpected(std::move(frozen).error());
  }
  if (isPreempted(id)) instance->view.reason = "gives way under " + std::string(nameOf(pressure)) + " pressure";
  // On disk it runs: whoever finds it frozen after a crash knows by that who froze it.
  AGENTOS_CO_CHECK(parts_.runs.updateSoon(*instance));
  audit(*instance, "instance.preempted", "agentd", {{"pressure", nameOf(pressure)}}, false);
  co_return Result<void>();
}

asio::awaitable<Result<void>> SupervisorImpl::relieve(InstanceId id) {
  AGENTOS_CO_CHECK(refuseWhileHalted(id.str() + " cannot go on"));
  AGENTOS_CO_TRY(auto instance, findLive(id));
  if (!isPreempted(id)) co_return Result<void>();
  AGENTOS_CO_TRY(auto effects, happen(*instance, Event::kResume, "agentd"));
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
  AGENTOS_CO_CHECK(parts_.runs.updateSoon(*instance));
  audit(*instance, "instance.relieved", "agentd", Json::object(), false);
  co_return Result<void>();
}

bool SupervisorImpl::isPreempted(const InstanceId& id) const {
  auto found = instances_.find(id);
  return found != instances_.end() && found->second->view.preempted && found->second->view.state == State::kPaused;
}

std::vector<Preemption::Running> SupervisorImpl::runningNow() const {
  std::vector<Preemption::Running> running;
  for (const auto& [id, instance] : instances_) {
    if (instance->view.state != State::kRunning) continue;
    running.push_back({id, instance->contract->latency, instance->view.started.value_or(instance->view.created)});
  }
  return running;
}

}  // namespace agentos::agentd
