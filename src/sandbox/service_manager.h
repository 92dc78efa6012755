// SPDX-License-Identifier: Apache-2.0
// The two words that systemd and a service have for each other: sockets handed down (sd_listen_fds(3)) and states told
// (sd_notify(3)). Written out, a page, so that root's programs load no library for them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace agentos::sandbox {

struct PassedSocket {
  std::string name;  // FileDescriptorName=; empty when it was not said
  Fd fd;             // close-on-exec
};

// What LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES say, when they are meant for this process; the variables are taken out
// of the environment. kInvalidArgument when they make no sense.
Result<std::vector<PassedSocket>> takePassedSockets();

// The one of this name, or the only one; nothing when none was passed. The others are closed.
Result<Fd> takePassedSocket(std::string_view name);

// "READY=1\nSTATUS=…" to NOTIFY_SOCKET. False: there is none, nobody listens, or nobody reads: it waits half a second
// at most, and for "WATCHDOG=1" not at all.
bool notifyManager(std::string_view state);

}  // namespace agentos::sandbox
