// SPDX-License-Identifier: Apache-2.0
// What tells agentd that a room is held up by a limit where the kernel counts no event: triggers on the pressure of its
// group, which only root may set (PSI, docs.kernel.org/accounting/psi). They wake nobody while nothing presses.
#pragma once

#include <vector>

#include "base/error.h"
#include "sandbox/host.h"
#include "sandbox/spawner.h"

namespace agentos::sandbox {

// For each limit that is set in the room's group; none where the kernel has no PSI. kNotFound without a room.
Result<std::vector<LimitSignal>> openLimitSignals(Host& host, const InstanceId& id);

}  // namespace agentos::sandbox
