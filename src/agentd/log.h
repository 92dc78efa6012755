// SPDX-License-Identifier: Apache-2.0
// Where the daemon's own lines go: the journal with fields, or standard error as text or as JSON with the same fields.
// Call it from the loop's thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agentd/config/config.h"
#include "agentd/event_kinds.h"
#include "govern/audit_log.h"

namespace agentos::agentd {

// Sends spdlog there; `part` names the process: "agentd", "agentd-launcher". LogFormat::kAuto: the journal, when
// standard error leads to it or to nowhere (closed, /dev/null) and there is one; else text.
void startLogging(const std::string& part, LogFormat format, const std::string& level,
                  const std::string& journalSocket = "/run/systemd/journal/socket");

// One line for an event: MESSAGE_ID by its kind, AGENT_ID, AGENT_RUN_ID, AGENT_NAME, TASK_ID, and AGENTD_EVENT, _SEQ,
// _ACTOR, _CONTRACT, _TRACE, _DATA (docs/operations.md).
void logEvent(const govern::AuditEntry& entry);
// A line of a kind of event that is no entry of the audit log. Without `message`: the kind's own words.
void logAs(std::string_view kind, std::string_view message);

struct LogState {
  std::string format;      // "journal", "text", "json"
  std::uint64_t lost = 0;  // lines that the journal did not take
};
LogState logState();

}  // namespace agentos::agentd
