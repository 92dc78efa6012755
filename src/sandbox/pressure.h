// SPDX-License-Identifier: Apache-2.0
// Triggers of the kernel's pressure stall information (docs.kernel.org/accounting/psi): descriptors that poll(2) wakes
// with POLLPRI when tasks of this machine stood still for lack of memory or processors for longer than was asked.
// Root's to make on kernels before 6.5; whoever is given one may wait on it. While nothing stalls, nothing wakes.
#pragma once

#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/room.h"

namespace agentos::sandbox {

// Of memory, then of the processors. kUnavailable with the reason and what would help where the kernel has none.
Result<std::vector<Fd>> openPressure(const PressureAsk& ask, const std::string& directory = "/proc/pressure");

}  // namespace agentos::sandbox
