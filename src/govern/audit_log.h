// SPDX-License-Identifier: Apache-2.0
// The audit log: JSON lines under /var/lib/agentd/audit, each carrying the SHA-256 of the line before it. docs/audit.md
// has the format.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

namespace agentos::govern {

// What happened. `kind` is a stable dotted name ("instance.started", "task.claimed", "model.settled", "denied"); the
// ids that apply are set, the others empty.
struct AuditEvent {
  std::string kind{};
  std::string actor{};     // "agentd", "uid:1000", "agent:maker.k3x9q2", "external"
  std::string agent{};     // agent name
  std::string instance{};  // instance id, which is the run id
  std::string task{};
  std::string contract{};  // digest
  std::string trace{};     // correlation id: what one request or one cycle caused
  Json data = Json::object();
};

struct AuditEntry {
  std::uint64_t sequence = 0;  // from 1, without gaps, over all files
  Timestamp time;
  AuditEvent event;
  std::string previous;  // hash of the line before; 64 zeros for the first
  std::string hash;      // SHA-256 of this line without its own hash
};

struct AuditHead {
  std::uint64_t sequence = 0;
  std::string hash;
};

class AuditLog {
 public:
  // Opens or makes the directory, finds the head, cuts an incomplete last line (a crash in mid-write: noted as the next
  // event). A file that reached rotateAt bytes is followed by the next one; the chain goes on over all of them.
  static Result<std::unique_ptr<AuditLog>> open(const std::string& directory, const Clock& clock,
                                                std::uint64_t rotateAt = 64 << 20);
  virtual ~AuditLog() = default;
  // Written and fdatasync'ed when this returns. After a failed write the log refuses every further event (kDiskFull…)
  // until reopen() has found the head again.
  virtual Result<AuditEntry> append(AuditEvent event) = 0;
  // The same without waiting for the disk: durable with the next append() or sync(), in order.
  virtual Result<AuditEntry> appendSoon(AuditEvent event) = 0;
  virtual Result<void> sync() = 0;
  virtual Result<void> reopen() = 0;
  virtual AuditHead head() const = 0;
};

struct AuditFilter {
  std::string kind{};  // a pattern: "task.*"
  std::string agent{}, instance{}, task{}, trace{};
  std::optional<Timestamp> since{}, until{};
  std::uint64_t afterSequence = 0;
  std::uint64_t upToSequence = 0;  // inclusive; 0: no bound. With afterSequence: one page, forwards
  std::size_t limit = 1000;        // the newest of those that match
};
Result<std::vector<AuditEntry>> queryAudit(const std::string& directory, const AuditFilter& filter);

struct AuditVerdict {
  enum class State : std::uint8_t { kIntact, kAnchored, kUnanchored, kBroken } state = State::kUnanchored;
  std::uint64_t events = 0, files = 0;
  std::uint64_t anchoredUpTo = 0;
  std::string where;  // file:line of the first fault
  std::string
      what;  // "line 812 was changed", "17 events are missing between …", "truncated: the anchor knows event 900"
};
// Walks the whole chain; `anchors` are heads that were seen outside the file (anchor.h). A log that is being written
// meanwhile is fine, when the anchors were read before.
Result<AuditVerdict> verifyAudit(const std::string& directory, const std::vector<AuditHead>& anchors);

}  // namespace agentos::govern
