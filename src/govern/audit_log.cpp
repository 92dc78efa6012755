// SPDX-License-Identifier: Apache-2.0
#include "govern/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/digest.h"
#include "base/fault.h"
#include "base/files.h"
#include "govern/line.h"
#include "govern/log_files.h"

namespace agentos::govern {
namespace {

constexpr std::size_t kMaxUnsynced = 1 << 20;

Result<void> syncData(int fd, const std::string& name) {
  while (::fdatasync(fd) != 0) {
    if (errno != EINTR) return failErrno(errno, "fdatasync of " + name, "see the kernel log: the disk may be failing");
  }
  return {};
}

Result<void> cutTo(int fd, std::uint64_t size, const std::string& name) {
  if (::ftruncate(fd, static_cast<off_t>(size)) == 0) return {};
  return failErrno(errno, "cutting " + name + " to " + std::to_string(size) + " bytes");
}

class FileAuditLog final : public AuditLog {
 public:
  FileAuditLog(std::string path, Fd directory, const Clock& clock, std::uint64_t rotateAt)
      : path_(std::move(path)), directory_(std::move(directory)), clock_(clock), rotateAt_(rotateAt) {}

  Result<void> start();
  Result<AuditEntry> append(AuditEvent event) override;
  Result<AuditEntry> appendSoon(AuditEvent event) override;
  Result<void> sync() override;
  Result<void> reopen() override;
  AuditHead head() const override { return head_; }

 private:
  struct Cut {
    std::string file, sha256;
    std::uint64_t bytes = 0;
  };
  std::string name() const { return path_ + "/" + logFileName(number_); }
  Result<void> openNewest();
  Result<std::optional<Cut>> findHead();
  Result<std::optional<Cut>> cutIncomplete(std::uint64_t bytes);
  Result<void> openNext();
  Result<void> checkUntouched() const;
  Result<AuditEntry> write(AuditEvent event);
  Result<void> writeLine(const std::string& line);
  Result<void> rotateIfFull();
  void takeBack(std::size_t keep);
  Result<void> salvage();
  Result<void> settleUnsynced();
  template <class T>
  Result<T> stop(Result<T> outcome, bool syncFailed);

