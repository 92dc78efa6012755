// SPDX-License-Identifier: Apache-2.0
// Landlock (landlock(7)), as far as the kernel at hand has it: a second wall for what others hold first. A room's files
// are walled by its mounts, its network by its namespace; should one of them be wrong, the payload still opens nothing
// but what the room was meant to show, writes nothing but what it may write (ABI 2), and reaches no process and no
// abstract unix socket outside (ABI 6). TCP is not handled: its rules name single ports, and an agent's own servers
// take any; what there is to connect to is the namespace's to say.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace agentos::sandbox {

// 0 when the kernel has none or it is switched off.
int landlockAbi();

// In the room: what may be read and run, and what may be changed too, each with all beneath it. What is not there is
// left out. Both empty: files are not handled.
struct RoomPaths {
  std::vector<std::string> readable, writable;
};

// For the calling thread and its descendants. Needs no_new_privs, or CAP_SYS_ADMIN in the caller's user namespace.
Result<void> restrictToRoom(const RoomPaths& paths);

}  // namespace agentos::sandbox
