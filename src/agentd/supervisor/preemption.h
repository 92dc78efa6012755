// SPDX-License-Identifier: Apache-2.0
// Who gives way when the machine is under pressure, and when it goes on. Pure: given who lives, what was preempted and
// the time, the same answer.
//   Only class DT gives way: frozen, the youngest first, one at a time. Under memory pressure while anything else of
//   ours runs; under processor pressure only where an HRT or SRT agent runs, since nobody else would gain by it.
//   One goes on when the pressure has been away for `calm`, the longest frozen first, one a second, so that they do not
//   all come back at once; in any case after `longest`, and then is left alone for as long: none starves.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "contract/contract.h"

namespace agentos::agentd {

enum class Pressure : std::uint8_t { kMemory, kCpu };
std::string_view nameOf(Pressure pressure);  // "memory", "cpu"

struct PreemptionRules {
  Nanoseconds calm = std::chrono::seconds(10), longest = std::chrono::seconds(60);
  Nanoseconds step = std::chrono::seconds(1);
};

class Preemption {
 public:
  // An agent that runs (and is not paused by anybody).
  struct Running {
    InstanceId id;
    contract::LatencyClass latency = contract::LatencyClass::kDt;
    Timestamp started;
  };
  explicit Preemption(PreemptionRules rules) : rules_(rules) {}

  // Whom to freeze now; absent: nobody is to give way.
  std::optional<InstanceId> onPressure(Pressure pressure, BootTime now, const std::vector<Running>& running);
  // Whom to let go on now.
  std::optional<InstanceId> due(BootTime now) const;
  // When to ask again; absent while nobody is preempted: then nothing wakes.
  std::optional<BootTime> nextLook() const;

  void preempted(const InstanceId& id, BootTime now) { frozen_[id] = now; }
  // By an earlier agentd: nobody knows when the pressure was, so it is taken to be now.
  void found(const InstanceId& id, BootTime now) { frozen_[id] = lastPressure_ = now; }
  void relieved(const InstanceId& id, BootTime now);
  void forget(const InstanceId& id);  // it has ended, or a person has taken it over
  std::size_t count() const { return frozen_.size(); }
  bool holds(const InstanceId& id) const { return frozen_.contains(id); }

 private:
  bool rests(const InstanceId& id, BootTime now) const;
  PreemptionRules rules_;
  std::map<InstanceId, BootTime> frozen_;      // since when
  std::map<InstanceId, BootTime> restsUntil_;  // left alone until then
  BootTime lastPressure_{}, lastRelief_{};
};

}  // namespace agentos::agentd
