// SPDX-License-Identifier: Apache-2.0
#include "govern/reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/files.h"
#include "govern/filter.h"
#include "govern/line.h"
#include "govern/log_files.h"

namespace agentos::govern {
namespace {

constexpr std::size_t kChunk = 64 << 10;
constexpr auto kClockDoubt = std::chrono::hours(24);

struct FirstLine {
  std::uint64_t sequence = 0;
  Timestamp time;
};

// None: the file has no line yet.
Result<std::optional<FirstLine>> firstLineOf(int directory, std::uint64_t number) {
  AGENTOS_TRY(Fd file, openLogFile(directory, number, O_RDONLY));
  LineReader lines(file.get());
  AGENTOS_TRY(auto line, lines.next());
  if (!line) return std::nullopt;
  auto entry = parseLine(*line);
  if (!entry) return std::unexpected(std::move(entry).error().within(logFileName(number)));
  return FirstLine{entry->sequence, entry->time};
}

}  // namespace

AuditReader::AuditReader(std::string directory, AuditFilter wanted, std::optional<Timestamp> notBefore)
    : path_(std::move(directory)), wanted_(std::move(wanted)), notBefore_(notBefore), last_(wanted_.afterSequence) {}

// The last file that begins no later than what is wanted; the first one when there is no such.
Result<void> AuditReader::openFirst() {
  if (!directory_) {
    AGENTOS_TRY(directory_, openDirectory(path_));
  }
  AGENTOS_TRY(auto numbers, listLogFiles(directory_.get()));
  if (numbers.empty()) return {};
  number_ = numbers.front();
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    AGENTOS_TRY(auto first, firstLineOf(directory_.get(), *number));
    if (!first) continue;
    const bool bySequence = wanted_.afterSequence > 0 && first->sequence <= wanted_.afterSequence + 1;
    const bool byTime = notBefore_ && first->time < *notBefore_ - kClockDoubt;
    if (!bySequence && !byTime) continue;
    number_ = *number;
    break;
  }
  AGENTOS_TRY(file_, openLogFile(directory_.get(), number_, O_RDONLY));
  return {};
}

// A file whose successor is there grows no more: read to its end after that was seen, it is done.
Result<bool> AuditReader::openNext() {
  AGENTOS_TRY(auto numbers, listLogFiles(directory_.get()));
  auto after = std::ranges::upper_bound(numbers, number_);
  if (after == numbers.end()) return false;
  number_ = *after;
  offset_ = 0;
  AGENTOS_TRY(file_, openLogFile(directory_.get(), number_, O_RDONLY));
  return true;
}

Result<std::vector<AuditEntry>> AuditReader::next(std::size_t maxBytes) {
  std::vector<AuditEntry> found;
  if (!file_) AGENTOS_CHECK(openFirst());
  bool successor = false;
  for (std::size_t bytes = 0; file_ && bytes < maxBytes;) {
    AGENTOS_TRY(const std::size_t got, readMore(found, bytes));
    if (got > 0) continue;
    if (successor) {
      AGENTOS_CHECK(openNext());
      successor = false;
      continue;
    }
    AGENTOS_TRY(auto numbers, listLogFiles(directory_.get()));
    successor = !numbers.empty() && numbers.back() > number_;
    if (!successor) break;
  }
  return found;
}

// Bytes of whole lines; 0: no further one.
Result<std::size_t> AuditReader::readMore(std::vector<AuditEntry>& found, std::size_t& bytes) {
  std::string buffer;
  std::size_t end = std::string::npos;
  for (std::size_t size = kChunk; end == std::string::npos; size *= 2) {
    if (size > 4 * kMaxLine) return fail(ErrorCode::kAuditBroken, logFileName(number_) + " has a line without an end");
    buffer.resize(size);
    const ssize_t got = ::pread(file_.get(), buffer.data(), size, static_cast<off_t>(offset_));
    if (got < 0) return failErrno(errno, logFileName(number_));
    buffer.resize(static_cast<std::size_t>(got));
    end = buffer.rfind('\n');
    if (end == std::string::npos && buffer.size() < size) return 0;
  }
  std::string_view rest = std::string_view(buffer).substr(0, end + 1);
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    AGENTOS_CHECK(take(line, found, bytes));
    rest.remove_prefix(line.size() + 1);
  }
  offset_ += end + 1;
  return end + 1;
}

Result<void> AuditReader::take(std::string_view line, std::vector<AuditEntry>& found, std::size_t& bytes) {
  const auto sequence = sequenceOf(line);
  if (sequence <= last_) return {};
  last_ = sequence;
  if (!mayMatch(wanted_, line)) return {};
  auto entry = parseLine(line);
  if (!entry) return std::unexpected(std::move(entry).error().within(path_ + "/" + logFileName(number_)));
  if (!matches(wanted_, *entry)) return {};
  bytes += line.size();
  found.push_back(*std::move(entry));
  return {};
}

}  // namespace agentos::govern