  std::string path_;
  Fd directory_;
  const Clock& clock_;
  std::uint64_t rotateAt_;
  Fd file_;
  std::uint64_t number_ = 0;  // of the file that is written
  std::uint64_t size_ = 0;    // of it, as we left it
  std::uint64_t synced_ = 0;  // of it, durable
  AuditHead head_;
  std::string unsynced_;          // the lines from synced_ to size_
  std::optional<Error> stopped_;  // why nothing is taken until reopen()
  bool syncFailed_ = false;
  std::uint64_t refused_ = 0;
};

// ---------------------------------------------------------------------------------------------- finding the head

Result<void> FileAuditLog::openNext() {
  AGENTOS_TRY(Fd next, openLogFile(directory_.get(), number_ + 1, O_RDWR | O_APPEND | O_CREAT | O_EXCL));
  AGENTOS_CHECK(syncFd(directory_.get(), path_));
  file_ = std::move(next);
  ++number_;
  size_ = synced_ = 0;
  faultPoint("audit.rotate.created");
  return {};
}

// The newest file, or the first one. Only its end is read; one without a complete line (a crash in rotation) sends us
// to the file before it.
Result<void> FileAuditLog::openNewest() {
  AGENTOS_TRY(auto numbers, listLogFiles(directory_.get()));
  if (numbers.empty() && head_.sequence > 0)
    return fail(ErrorCode::kAuditBroken, "the audit log was removed from " + path_);
  if (numbers.empty()) return openNext();
  number_ = numbers.back();
  AGENTOS_TRY(file_, openLogFile(directory_.get(), number_, O_RDWR | O_APPEND));
  AGENTOS_TRY(auto stamp, stampOf(file_.get()));
  size_ = stamp.size;
  return {};
}

Result<std::optional<FileAuditLog::Cut>> FileAuditLog::cutIncomplete(std::uint64_t bytes) {
  if (bytes == 0) return std::nullopt;
  std::string piece(bytes, '\0');
  auto got = ::pread(file_.get(), piece.data(), piece.size(), static_cast<off_t>(size_ - bytes));
  if (got < 0) return failErrno(errno, "reading " + name());
  piece.resize(static_cast<std::size_t>(got));
  AGENTOS_CHECK(cutTo(file_.get(), size_ - bytes, name()));
  AGENTOS_CHECK(syncFd(file_.get(), name()));
  faultPoint("audit.cut.done");
  size_ -= bytes;
  return Cut{logFileName(number_), sha256(piece), bytes};
}

Result<std::optional<FileAuditLog::Cut>> FileAuditLog::findHead() {
  AGENTOS_CHECK(openNewest());
  ReverseLineReader lines(file_.get(), size_);
  AGENTOS_TRY(auto last, lines.next());
  std::string text(last.value_or(std::string_view()));
  std::string where = name();
  AGENTOS_TRY(auto cut, cutIncomplete(lines.incompleteBytes()));
  for (auto before = number_ - 1; !last && before > 0; --before) {
    where = path_ + "/" + logFileName(before);
    AGENTOS_TRY(Fd file, openLogFile(directory_.get(), before, O_RDONLY));
    AGENTOS_TRY(auto stamp, stampOf(file.get()));
    ReverseLineReader older(file.get(), stamp.size);
    AGENTOS_TRY(last, older.next());
    text = last.value_or(std::string_view());
  }
  head_ = {0, zeroHash()};
  if (last) {
    auto entry = parseLine(text);
    if (!entry) {
      return fail(
          ErrorCode::kAuditBroken, where + ": the last line is not as agentd wrote it (" + entry.error().what + ")",
          "`agentctl audit verify` shows the extent; keep the directory as evidence, move it aside, and start again");
    }
    head_ = {entry->sequence, entry->hash};
  }
  synced_ = size_;
  unsynced_.clear();
  return cut;
}

Result<void> FileAuditLog::start() {
  AGENTOS_TRY(auto cut, findHead());
  if (!cut) return {};
  Json data = {{"file", cut->file}, {"bytes", cut->bytes}, {"sha256", cut->sha256}};
  AGENTOS_CHECK(append({.kind = "audit.cut", .actor = "agentd", .data = std::move(data)}));
  return {};
}

// ---------------------------------------------------------------------------------------------- writing

template <class T>
Result<T> FileAuditLog::stop(Result<T> outcome, bool syncFailed) {
  if (outcome) return outcome;
  stopped_ = outcome.error();
  syncFailed_ = syncFailed_ || syncFailed;
  return outcome;
}

// The caller is told that it did not happen, so it must not be there either. Should the cut fail, reopen() cuts again.
void FileAuditLog::takeBack(std::size_t keep) {
  size_ -= unsynced_.size() - keep;
  unsynced_.resize(keep);
  static_cast<void>(cutTo(file_.get(), size_, name()));
}

// Nobody else writes here; whoever does, or takes the file away, is noticed at the next event and not written over.
Result<void> FileAuditLog::checkUntouched() const {
  AGENTOS_TRY(auto ours, stampOf(file_.get()));
  auto there = stampOf(directory_.get(), logFileName(number_));
  if (!there && there.error().code != ErrorCode::kNotFound) return std::unexpected(std::move(there).error());
  bool same = there && there->inode == ours.inode && there->device == ours.device;
  if (same && ours.size == size_) return {};
  std::string what = !there  ? "was removed"
                     : !same ? "was replaced"
                             : "has " + std::to_string(ours.size) + " bytes instead of " + std::to_string(size_);
  return fail(ErrorCode::kAuditBroken, name() + " " + what + " while agentd was writing it",
              "nothing but agentd may write there; `agentctl audit verify` shows what is left");
}

// All of the line or none of it.
Result<void> FileAuditLog::writeLine(const std::string& line) {
  if (auto written = writeAll(file_.get(), line); !written) {
    if (auto undone = cutTo(file_.get(), size_, name()); !undone) {
      return std::unexpected(std::move(written).error().within(undone.error().message()));
    }
    return std::unexpected(std::move(written).error().within(name()));
  }
  size_ += line.size();
  unsynced_ += line;
  return {};
}

Result<void> FileAuditLog::rotateIfFull() {
  if (size_ < rotateAt_) return {};
  AGENTOS_CHECK(sync());
  return openNext();
}

Result<AuditEntry> FileAuditLog::write(AuditEvent event) {
  if (stopped_) {
    ++refused_;
    return std::unexpected(Error(*stopped_).within("the audit log takes no events since a write failed"));
  }
  AuditEntry entry{.sequence = head_.sequence + 1,
                   .time = std::chrono::floor<std::chrono::milliseconds>(clock_.now()),
                   .event = std::move(event),
                   .previous = head_.hash,
                   .hash = {}};
  AGENTOS_TRY(auto line, renderLine(entry));  // the caller's mistake: stops nothing
  AGENTOS_CHECK(stop(checkUntouched(), false));
  AGENTOS_CHECK(stop(rotateIfFull(), false));
  AGENTOS_CHECK(stop(writeLine(line), false));
  head_ = {entry.sequence, entry.hash};
  return entry;
}

Result<AuditEntry> FileAuditLog::append(AuditEvent event) {
  auto before = head_;
  auto pending = unsynced_.size();
  auto number = number_;
  AGENTOS_TRY(auto entry, write(std::move(event)));
  faultPoint("audit.append.written");
  if (auto synced = sync(); !synced) {
    takeBack(number == number_ ? pending : 0);
    head_ = before;
    return std::unexpected(std::move(synced).error());
  }
  faultPoint("audit.append.synced");
  return entry;
}

Result<AuditEntry> FileAuditLog::appendSoon(AuditEvent event) {
  AGENTOS_TRY(auto entry, write(std::move(event)));
  if (unsynced_.size() > kMaxUnsynced) AGENTOS_CHECK(sync());
  return entry;
}

Result<void> FileAuditLog::sync() {
  if (stopped_) return std::unexpected(*stopped_);
  if (unsynced_.empty()) return {};
  AGENTOS_CHECK(stop(syncData(file_.get(), name()), true));
  synced_ = size_;
  unsynced_.clear();
  return {};
}

// ---------------------------------------------------------------------------------------------- after a failure

// After a failed fdatasync the kernel may have dropped the pages and call the next one a success, so the same file is
// not asked again: what was not durable is cut off there and written anew into the next file.
Result<void> FileAuditLog::salvage() {
  AGENTOS_TRY(Fd again, openLogFile(directory_.get(), number_, O_RDWR | O_APPEND));
  AGENTOS_CHECK(cutTo(again.get(), synced_, name()));
  AGENTOS_CHECK(syncFd(again.get(), name()));
  AGENTOS_CHECK(openNext());
  std::string lines = std::move(unsynced_);
  unsynced_.clear();
  if (auto written = writeLine(lines); !written) {
    unsynced_ = std::move(lines);
    return written;
  }
  AGENTOS_CHECK(syncData(file_.get(), name()));
  syncFailed_ = false;
  return {};
}

Result<void> FileAuditLog::settleUnsynced() {
  if (syncFailed_) return salvage();
  if (unsynced_.empty()) return {};
  auto synced = syncData(file_.get(), name());
  syncFailed_ = !synced;
  return synced;
}

Result<void> FileAuditLog::reopen() {
  if (!stopped_) return {};
  AGENTOS_CHECK(settleUnsynced());
  auto expected = head_;
  auto cut = findHead();
  auto found = std::exchange(head_, expected);
  if (!cut) return std::unexpected(std::move(cut).error());
  if (found.sequence != expected.sequence || found.hash != expected.hash) {
    return fail(ErrorCode::kAuditBroken,
                path_ + " ends with event " + std::to_string(found.sequence) + " instead of " +
                    std::to_string(expected.sequence),
                "somebody changed it; `agentctl audit verify` shows what is left");
  }
  Json data = {{"because", stopped_->message()}, {"refused", refused_}};
  stopped_.reset();
  AGENTOS_CHECK(append({.kind = "audit.reopened", .actor = "agentd", .data = std::move(data)}));
  refused_ = 0;
  return {};
}

}  // namespace

Result<std::unique_ptr<AuditLog>> AuditLog::open(const std::string& directory, const Clock& clock,
                                                 std::uint64_t rotateAt) {
  AGENTOS_TRY(Fd fd, makeDirectories(directory, 0750));
  auto log = std::make_unique<FileAuditLog>(directory, std::move(fd), clock, rotateAt);
  if (auto started = log->start(); !started) {
    return std::unexpected(std::move(started).error().within("opening the audit log " + directory));
  }
  return log;
}

}  // namespace agentos::govern
