// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

namespace agentos::agentd {

// Asks agent-init to signal the payload's main process. Does not wait for its answer (old answers are drained first):
// whether the signal had an effect is seen by how the run ends. kUnreachable when agent-init is gone.
Result<void> sendSignal(int controlFd, int signal);

}  // namespace agentos::agentd
