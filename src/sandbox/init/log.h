// SPDX-License-Identifier: Apache-2.0
// Writes output.log (log_frame.h). The file is rotated between frames. A write that fails (a full disk) loses its
// frames, never the rest: the file is cut back to its last whole frame, and the first frame that fits again is a
// `system` one which says how many lines are missing and why. Nothing here waits and nothing grows.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/log_frame.h"

namespace agentos::sandbox {

class LogFile {
 public:
  // dirFd must outlive it.
  LogFile(int dirFd, std::uint64_t rotateAt, std::uint32_t keep) : dirFd_(dirFd), rotateAt_(rotateAt), keep_(keep) {}
  Result<void> open();
  // Removes a log that nothing was written to.
  void discard();
  void frame(LogStream stream, bool full, std::string_view text);
  void flush();
  std::uint64_t lost() const { return lost_; }

 private:
  void rotate();
  bool write(std::string_view bytes);
  void noteLoss(std::uint32_t frames, int err);
  std::string lossFrame() const;

  int dirFd_;
  std::uint64_t rotateAt_;
  std::uint32_t keep_;
  Fd file_;
  std::uint64_t size_ = 0;  // of the whole frames in file_
  std::uint64_t lost_ = 0;  // not yet reported in the log
  int lossErrno_ = 0;
  std::uint32_t pendingFrames_ = 0;
  std::size_t pendingBytes_ = 0;
  std::array<char, 4 * kMaxLine> pending_;  // left uninitialised: pages that are never needed are never touched
};

// Cuts one pipe's bytes into frames.
class LineSplitter {
 public:
  LineSplitter(LogStream stream, LogFile& log) : stream_(stream), log_(log) {}
  // One read of what is there; 0 at the end of the pipe, -1 with errno.
  ssize_t readFrom(int fd);
  // A line's beginning that has waited long enough for its end.
  void flushPartial();
  bool hasPartial() const { return used_ > 0; }

 private:
  void cut();
  LogStream stream_;
  LogFile& log_;
  std::size_t used_ = 0;
  std::array<char, kMaxLine> line_;
};

// "2026-11-20T14:03:07.120Z" of a CLOCK_REALTIME in nanoseconds.
std::array<char, kLogTimeLength> logTime(std::int64_t realtimeNs);
std::int64_t clockNs(clockid_t clock);

}  // namespace agentos::sandbox
