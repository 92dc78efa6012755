// SPDX-License-Identifier: Apache-2.0
// Named crash points. In a test, AGENTOS_FAULT="name" (or "name:N", the Nth passage) makes the process end there as if
// it had been killed; otherwise a point costs one load.
#pragma once

namespace agentos {

// faultPoint("queue.claim.committed"): returns, or ends the process with SIGKILL.
void faultPoint(const char* name);

}  // namespace agentos
