// SPDX-License-Identifier: Apache-2.0
// Whether and when what ended is started again. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agentd/supervisor/instance.h"
#include "contract/contract.h"

namespace agentos::agentd {

enum class RestartKind : std::uint8_t { kAgain, kCycle, kRequested, kRefused, kPolicy, kDone, kStartLimit };

struct RestartDecision {
  std::optional<Nanoseconds> delay;  // absent: not again
  std::string why;
  RestartKind kind = RestartKind::kAgain;
};

// Whether what is not started again failed for good: a dead letter.
bool isDeadEnd(const RestartDecision& decision, const contract::Contract& contract);

// `earlier`: when this agent was restarted before, oldest first. The back-off doubles with each restart inside
// `restart.within`, up to its maximum, and loses up to a quarter by `random` (0 … 1) so that agents do not start as
// one.
RestartDecision decideRestart(const contract::Contract& contract, const Instance& ended,
                              const std::vector<BootTime>& earlier, BootTime now, double random);

}  // namespace agentos::agentd
