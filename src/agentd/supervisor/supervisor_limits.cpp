// SPDX-License-Identifier: Apache-2.0
// What a live agent's limits say of it.
#include <spdlog/spdlog.h>

#include "agentd/spawn_task.h"
#include "agentd/supervisor/room_plan.h"
#include "agentd/supervisor/supervisor_impl.h"

namespace agentos::agentd {
namespace {

// Those for which the kernel has no file that says it by itself.
bool needsSignals(const sandbox::Limits& limits) { return limits.cpu || limits.ioMax.any() || limits.scratchQuota; }

}  // namespace

void SupervisorImpl::watchLimits(const InstancePtr& instance) {
  const std::string groups = settings_.groups ? settings_.groups() : std::string();
  if (groups.empty()) return;
  const sandbox::Limits limits = limitsOf(*instance->contract);
  limits_.begin(instance->id(), groups + "/" + instance->id().str() + "/pay", limits);
  if (!needsSignals(limits)) return;
  auto work = [](SupervisorImpl* self, InstanceId id) -> boost::asio::awaitable<void> {
    auto signals = co_await self->parts_.spawner.watchLimits(id);
    if (signals) co_return self->limits_.attach(id, *std::move(signals));
    // It runs, and its limits hold: what is missing is the word that it met one, before its end.
    if (signals.error().code != ErrorCode::kNotFound)
      spdlog::warn("{}: limits: {}", id.str(), signals.error().message());
  };
  spawnTask(parts_.io.get_executor(), "limits of " + instance->id().str(), work(this, instance->id()));
}

void SupervisorImpl::tellLimit(const InstanceId& id, const char* kind, Json data) {
  auto found = instances_.find(id);
  if (found == instances_.end()) return;
  found->second->view.limitsMet = limits_.counts(id);
  audit(*found->second, kind, "agentd", std::move(data), false);
}

}  // namespace agentos::agentd
