// SPDX-License-Identifier: Apache-2.0
// Writes launch records (line 1 agentd's, line 2 the spawner's; root's file, readable by all) durably, in a thread of
// its own: the spawner's loop never waits for a disk, and the record's fsync overlaps the child's building of the room.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace agentos::sandbox {

inline constexpr const char* kLaunchFile = "launch.jsonl";

class RecordWriter {
 public:
  struct Done {
    std::uint64_t ticket = 0;
    Result<void> result;
  };

  static Result<std::unique_ptr<RecordWriter>> start();
  ~RecordWriter();
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;

  // kExists when the directory holds a launch record already.
  void write(std::uint64_t ticket, Fd directory, std::string bytes);
  int readyFd() const { return ready_.get(); }  // readable when takeDone has something
  std::vector<Done> takeDone();

 private:
  struct Order {
    std::uint64_t ticket = 0;
    Fd directory;
    std::string bytes;
  };
  explicit RecordWriter(Fd ready);
  void run();

  Fd ready_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Order> orders_;
  std::vector<Done> done_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace agentos::sandbox
