// SPDX-License-Identifier: Apache-2.0
// When the disk under agentd.db did not keep what was written. Rows that were answered for may be gone from it while
// the kernel's memory still shows them, so nothing that this process believes can be trusted any more, and a second
// sync that succeeds proves nothing (fsync(2); "fsyncgate"). It ends, and the next one reads what is there.
#pragma once

#include "base/error.h"

namespace agentos::agentd {

// EX_IOERR of sysexits.h. Both the launcher and the unit start agentd again after it.
inline constexpr int kExitDisk = 74;

// Says why and ends the process, with no word to anybody who waits for an answer. Agents go on.
[[noreturn]] void endForDisk(const Error& error);

}  // namespace agentos::agentd
