// SPDX-License-Identifier: Apache-2.0
// Control groups: in a group of its own, beneath the keeper's where there is one.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/files.h"
#include "base/text.h"
#include "sandbox/cgroup.h"
#include "sandbox/examine.h"
#include "sandbox/keeper.h"
#include "sandbox/mountinfo.h"
#include "sandbox/remedies.h"

namespace agentos::sandbox {
namespace {

// Removed at the end, with a tree that had to be made for it.
class ProbeGroup {
 public:
  ProbeGroup() = default;
  ProbeGroup(const ProbeGroup&) = delete;
  ProbeGroup& operator=(const ProbeGroup&) = delete;
  ~ProbeGroup() {
    group_.reset();
    if (!name_.empty()) ::rmdir(name_.c_str());
    if (!ownTree_.empty()) (void)removeTree(ownTree_, false);  // what is left is named by the next start
  }

  Result<void> make(const std::string& keeper, const std::string& cgroup2) {
    std::string root = keeper;
    if (root.empty() || ::access(root.c_str(), F_OK) != 0) {
      root = ownTree_ = cgroup2 + "/agentd-examine-" + std::to_string(::getpid());
      AGENTOS_CHECK(prepareTree(root, false));
    }
    std::string path = root + "/examine-" + std::to_string(::getpid());
    if (::mkdir(path.c_str(), 0755) != 0) return failErrno(errno, "making " + path);
    name_ = path;
    AGENTOS_TRY(group_, openGroup(path));
    return {};
  }
  int get() const { return group_.get(); }

 private:
  Fd group_;
  std::string name_, ownTree_;
};

Result<void> waitForEvents(int group, bool GroupEvents::* which, bool wanted) {
  for (int i = 0; i < 400; ++i) {
    AGENTOS_TRY(auto events, eventsOf(group));
    if (events.*which == wanted) return {};
    ::usleep(5000);
  }
  return fail(ErrorCode::kTimedOut, "two seconds went by");
}

// A process that waits in the group.
pid_t putIn(int group) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  if (!writeGroupFile(group, "cgroup.procs", "0")) ::_exit(1);
  for (;;) ::pause();
}

Result<void> freezeAndKill(int group, bool& froze) {
  const pid_t child = putIn(group);
  auto going = [&]() -> Result<void> {
    AGENTOS_CHECK(waitForEvents(group, &GroupEvents::populated, true));
    AGENTOS_CHECK(writeGroupFile(group, "cgroup.freeze", "1"));
    AGENTOS_CHECK(waitForEvents(group, &GroupEvents::frozen, true));
    froze = true;
    AGENTOS_CHECK(writeGroupFile(group, "cgroup.kill", "1"));
    return waitForEvents(group, &GroupEvents::populated, false);
  }();
  if (child > 0) {
    ::kill(child, SIGKILL);
    (void)writeGroupFile(group, "cgroup.freeze", "0");
    ::waitpid(child, nullptr, 0);
  }
  return going;
}

struct Limit {
  const char* name;
  const char* controller;
  const char* file;
  const char* value;
  const char* given;
};
constexpr Limit kLimits[] = {
    {"memory", "memory", "memory.max", "67108864", "compute.mem holds"},
    {"swap", "memory", "memory.swap.max", "0", "compute.swap holds"},
    {"cpu", "cpu", "cpu.max", "50000 100000", "compute.cpu holds"},
    {"cpu_weight", "cpu", "cpu.weight", "50", "compute.cpu_weight holds"},
    {"pids", "pids", "pids.max", "16", "compute.pids holds by cgroup, beside RLIMIT_NPROC"},
    {"io_weight", "io", "io.weight", "default 50", "compute.io_weight holds"},
};

// Written, and what the kernel made of it read back.
Result<void> holds(int group, const Limit& limit) {
  if (!hasGroupFile(group, limit.file)) return fail(ErrorCode::kNotFound, std::string("there is no ") + limit.file);
  AGENTOS_CHECK(writeGroupFile(group, limit.file, limit.value));
  AGENTOS_TRY(auto text, readGroupFile(group, limit.file));
  if (split(text, '\n').front() == limit.value) return {};
  return fail(ErrorCode::kSandboxCgroup, std::string(limit.file) + " is " + text, limit.value);
}

Trial examineLimit(int group, const Limit& limit, const std::vector<ControllerPlace>& places,
                   const std::string& point) {
  const std::string tried = std::string(limit.file) + " was written and read back";
  auto held = holds(group, limit);
  if (held) return {limit.name, "ok", limit.given, tried, ""};
  const bool onlySwap = std::string_view(limit.name) == "swap" && hasGroupFile(group, "memory.max");
  return {limit.name, "warning", std::string(limit.name) + " limits are not enforced: " + held.error().what, tried,
          onlySwap ? remedyForSwap(readSetting) : remedyForController(limit.controller, places, point, readSetting)};
}

}  // namespace

std::vector<Trial> examineGroups(const Policy& policy) {
  CgroupMounts mounts;
  if (auto text = readPath("/proc/self/mountinfo")) mounts = findCgroupMounts(parseMountInfo(*text));
  const std::string tried = "a group was made";
  if (!mounts.point) {
    return {{"cgroup2", "failed", "no cgroup v2 is mounted", "the mounts were read",
             remedyByCommandLine("systemd.unified_cgroup_hierarchy=1", readSetting)}};
  }
  ProbeGroup probe;
  if (auto made = probe.make(policy.cgroupRoot, *mounts.point); !made) {
    return {{"cgroup2", "failed", "no group can be made: " + made.error().message(), tried,
             "sudo mount -o remount,rw " + *mounts.point}};
  }
  std::vector<Trial> trials = {
      {"cgroup2", "ok", "each room has a control group of its own (" + mounts.mode + ")", tried, ""}};
  const auto places = locateControllers();
  for (const Limit& limit : kLimits) trials.push_back(examineLimit(probe.get(), limit, places, *mounts.point));
  bool froze = false;
  auto done = freezeAndKill(probe.get(), froze);
  const std::string newer = "a kernel of 5.14 or newer";
  trials.push_back(
      {"freeze", froze ? "ok" : "failed",
       froze ? "pause stops every process of a room" : "a room cannot be paused: " + done.error().message(),
       "a process was frozen by cgroup.freeze", froze ? "" : newer});
  trials.push_back(
      {"kill", done ? "ok" : "failed",
       done ? "kill ends every process of a room" : "a room cannot be killed whole: " + done.error().message(),
       "a frozen process was killed by cgroup.kill", done ? "" : newer});
  return trials;
}

}  // namespace agentos::sandbox
