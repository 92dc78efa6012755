// SPDX-License-Identifier: Apache-2.0
// Waiting for the kernel to have done what was written into a group: frozen, thawed, empty. The file is read right
// after the write (mostly it is so already); else an inotify watch on cgroup.events wakes the job, and a timer in case
// a notification was merged away.
#pragma once

#include "sandbox/cgroup.h"
#include "sandbox/host.h"
#include "sandbox/job.h"

namespace agentos::sandbox {

class GroupJob : public Job {
 public:
  int pollFd() const override { return finished_ ? -1 : events_.get(); }
  LoopTime wakeAt() const override { return nextLook_; }
  void onReady() override;
  void onWake() override;
  bool finished() const override { return finished_; }

 protected:
  GroupJob(Answer answer, std::chrono::milliseconds patience);
  // Looks, and if it is not so yet, begins to wait for a change of that file.
  void begin(const std::string& eventsFile);
  // True: it is so. An error ends the job.
  virtual Result<bool> look() = 0;
  virtual Error tooLate() const = 0;

 private:
  void check();
  void end(ReplyBody body);
  Answer answer_;
  LoopTime deadline_, nextLook_;
  Fd events_;
  bool finished_ = false;
};

// freeze and thaw of pay/.
class FreezeJob final : public GroupJob {
 public:
  FreezeJob(Host& host, InstanceId id, bool freeze, Answer answer);

 private:
  Result<bool> look() override;
  Error tooLate() const override;
  InstanceId id_;
  bool freeze_, written_ = false;
  Fd pay_;
};

// Ends whatever is left of the instance and removes its groups and its socket. Done already is done.
class SweepJob final : public GroupJob {
 public:
  SweepJob(Host& host, InstanceId id, Answer answer);

 private:
  Result<bool> look() override;
  Error tooLate() const override;
  Host& host_;
  InstanceId id_;
};

}  // namespace agentos::sandbox
