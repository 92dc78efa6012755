// SPDX-License-Identifier: Apache-2.0
#include "govern/log_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/files.h"
#include "govern/line.h"

namespace agentos::govern {
namespace {

constexpr std::string_view kPrefix = "audit-", kSuffix = ".jsonl";
constexpr std::size_t kBlock = 64 << 10;

// Up to `count` bytes at `offset` into `into`; fewer only at the end of the file.
Result<std::size_t> readAt(int fd, char* into, std::size_t count, std::uint64_t offset) {
  std::size_t got = 0;
  while (got < count) {
    auto n = ::pread(fd, into + got, count - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failErrno(errno, "reading the audit log");
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  return got;
}

std::unexpected<Error> failTooLong() {
  return fail(ErrorCode::kTooLarge, "a line of more than " + std::to_string(kMaxLine) + " bytes",
              "no event is that long: the file is damaged");
}

}  // namespace

std::string logFileName(std::uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return std::string(kPrefix) + digits + std::string(kSuffix);
}

std::uint64_t logFileNumber(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return 0;
  auto digits = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  bool whole = error == std::errc() && end == digits.data() + digits.size();
  return whole && logFileName(number) == name ? number : 0;
}

Result<std::vector<std::uint64_t>> listLogFiles(int dirFd) {
  AGENTOS_TRY(auto names, listDirectory(dirFd));
  std::vector<std::uint64_t> numbers;
  for (const auto& name : names) {
    if (auto number = logFileNumber(name)) numbers.push_back(number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

Result<Fd> openLogFile(int dirFd, std::uint64_t number, int flags) {
  return openBeneath(dirFd, logFileName(number), flags | O_CLOEXEC | O_NOFOLLOW, 0640);
}

Result<std::optional<std::string_view>> LineReader::next() {
  while (true) {
    if (auto end = buffer_.find('\n', searched_); end != std::string::npos) {
      auto line = std::string_view(buffer_).substr(at_, end - at_);
      at_ = searched_ = end + 1;
      return line;
    }
    if (buffer_.size() - at_ > kMaxLine) return failTooLong();
    buffer_.erase(0, at_);
    at_ = 0;
    searched_ = buffer_.size();
    buffer_.resize(searched_ + kBlock);
    auto n = ::read(fd_, buffer_.data() + searched_, kBlock);
    int error = errno;
    buffer_.resize(searched_ + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n == 0) return std::nullopt;
    if (n < 0 && error != EINTR) return failErrno(error, "reading the audit log");
  }
}

// One more block before what the buffer holds; false at the beginning of the file.
Result<bool> ReverseLineReader::grow() {
  if (offset_ == 0) return false;
  auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, offset_));
  offset_ -= count;
  std::string block(count, '\0');
  AGENTOS_TRY(auto got, readAt(fd_, block.data(), count, offset_));
  block.resize(got);
  buffer_.insert(0, block);
  return true;
}

Result<std::optional<std::string_view>> ReverseLineReader::next() {
  while (!trimmed_) {
    auto last = buffer_.rfind('\n');
    if (last != std::string::npos || offset_ == 0) {
      auto keep = last == std::string::npos ? 0 : last + 1;
      incomplete_ = buffer_.size() - keep;
      buffer_.resize(keep);
      trimmed_ = true;
    } else if (buffer_.size() > kMaxLine) {
      return failTooLong();
    } else {
      AGENTOS_CHECK(grow());
    }
  }
  while (true) {
    // The buffer ends with the newline of the line that is wanted; the one before it ends at `before`.
    auto before = buffer_.size() < 2 ? std::string::npos : buffer_.rfind('\n', buffer_.size() - 2);
    if (before == std::string::npos && offset_ > 0) {
      if (buffer_.size() > kMaxLine) return failTooLong();
      AGENTOS_CHECK(grow());
      continue;
    }
    if (buffer_.empty()) return std::nullopt;
    auto begin = before == std::string::npos ? 0 : before + 1;
    line_.assign(buffer_, begin, buffer_.size() - begin - 1);
    buffer_.resize(begin);
    return std::string_view(line_);
  }
}

}  // namespace agentos::govern
