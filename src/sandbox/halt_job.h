// SPDX-License-Identifier: Apache-2.0
// The global halt: every room's pay/ is frozen, or killed, by one request. Each group is written before any is waited
// for, so that the first agent and the last are apart by a system call each. The keeper's own group is not the place
// to write it once: keep/ and every agent-init lie beneath it, and they have to answer.
#pragma once

#include <set>
#include <vector>

#include "sandbox/group_job.h"

namespace agentos::sandbox {

class HaltJob final : public GroupJob {
 public:
  // `making`: rooms that do not stand yet, which are left out: whoever asked for them is told of each when it does.
  HaltJob(Host& host, bool kill, std::set<InstanceId> making, Answer answer);

 private:
  Result<bool> look() override;
  Error tooLate() const override;
  Result<void> writeAll();
  bool isDone(int pay) const;

  Host& host_;
  bool kill_, written_ = false;
  std::set<InstanceId> making_;
  struct Left {
    InstanceId id;
    Fd pay;
  };
  std::vector<Left> left_;  // not yet frozen, or not yet empty
};

}  // namespace agentos::sandbox
