// SPDX-License-Identifier: Apache-2.0
// exit.json: how the payload ended, durable before agent-init exits. Its room on the disk is taken when the instance
// starts, so that a disk that filled up meanwhile does not cost the record.
#pragma once

#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/room.h"

namespace agentos::sandbox {

inline constexpr const char* kExitRecordName = "exit.json";

// One line of JSON with every field of the record; parseExitRecord (exit_record.h) reads it. Bytes that are no UTF-8 in
// `detail` become '?'.
std::string formatExitRecord(const ExitRecord& record);

class ExitRecordFile {
 public:
  // dirFd must outlive it.
  explicit ExitRecordFile(int dirFd) : dirFd_(dirFd) {}
  // exit.json.tmp with space reserved.
  Result<void> reserve();
  // Once. Written, renamed to exit.json, fsync of the file and of the directory; when that fails, twice more in a new
  // file, a second apart (a failed fsync is never repeated on the same descriptor).
  Result<void> commit(const ExitRecord& record);
  // Leaves no trace of an instance that never began.
  void discard();

 private:
  Result<void> write(const std::string& text);
  int dirFd_;
  Fd file_;
};

// cpuUsec, memoryPeak and oomKills, from the pay group; what the kernel does not say stays 0.
void readUsage(int payDirFd, ExitRecord& record);

}  // namespace agentos::sandbox
