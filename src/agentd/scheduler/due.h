// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace agentos::agentd {

// Agents by their next due time, earliest first; one entry an agent.
class DueHeap {
 public:
  void set(const AgentName& agent, std::optional<Timestamp> when);
  std::optional<Timestamp> earliest() const;
  // Takes every agent that is due at `now`, earliest first.
  std::vector<AgentName> takeDue(Timestamp now);

 private:
  std::set<std::pair<Timestamp, AgentName>> order_;
  std::map<AgentName, Timestamp> times_;
};

}  // namespace agentos::agentd
