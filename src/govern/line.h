// SPDX-License-Identifier: Apache-2.0
// One event as one line: canonical JSON (sorted keys, no white space) and a newline. docs/audit.md has the format.
#pragma once

#include <string>
#include <string_view>

#include "govern/audit_log.h"

namespace agentos::govern {

inline constexpr std::size_t kMaxLine = 1 << 20;

// `previous` of the first event.
std::string zeroHash();

// Sets entry.hash and returns the line with its newline. kInvalidArgument when data holds a floating-point number or is
// no object, kTooLarge beyond kMaxLine.
Result<std::string> renderLine(AuditEntry& entry);

// The entry of a line (without its newline). Only what renderLine writes is taken: a line that is not byte for byte the
// rendering of its own content is kAuditBroken.
Result<AuditEntry> parseLine(std::string_view line);

// What the API and agentctl show: the line's members as an object.
Json toJson(const AuditEntry& entry);

}  // namespace agentos::govern
