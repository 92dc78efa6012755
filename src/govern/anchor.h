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

// Durable on return; the head of an empty log is passed over, and so is the one that was kept last. One that goes back
// is kAuditBroken and not kept. A file that has grown beyond 1 MiB is thinned first: every second of its older lines
// goes, which weakens nothing as long as they come slowly, since each head stands for everything before it.
Result<void> appendAnchor(const std::string& path, const AuditHead& head, Timestamp time);

}  // namespace agentos::govern
