// SPDX-License-Identifier: Apache-2.0
// A thread for what may wait for a disk, in order: the loop does not. With a simulated clock there is none, and what it
// is given is done at once: a simulation takes no time that the clock does not know of.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace agentos::agentd {

class Worker {
 public:
  enum class Mode : std::uint8_t { kThread, kInline };
  explicit Worker(Mode mode = Mode::kThread);
  // Does what it was given first.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  // `work` touches nothing that the loop may change, and throws nothing.
  void post(std::function<void()> work);

 private:
  void run();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace agentos::agentd
