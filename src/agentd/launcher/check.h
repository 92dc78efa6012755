// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agentd/config/options.h"

namespace agentos::agentd {

// `agentd --check`: configuration, company and contracts, every problem a line on stderr. The exit status: 0 or 2.
int runCheck(const Options& options);

}  // namespace agentos::agentd
