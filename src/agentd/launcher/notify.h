// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace agentos::agentd {

// sd_notify(3), when NOTIFY_SOCKET is set: "READY=1", "STOPPING=1", "STATUS=…".
void notifyManager(const std::string& state);

}  // namespace agentos::agentd
