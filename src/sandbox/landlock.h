// SPDX-License-Identifier: Apache-2.0
// Landlock (landlock(7)), as far as the kernel at hand has it. The room's files are walled by its mounts and its
// network by its namespace, so what is taken from Landlock here is the scoping of ABI 6 and newer: signals and abstract
// unix sockets reach nothing outside the room, whatever else is wrong.
#pragma once

#include "base/error.h"

namespace agentos::sandbox {

// 0 when the kernel has none or it is switched off.
int landlockAbi();

// Scopes the calling thread and its descendants; nothing on an ABI below 6. Needs no_new_privs, or CAP_SYS_ADMIN in the
// caller's user namespace.
Result<void> scopeToRoom();

}  // namespace agentos::sandbox
