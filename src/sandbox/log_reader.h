// SPDX-License-Identifier: Apache-2.0
// Reads an instance's frames, oldest first, through every rotation, also while agent-init writes and rotates. Blocking
// reads of files: for the pool, not for the loop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "sandbox/log_frame.h"

namespace agentos::sandbox {

struct LogFrame {
  Timestamp time;
  LogStream stream = LogStream::kStdout;
  std::string text;      // raw bytes; may be no UTF-8
  bool partial = false;  // the line goes on in the next frame of its stream
  bool operator==(const LogFrame&) const = default;
};

// One line of the file without its newline; kSyntax when it is no frame.
Result<LogFrame> parseLogFrame(std::string_view line);

// A place between two frames, which a client may hand back to go on from. {} is the beginning. A file that is rotated
// keeps its inode, so the place stays right until the file itself is dropped.
struct LogCursor {
  std::uint64_t inode = 0;
  std::uint64_t offset = 0;
  bool operator==(const LogCursor&) const = default;
};

class LogReader {
 public:
  // `directory` is <log>/<instance>. Frames older than `since` are passed over. A cursor whose file is gone starts at
  // the oldest frame that is kept, with skipped() true: frames may be missing in between.
  explicit LogReader(Fd directory, LogCursor from = {}, std::optional<Timestamp> since = {});

  // The next frames, about maxBytes of text, and none when nothing is there yet: ask again later to follow. A line that
  // is no frame (a machine that crashed while writing) is passed over.
  Result<std::vector<LogFrame>> next(std::size_t maxBytes = std::size_t{256} * 1024);
  LogCursor cursor() const { return cursor_; }
  bool skipped() const { return skipped_; }

 private:
  bool isNewest() const;
  Result<bool> openNext();
  Result<std::size_t> readMore(std::vector<LogFrame>& frames);
  void take(std::string_view line, std::vector<LogFrame>& frames) const;

  Fd directory_;
  Fd file_;  // held while following, so that its inode is not given to another file
  LogCursor cursor_;
  std::optional<Timestamp> since_;
  std::uint64_t seenEnd_ = 0;  // of the file, at the last read
  bool skipped_ = false;
};

}  // namespace agentos::sandbox
