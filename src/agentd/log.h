// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "agentd/config/config.h"

namespace agentos::agentd {

// Sends spdlog to stderr, as text or as one JSON object a line; `part` names the process: "agentd", "agentd-serve".
void startLogging(const std::string& part, LogFormat format, const std::string& level);

}  // namespace agentos::agentd
