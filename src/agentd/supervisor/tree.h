// SPDX-License-Identifier: Apache-2.0
// supervise: who depends on whom among what is live, and who is touched when one ends. Pure. Strategies and their names
// are Erlang/OTP's (supervisor(3)).
#pragma once

#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "contract/contract.h"

namespace agentos::agentd {

struct TreeNode {
  InstanceId id;
  AgentName agent, parent;  // parent: of an empty name, none
  contract::SuperviseStrategy strategy = contract::SuperviseStrategy::kOneForOne;
  Timestamp started;
};
using Tree = std::vector<TreeNode>;  // of what is live

// Everything beneath `agent`, in the order in which it is to be stopped: the last that started first, and each after
// what is beneath it. A cycle of parents is walked once.
std::vector<InstanceId> descendantsToStop(const Tree& tree, const AgentName& agent);

// Who is started again together with a child that failed, by the child's strategy: in the order of their starts, the
// failed one itself left out. one_for_one: nobody; rest_for_one: those that started after it.
std::vector<InstanceId> siblingsToRestart(const Tree& tree, const TreeNode& failed);

bool isLive(const Tree& tree, const AgentName& agent);

}  // namespace agentos::agentd
