// SPDX-License-Identifier: Apache-2.0
// The payload's main process, from fork to execve.
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/init_protocol.h"

namespace agentos::sandbox {

struct Payload {
  pid_t pid = 0;
  Fd output, errors;  // the read ends of its stdout and stderr, non-blocking
  // One byte sent into it lets the payload go on to execve. End of file on it: execve succeeded. Bytes: why the payload
  // was not started, as text.
  Fd gate;
};

// Forks. The child puts on all its walls at once, while the spawner makes the launch record durable, and then waits at
// the gate; closing the gate without a byte ends it. kInitPlanFd must still be open: the child puts its gate there.
Result<Payload> forkPayload(const InitPlan& plan);

// What agent-init itself needs no more once the payload is forked: every capability but CAP_KILL.
Result<void> dropOwnPrivileges();

}  // namespace agentos::sandbox
