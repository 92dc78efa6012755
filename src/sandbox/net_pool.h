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

  // Moves the calling thread into a fresh one, for the child that it clones next; and back to the host's.
  Result<void> enterFresh();
  void leave();
  // Fills the pool up, while nobody waits for a room: a namespace in the making keeps a processor from the room that is
  // being built beside it. Nearly empty, it is filled up in any case.
  void refill();

 private:
  Fd take();
  void run();

  std::size_t size_, wanted_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Fd> ready_;
  bool stopping_ = false;
  Fd home_;
  std::thread thread_;
};

}  // namespace agentos::sandbox
