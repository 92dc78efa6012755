// SPDX-License-Identifier: Apache-2.0
// What others may know of instances, and what the gateway tells of them.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "agentd/supervisor/supervisor_impl.h"

namespace agentos::agentd {
namespace {

bool isNewer(const InstancePtr& a, const InstancePtr& b) {
  return a->view.created != b->view.created ? a->view.created > b->view.created : a->id() < b->id();
}

InstanceView viewWithHealth(const Instance& instance) {
  InstanceView view = instance.view;
  view.ready = instance.health.ready && isLive(view.state);
  view.health = wordOf(instance.health);
  view.misses = instance.health.misses;
  view.lastHeard = instance.health.last;
  return view;
}

}  // namespace

std::vector<InstanceView> SupervisorImpl::list(bool all) const {
  std::vector<InstancePtr> chosen;
  for (const auto& [id, instance] : instances_) {
    if (all || isLive(instance->view.state)) chosen.push_back(instance);
  }
  std::ranges::sort(chosen, isNewer);
  std::vector<InstanceView> views;
  views.reserve(chosen.size());
  for (const auto& instance : chosen) views.push_back(viewWithHealth(*instance));
  return views;
}

Result<InstanceView> SupervisorImpl::view(const InstanceId& id) const {
  auto found = instances_.find(id);
  if (found == instances_.end())
    return fail(ErrorCode::kNotFound, "there is no instance " + id.str(), "agentctl ps --all lists them");
  return viewWithHealth(*found->second);
}

Result<InstanceId> SupervisorImpl::resolve(std::string_view text) const {
  InstancePtr byName;
  std::vector<InstancePtr> byPrefix;
  for (const auto& [id, instance] : instances_) {
    if (id.str() == text) return id;
    if (!text.empty() && id.str().starts_with(text)) byPrefix.push_back(instance);
    if (instance->view.agent.str() != text) continue;
    const bool live = isLive(instance->view.state), best = byName && isLive(byName->view.state);
    if (!byName || (live && !best) || (live == best && isNewer(instance, byName))) byName = instance;
  }
  if (byName) return byName->id();
  if (byPrefix.size() == 1) return byPrefix.front()->id();
  if (byPrefix.empty()) {
    return fail(ErrorCode::kNotFound, "no agent or instance is called \"" + std::string(text) + "\"",
                "agentctl ps --all lists them");
  }
  return fail(ErrorCode::kAmbiguous,
              "\"" + std::string(text) + "\" fits " + std::to_string(byPrefix.size()) + " instances",
              "such as " + byPrefix[0]->id().str() + " and " + byPrefix[1]->id().str() + ": write more of it");
}

std::optional<RoomView> SupervisorImpl::room(const InstanceId& id) const {
  auto found = instances_.find(id);
  if (found == instances_.end() || !isLive(found->second->view.state)) return std::nullopt;
  const Instance& instance = *found->second;
  RoomView view{
      id, instance.contract, instance.claim, instance.view.trace, instance.view.started.value_or(instance.view.created),
      {}};
  if (instance.deadline) view.deadline = parts_.clock.now() + (*instance.deadline - parts_.clock.bootNow());
  return view;
}

Result<void> SupervisorImpl::giveVerdict(const InstanceId& id, Verdict verdict) {
  AGENTOS_TRY(auto instance, findLive(id));
  if (!instance->claim || parts_.queue == nullptr) {
    return fail(ErrorCode::kNotFound, id.str() + " has no task", "only a cycle that claimed one can speak of it");
  }
  if (instance->word != Verdict::Word::kNone) {
    return fail(ErrorCode::kConflict, id.str() + " has said its word on " + instance->view.task + " already");
  }
  AGENTOS_CHECK(performVerdict(*instance, verdict));
  instance->word = verdict.word;
  return parts_.runs.update(*instance);
}

void SupervisorImpl::countCall(const InstanceId& id, MicroUsd cost) {
  auto found = instances_.find(id);
  if (found == instances_.end()) return;
  found->second->view.cost += cost;
  ++found->second->view.modelCalls;
  ++found->second->view.turns;
  progress(id);
}

}  // namespace agentos::agentd
