// SPDX-License-Identifier: Apache-2.0
// The events as the log shows them: one table of every kind, with its fixed MESSAGE_ID, how grave it is, and the words.
// packaging/journal/agentd.catalog says of each what it means and what to do; a test holds the two together.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "govern/audit_log.h"

namespace agentos::agentd {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kNotice, kWarning, kError, kCritical };

struct EventKind {
  std::string_view kind;       // as in the audit log, or narrower: "instance.oom" is an "instance.ended"
  std::string_view messageId;  // 128 bits in hexadecimal (sd-id128(3)); once published it keeps its meaning
  LogLevel level = LogLevel::kInfo;
  std::string_view words{};
};

std::span<const EventKind> eventKinds();
// The kind of that name; of a name that the table lacks, one without an id.
EventKind eventKind(std::string_view name);
// How the log calls an event: its end by a limit or for want of memory has a kind of its own.
EventKind kindOf(const govern::AuditEvent& event);

// "maker.k3x7q2: ended: exit status 1 task=task-2026-1120-001 cost_micro_usd=4200": one line for people. What agents
// or people wrote into the event cannot end the line, nor reach a terminal as a control character.
std::string textOf(const govern::AuditEvent& event);

}  // namespace agentos::agentd
