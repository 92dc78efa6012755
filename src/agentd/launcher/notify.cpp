// SPDX-License-Identifier: Apache-2.0
#include "agentd/launcher/notify.h"

#include <systemd/sd-daemon.h>

namespace agentos::agentd {

void notifyManager(const std::string& state) { ::sd_notify(0, state.c_str()); }

}  // namespace agentos::agentd
