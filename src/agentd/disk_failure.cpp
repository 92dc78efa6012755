// SPDX-License-Identifier: Apache-2.0
#include "agentd/disk_failure.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "agentd/log.h"

namespace agentos::agentd {

// _exit: a destructor that answers or commits would answer for what is not there.
void endForDisk(const Error& error) {
  logAs("agentd.disk_failed", "what was committed may not be on disk: " + error.message() +
                                  ": agentd ends and is started again; agents go on");
  spdlog::default_logger()->flush();
  ::_exit(kExitDisk);
}

}  // namespace agentos::agentd
