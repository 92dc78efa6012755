// SPDX-License-Identifier: Apache-2.0
// When an agent is due by the clock: pure. A recurrence is `every` from an anchor, or cron in the company's zone, both
// bounded by `hours`; jitter is a fixed share of the agent's name and the moment, so that the same clock gives the same times.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "company/schedule.h"
#include "contract/contract.h"

namespace agentos::agentd {

class Recurrence {
 public:
  Recurrence() = default;
  static Result<Recurrence> make(const contract::Schedule& schedule, const AgentName& agent, std::string zone);

  // The first due moment after `after` (without jitter); absent when the clock never makes it due.
  std::optional<Timestamp> next(Timestamp anchor, Timestamp after) const;
  // The same moment with this agent's jitter.
  Timestamp jittered(Timestamp moment) const;
  bool isOpen(Timestamp now) const;             // within `hours`
  Timestamp nextOpening(Timestamp now) const;   // now when open

 private:
  std::optional<Timestamp> nextRaw(Timestamp anchor, Timestamp after) const;

  std::optional<Nanoseconds> every_;
  std::optional<company::Cron> cron_;
  std::optional<contract::Hours> hours_;
  std::optional<company::Cron> opening_;
  Nanoseconds jitter_{0};
  std::string agent_, zone_;
};

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
