// SPDX-License-Identifier: Apache-2.0
// The files of an audit log, audit-000001.jsonl and on, and their lines, forwards and from the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace agentos::govern {

std::string logFileName(std::uint64_t number);
// 0 for a name that is none of ours.
std::uint64_t logFileNumber(std::string_view name);

// Ascending. Names that are none of ours are left out.
Result<std::vector<std::uint64_t>> listLogFiles(int dirFd);

Result<Fd> openLogFile(int dirFd, std::uint64_t number, int flags);

// Lines of an open file, first to last, without their newlines. At the end an incomplete line, if there is one, is in
// tail(): bytes after the last newline.
class LineReader {
 public:
  explicit LineReader(int fd) : fd_(fd) {}
  // The next line, or none at the end; valid until the next call. kTooLarge for one that no writer of ours left.
  Result<std::optional<std::string_view>> next();
  std::string_view tail() const { return std::string_view(buffer_).substr(at_); }

 private:
  int fd_;
  std::string buffer_;
  std::size_t at_ = 0, searched_ = 0;
};

// Lines of an open file, last to first; an incomplete last line is passed over.
class ReverseLineReader {
 public:
  ReverseLineReader(int fd, std::uint64_t size) : fd_(fd), offset_(size) {}
  Result<std::optional<std::string_view>> next();
  // Bytes after the last newline; known after the first next().
  std::uint64_t incompleteBytes() const { return incomplete_; }

 private:
  Result<bool> grow();
  int fd_;
  std::uint64_t offset_;  // buffer_ starts here in the file
  std::string buffer_;    // what has not been given out; ends with a newline once the incomplete end is off
  std::string line_;
  std::uint64_t incomplete_ = 0;
  bool trimmed_ = false;
};

}  // namespace agentos::govern
