// SPDX-License-Identifier: Apache-2.0
// Named crash points, and points of failure. In a test, AGENTOS_FAULT="name" (or "name:N", the Nth passage) makes the
// process end there as if it had been killed; otherwise a point costs one load.
#pragma once

namespace agentos {

// faultPoint("queue.claim.committed"): returns, or ends the process with SIGKILL.
void faultPoint(const char* name);

// faultFails("group_commit.sync"): whether what follows is to fail as if the machine had refused it. True once, at the
// passage that AGENTOS_FAULT names; the process goes on.
bool faultFails(const char* name);

// What AGENTOS_FAULT does, for a process that is running already (a test's forked child); `spec` must outlive it.
void armFault(const char* spec);

}  // namespace agentos
