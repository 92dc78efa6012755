// SPDX-License-Identifier: Apache-2.0
// A child process of the launcher: started, watched, started again with a growing wait. The launcher is small and has
// one thread, so it may fork.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace agentos::agentd {

struct UserIdentity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name, home;
  std::vector<gid_t> groups;
};
// kInvalidArgument naming --user when there is no such user, or it is root.
Result<UserIdentity> findUser(const std::string& name);

struct ChildPlan {
  std::string name;                  // for the log
  std::vector<std::string> command;  // command[0]: the program's path
  std::optional<UserIdentity> user;  // drops to it for good, with no capability and no_new_privs
  std::vector<int> keepFds;          // stay open over exec, under their own numbers
};

// The child dies with this process (PR_SET_PDEATHSIG): no half stays alone.
Result<pid_t> startChild(const ChildPlan& plan);

// How long to wait before a start that follows an end: 100 ms, doubling up to 10 s; from the beginning again after a
// life of half a minute.
class StartBackoff {
 public:
  using Time = std::chrono::steady_clock::time_point;
  void started(Time now) { startedAt_ = now; }
  std::chrono::milliseconds ended(Time now);

 private:
  Time startedAt_;
  std::chrono::milliseconds next_{100};
};

}  // namespace agentos::agentd
