// SPDX-License-Identifier: Apache-2.0
// Something that the spawner waits for, without waiting: its loop polls the descriptor and keeps the deadline.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "base/fd.h"
#include "sandbox/protocol.h"

namespace agentos::sandbox {

using LoopTime = std::chrono::steady_clock::time_point;

// Sends the reply of one request, with descriptors; called once. Whoever asked may be gone: then it does nothing.
using Answer = std::function<void(ReplyBody body, std::vector<Fd> fds)>;

class Job {
 public:
  Job() = default;
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  virtual int pollFd() const = 0;       // -1: none
  virtual LoopTime wakeAt() const = 0;  // onWake is called then at the latest
  virtual void onReady() = 0;
  virtual void onWake() = 0;
  virtual bool finished() const = 0;
};

}  // namespace agentos::sandbox
