// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agentd/config/options.h"

namespace agentos::agentd {

// Exit statuses that say "starting me again would not help".
inline constexpr int kExitConfig = 2;
inline constexpr int kExitRefused = 4;

// The daemon proper, unprivileged, until SIGTERM or SIGINT; the exit status.
int runServe(const Options& options);

}  // namespace agentos::agentd
