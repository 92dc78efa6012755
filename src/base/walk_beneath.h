// SPDX-License-Identifier: Apache-2.0
// openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, done by hand where that call is not to be had: in a room,
// and before Linux 5.6. One openat(2) a name; ".." goes back to the directory it came from by its descriptor, so that a
// directory moved meanwhile leads nowhere else.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "base/fd.h"

namespace agentos {

// Empty, with errno as openat2 would set it: EXDEV for what leaves the directory, ELOOP for a link.
Fd walkBeneath(int dirFd, std::string_view path, int flags, mode_t mode);

}  // namespace agentos
