// SPDX-License-Identifier: Apache-2.0
// What a filter asks of an event; for those that read the files.
#pragma once

#include <cstdint>
#include <string_view>

#include "govern/audit_log.h"

namespace agentos::govern {

bool matches(const AuditFilter& filter, const AuditEntry& entry);
// False when the line cannot match: most are passed over without being parsed, since a wanted id stands in them as it
// is.
bool mayMatch(const AuditFilter& filter, std::string_view line);
// Of a line as we write it, 0 when there is none.
std::uint64_t sequenceOf(std::string_view line);

}  // namespace agentos::govern
