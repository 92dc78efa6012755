// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/files.h"
#include "govern/audit_log.h"
#include "govern/line.h"
#include "govern/log_files.h"

namespace agentos::govern {
namespace {

std::string many(std::uint64_t count, const std::string& thing) {
  return std::to_string(count) + " " + thing + (count == 1 ? "" : "s");
}

// Walks from the first line to the last and stops at the first fault.
class Walk {
 public:
  explicit Walk(const std::vector<AuditHead>& anchors) : anchors_(anchors) {
    std::erase_if(anchors_, [](const AuditHead& head) { return head.sequence == 0; });
    std::ranges::sort(anchors_, {}, &AuditHead::sequence);
  }

  Result<void> file(int dirFd, std::uint64_t number, bool isLast);
  bool broken() const { return verdict_.state == AuditVerdict::State::kBroken; }
  AuditVerdict finish();

 private:
  void fault(std::string what);
  void take(std::string_view line);
  void place(const AuditEntry& entry);
  void anchor(const AuditEntry& entry);
  void end(std::string_view tail, bool isLast);

  std::vector<AuditHead> anchors_;
  std::size_t nextAnchor_ = 0;
  AuditVerdict verdict_;
  AuditHead head_{0, zeroHash()};
  std::string file_;
  std::uint64_t line_ = 0, number_ = 0;
};

void Walk::fault(std::string what) {
  verdict_.state = AuditVerdict::State::kBroken;
  verdict_.where = file_.empty() ? "" : file_ + ":" + std::to_string(std::max<std::uint64_t>(line_, 1));
  verdict_.what = std::move(what);
}

// A line that is whole in itself: does it stand where it belongs?
void Walk::place(const AuditEntry& entry) {
  auto expected = head_.sequence + 1;
  if (entry.sequence == 1 && expected != 1) {
    fault("the chain was started again: event 1 stands where event " + std::to_string(expected) + " belongs");
  } else if (entry.sequence > expected) {
    auto last = entry.sequence - 1;
    fault(many(entry.sequence - expected, "event") + (expected == last ? " is" : " are") + " missing between event " +
          std::to_string(head_.sequence) + " and event " + std::to_string(entry.sequence) + ": deleted or moved");
  } else if (entry.sequence < expected) {
    fault("event " + std::to_string(entry.sequence) + " stands where event " + std::to_string(expected) +
          " belongs: inserted or moved");
  } else if (entry.previous != head_.hash) {
    fault("event " + std::to_string(entry.sequence) + " does not continue event " + std::to_string(head_.sequence) +
          ": one of the two was replaced");
  }
}

void Walk::anchor(const AuditEntry& entry) {
  for (; nextAnchor_ < anchors_.size() && anchors_[nextAnchor_].sequence == entry.sequence; ++nextAnchor_) {
    if (anchors_[nextAnchor_].hash != entry.hash) {
      auto since = verdict_.anchoredUpTo;
      return fault("event " + std::to_string(entry.sequence) +
                   " is not the one that the anchor knows: the log was rewritten" +
                   (since == 0 ? "" : " after event " + std::to_string(since)));
    }
    verdict_.anchoredUpTo = entry.sequence;
  }
}

void Walk::take(std::string_view line) {
  ++line_;
  auto entry = parseLine(line);
  if (!entry)
    return fault("line " + std::to_string(line_) + " was changed: it is not event " +
                 std::to_string(head_.sequence + 1) + " as agentd wrote it (" + entry.error().what + ")");
  place(*entry);
  if (!broken()) anchor(*entry);
  if (broken()) return;
  head_ = {entry->sequence, entry->hash};
  ++verdict_.events;
}

void Walk::end(std::string_view tail, bool isLast) {
  if (tail.empty() || broken()) return;
  ++line_;
  fault(std::string("an incomplete line of ") + many(tail.size(), "byte") +
        (isLast ? " (a crash in mid-write, which agentd cuts off when it starts, or somebody cut the file)" : ""));
}

Result<void> Walk::file(int dirFd, std::uint64_t number, bool isLast) {
  file_ = logFileName(number);
  line_ = 0;
  if (number != number_ + 1) {
    fault(logFileName(number_ + 1) + " is missing: removed or renamed");
    return {};
  }
  number_ = number;
  AGENTOS_TRY(Fd fd, openLogFile(dirFd, number, O_RDONLY));
  ++verdict_.files;
  LineReader lines(fd.get());
  // The writer may be in the middle of a line: it gets a moment to end it.
  for (int patience = 0;; ++patience) {
    while (!broken()) {
      auto line = lines.next();
      if (!line) fault(line.error().message());
      if (!line || !*line) break;
      take(**line);
    }
    if (broken() || lines.tail().empty() || !isLast || patience == 10) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  end(lines.tail(), isLast);
  return {};
}

AuditVerdict Walk::finish() {
  if (broken()) return verdict_;
  if (nextAnchor_ < anchors_.size()) {
    fault("truncated: the anchor knows event " + std::to_string(anchors_.back().sequence) +
          ", the log ends with event " + std::to_string(head_.sequence));
    return verdict_;
  }
  using enum AuditVerdict::State;
  bool toTheEnd = verdict_.anchoredUpTo == head_.sequence;
  verdict_.state = anchors_.empty() ? kUnanchored : toTheEnd ? kIntact : kAnchored;
  return verdict_;
}

}  // namespace

Result<AuditVerdict> verifyAudit(const std::string& directory, const std::vector<AuditHead>& anchors) {
  AGENTOS_TRY(Fd dir, openDirectory(directory));
  AGENTOS_TRY(auto numbers, listLogFiles(dir.get()));
  Walk walk(anchors);
  for (auto number : numbers) {
    AGENTOS_CHECK(walk.file(dir.get(), number, number == numbers.back()));
    if (walk.broken()) break;
  }
  return walk.finish();
}

}  // namespace agentos::govern
