// SPDX-License-Identifier: Apache-2.0
// agentd as root without a service manager: a small parent that makes the house, keeps agentd-spawner and the daemon
// proper (dropped to --user) alive, and ends when it is told to. One thread, one poll(2); no request of an agent or of
// a client reaches it.
#pragma once

#include "agentd/config/options.h"

namespace agentos::agentd {

// Until SIGTERM or SIGINT; the exit status.
int runLauncher(const Options& options);

// What of it the units need done by root before the spawner starts: the house and the runtime. The exit status.
int runPrepare(const Options& options);

}  // namespace agentos::agentd
