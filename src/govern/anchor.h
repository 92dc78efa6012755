// SPDX-License-Identifier: Apache-2.0
// Heads of the audit log, kept where the writer of the log cannot reach (the spawner's directory, root's): one line
// "sequence hash time" a change. They make truncation and rewriting visible, which no chain can do for its own end.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "govern/audit_log.h"

namespace agentos::govern {

// Oldest first; none when the file is not there. An incomplete last line (a crash in mid-write) is passed over, any
// other malformed line is kAuditBroken with its place.
Result<std::vector<AuditHead>> readAnchors(const std::string& path);

// What became of a head: kept; passed over, being that of an empty log or the one that was kept last; or kept though it
// does not go on from the one before it, so that one of the two is a lie.
enum class Anchored : std::uint8_t { kKept, kPassedOver, kBackwards };

// Durable on return. A head that goes back is kept once an hour, beside what it contradicts: a writer who had a number
// anchored that no log reaches cannot stop the honest heads after him for longer, and verifyAudit() names his all the
// same. Any other that goes back is kAuditBroken and not kept: it would fill the file until honest ones are thinned. A
// file that has grown beyond 1 MiB is thinned first: every second of its older lines goes, which weakens nothing as
// long as they come slowly, since each head stands for everything before it; both sides of a contradiction stay.
Result<Anchored> appendAnchor(const std::string& path, const AuditHead& head, Timestamp time);

}  // namespace agentos::govern
