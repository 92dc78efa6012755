// SPDX-License-Identifier: Apache-2.0
#include "agentd/scheduler/due.h"

namespace agentos::agentd {

void DueHeap::set(const AgentName& agent, std::optional<Timestamp> when) {
  if (auto known = times_.find(agent); known != times_.end()) {
    order_.erase({known->second, agent});
    times_.erase(known);
  }
  if (!when) return;
  order_.emplace(*when, agent);
  times_.emplace(agent, *when);
}

std::optional<Timestamp> DueHeap::earliest() const {
  if (order_.empty()) return std::nullopt;
  return order_.begin()->first;
}

std::vector<AgentName> DueHeap::takeDue(Timestamp now) {
  std::vector<AgentName> due;
  while (!order_.empty() && order_.begin()->first <= now) {
    due.push_back(order_.begin()->second);
    times_.erase(due.back());
    order_.erase(order_.begin());
  }
  return due;
}

}  // namespace agentos::agentd
