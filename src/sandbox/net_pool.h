// SPDX-License-Identifier: Apache-2.0
// Network namespaces for rooms to come, each with loopback up and nothing else, made ahead in a thread: making one is
// the dearest single step of a room (half a millisecond). They belong to the host's user namespace, so that not even a
// room's root can configure its network. Each is used once.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/fd.h"

namespace agentos::sandbox {

class NetPool {
 public:
  explicit NetPool(std::size_t size);
  ~NetPool();
  NetPool(const NetPool&) = delete;
  NetPool& operator=(const NetPool&) = delete;

  // Moves the calling thread into a fresh one, for the child that it clones next. It stays there until the next call:
  // it speaks unix sockets by path only, and the way back would cost each room a tenth of a millisecond.
  Result<void> enterFresh();

 private:
  Fd take();
  void run();

  std::size_t size_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Fd> ready_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace agentos::sandbox
