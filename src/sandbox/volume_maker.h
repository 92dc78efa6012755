// SPDX-License-Identifier: Apache-2.0
// Opens volumes (volume.h) in a thread of its own, one after the other: to make a file system or replay its journal
// takes the disk its time, and the spawner's loop waits for none.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "sandbox/volume.h"

namespace agentos::sandbox {

class VolumeMaker {
 public:
  struct Done {
    std::uint64_t ticket = 0;
    Result<Fd> tree;
  };
  static Result<std::unique_ptr<VolumeMaker>> start(std::string directory, std::string parking);
  ~VolumeMaker();
  VolumeMaker(const VolumeMaker&) = delete;
  VolumeMaker& operator=(const VolumeMaker&) = delete;

  void open(std::uint64_t ticket, VolumePlan plan);
  int readyFd() const { return ready_.get(); }  // readable when takeDone has something
  std::vector<Done> takeDone();

 private:
  VolumeMaker(std::string directory, std::string parking, Fd ready);
  void run();

  const std::string directory_, parking_;
  Fd ready_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::pair<std::uint64_t, VolumePlan>> orders_;
  std::vector<Done> done_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace agentos::sandbox
