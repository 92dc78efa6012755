// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/preemption.h"

#include <algorithm>

namespace agentos::agentd {
namespace {

bool isUrgent(const Preemption::Running& one) { return one.latency != contract::LatencyClass::kDt; }

}  // namespace

std::string_view nameOf(Pressure pressure) { return pressure == Pressure::kMemory ? "memory" : "cpu"; }

bool Preemption::rests(const InstanceId& id, BootTime now) const {
  auto found = restsUntil_.find(id);
  return found != restsUntil_.end() && found->second > now;
}

std::optional<InstanceId> Preemption::onPressure(Pressure pressure, BootTime now, const std::vector<Running>& running) {
  lastPressure_ = now;
  std::erase_if(restsUntil_, [now](const auto& one) { return one.second <= now; });
  const bool urgent = std::ranges::any_of(running, isUrgent);
  if (!urgent && (pressure == Pressure::kCpu || running.size() < 2)) return std::nullopt;
  const Running* youngest = nullptr;
  for (const Running& one : running) {
    if (isUrgent(one) || frozen_.contains(one.id) || rests(one.id, now)) continue;
    const bool younger = youngest == nullptr || one.started > youngest->started ||
                         (one.started == youngest->started && one.id > youngest->id);
    if (younger) youngest = &one;
  }
  if (youngest == nullptr) return std::nullopt;
  return youngest->id;
}

std::optional<InstanceId> Preemption::due(BootTime now) const {
  auto longest = std::ranges::min_element(frozen_, {}, [](const auto& one) { return one.second; });
  if (longest == frozen_.end()) return std::nullopt;
  if (now >= longest->second + rules_.longest) return longest->first;
  const bool calm = now >= lastPressure_ + rules_.calm && now >= lastRelief_ + rules_.step;
  return calm ? std::optional(longest->first) : std::nullopt;
}

std::optional<BootTime> Preemption::nextLook() const {
  auto longest = std::ranges::min_element(frozen_, {}, [](const auto& one) { return one.second; });
  if (longest == frozen_.end()) return std::nullopt;
  return std::min(longest->second + rules_.longest, std::max(lastPressure_ + rules_.calm, lastRelief_ + rules_.step));
}

void Preemption::relieved(const InstanceId& id, BootTime now) {
  auto found = frozen_.find(id);
  if (found == frozen_.end()) return;
  if (now >= found->second + rules_.longest) restsUntil_[id] = now + rules_.longest;
  frozen_.erase(found);
  lastRelief_ = now;
}

void Preemption::forget(const InstanceId& id) {
  frozen_.erase(id);
  restsUntil_.erase(id);
}

}  // namespace agentos::agentd
