// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/health.h"

#include <algorithm>
#include <utility>

namespace agentos::agentd {
Nanoseconds StoppableSpan::left(BootTime now) const {
  return due_ ? std::max(Nanoseconds(1), Nanoseconds(*due_ - now)) : left_;
}

void StoppableSpan::start(BootTime now) {
  if (watched() && !due_) due_ = now + left_;
}

void StoppableSpan::stop(BootTime now) {
  left_ = left(now);
  due_.reset();
}

void StoppableSpan::restart(BootTime now) {
  left_ = span_;
  if (due_) due_ = now + span_;
}

Health healthOf(const contract::Contract& contract) {
  Health health;
  if (contract.health.heartbeat) health.beat = StoppableSpan(*contract.health.heartbeat);
  if (contract.run.noProgress) health.progress = StoppableSpan(*contract.run.noProgress);
  health.ready = !health.beat.watched();
  return health;
}

MissVerdict countMiss(Health& health, const contract::Contract& contract, std::string detail) {
  ++health.misses;
  health.detail = std::move(detail);
  return health.misses >= contract.health.misses ? MissVerdict::kHung : MissVerdict::kGoOn;
}

bool countBeat(Health& health, Timestamp now) {
  health.misses = 0;
  health.detail.clear();
  health.last = now;
  return !std::exchange(health.ready, true);
}

std::string_view wordOf(const Health& health) {
  if (!health.beat.watched()) return "unwatched";
  if (health.misses > 0) return "unhealthy";
  return health.ready ? "healthy" : "starting";
}

}  // namespace agentos::agentd
