// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

#include "base/error.h"
#include "base/fd.h"

namespace agentos::agentd {

// A listening unix socket at `path`: an existing socket file that nobody listens on is replaced, a live one is
// kAlreadyRunning. `mode` is set before anybody can connect.
Result<Fd> listenUnix(const std::string& path, mode_t mode);
// Loopback only: "127.0.0.1:8420" or "[::1]:8420".
Result<Fd> listenTcp(const std::string& address);

}  // namespace agentos::agentd
