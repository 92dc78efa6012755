// SPDX-License-Identifier: Apache-2.0
// What the end of a run means for its task. Pure; the supervisor performs it on the queue.
#pragma once

#include <string>

#include "agentd/supervisor/instance.h"

namespace agentos::agentd {

// What the task of an ended run is told, when the run itself said nothing on it.
Verdict verdictOfEnd(const Instance& ended);

// "exit status 3", "signal 9 (Killed), 1 OOM kill", "lost: …": for reasons, logs and the task's evidence.
std::string describeEnd(const Instance& ended);

}  // namespace agentos::agentd
