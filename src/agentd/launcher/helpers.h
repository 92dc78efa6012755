// SPDX-License-Identifier: Apache-2.0
// The privileged helper programs beside agentd, and how they are called.
#pragma once

#include "agentd/config/options.h"
#include "agentd/launcher/child.h"

namespace agentos::agentd {

// agentd-keeper --once: makes the tree of control groups that holds every room.
Result<void> runKeeper(const Config& config);
// Ends what is left in it and removes it.
Result<void> removeKeeper(const Config& config);
// Removes it only when no room is in it.
void removeEmptyKeeper(const Config& config);
// agentd-spawner, which reads the same configuration itself (sandbox/house.h); what the command line said goes along.
ChildPlan spawnerPlan(const Config& config, const Options& options);

}  // namespace agentos::agentd
