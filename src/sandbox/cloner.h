// SPDX-License-Identifier: Apache-2.0
// Rooms are born in threads of their own. A child that shares the spawner's memory until it executes agent-init (as
// vfork(2) does) costs a third of one that gets a copy of it, and the thread that bore it is held meanwhile; the
// spawner's loop goes on and makes the room's parts.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/net_pool.h"
#include "sandbox/room_child.h"

namespace agentos::sandbox {

// One child, before and after its birth. The thread holds it as long as the child reads the plan.
struct Birth {
  Birth(ChildPlan plan, Fd sync) : plan(std::move(plan)), sync(std::move(sync)) {}
  ~Birth() { takePidfd(); }
  Birth(const Birth&) = delete;
  Birth& operator=(const Birth&) = delete;
  // Once, after kChildBorn.
  Fd takePidfd() { return Fd(std::exchange(pidfd, -1)); }

  ChildPlan plan;
  Fd sync;   // the child's end
  Fd group;  // where it is born: set by place()
  std::atomic<int> placed = 0;
  // Written by the kernel before the child's first word.
  std::int32_t pid = 0;
  int pidfd = -1;
};

class Cloner {
 public:
  explicit Cloner(std::shared_ptr<NetPool> networks);
  ~Cloner();
  Cloner(const Cloner&) = delete;
  Cloner& operator=(const Cloner&) = delete;

  // Wakes a thread, which makes itself ready; place() must follow. The child's first word on its sync socket is
  // kChildBorn; when there is no child, kChildFailed comes in its place. An error: there is no thread to be had.
  Result<void> bear(std::shared_ptr<Birth> birth);
  // Where it is born; nowhere: it is not.
  static void place(Birth& birth, Fd group);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace agentos::sandbox
