// SPDX-License-Identifier: Apache-2.0
// What the programs that run as root say: into the journal with fields when standard error leads there (PRIORITY,
// SYSLOG_IDENTIFIER, and AGENT_ID, AGENT_RUN_ID, AGENT_NAME when the line begins with an instance's id), else a line to
// standard error. Never waits for the journal.
#pragma once

#include <cstdint>
#include <string_view>

namespace agentos::sandbox {

enum class Severity : std::uint8_t { kError = 3, kWarning = 4, kInfo = 6 };  // syslog's numbers

// One line. Control characters are escaped: a payload's words cannot make a line or a field of their own.
void logLine(std::string_view text, Severity severity = Severity::kWarning);
// Who speaks; "agentd-spawner" until it is said. The name outlives the program.
void nameLog(std::string_view name);

}  // namespace agentos::sandbox
