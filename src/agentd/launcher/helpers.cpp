// SPDX-License-Identifier: Apache-2.0
#include "agentd/launcher/helpers.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/digest.h"
#include "base/files.h"
#include "base/text.h"

namespace agentos::agentd {
namespace {

Result<void> runToEnd(const ChildPlan& plan) {
  AGENTOS_TRY(const pid_t pid, startChild(plan));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return failErrno(errno, "cannot wait for " + plan.name);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorCode::kUnavailable, plan.name + " failed (it says why above)",
              "docs/operations.md has what it needs");
}

// Where cgroup v2 is mounted, from /proc/self/mountinfo (proc(5)): the type stands after the " - ".
Result<std::string> cgroupMount() {
  AGENTOS_TRY(const std::string text, readPath("/proc/self/mountinfo", 8 << 20));
  for (const auto line : split(text, '\n')) {
    if (line.find(" - cgroup2 ") == std::string_view::npos) continue;
    const auto fields = split(line, ' ');
    if (fields.size() > 4) return std::string(fields[4]);
  }
  return fail(ErrorCode::kSandboxCgroup, "cgroup v2 is not mounted",
              "mount -t cgroup2 none /sys/fs/cgroup/unified (or boot with it)");
}

// One group for each prefix, so that a private instance never touches another's agents.
Result<std::string> cgroupRoot(const Paths& paths) {
  AGENTOS_TRY(const std::string mount, cgroupMount());
  const std::string name = paths.prefix.empty() ? "agentd" : "agentd-" + sha256(paths.prefix).substr(0, 12);
  return mount + "/" + name;
}

}  // namespace

Result<void> runKeeper(const Config& config) {
  AGENTOS_TRY(const std::string root, cgroupRoot(config.paths));
  return runToEnd(
      {"agentd-keeper",
       {helperDirectory() + "/agentd-keeper", "--once", "--root", root, "--tell", config.paths.cgroupFile()},
       {},
       {}});
}

Result<void> removeKeeper(const Config& config) {
  AGENTOS_TRY(const std::string root, cgroupRoot(config.paths));
  return runToEnd({"agentd-keeper", {helperDirectory() + "/agentd-keeper", "--remove", "--root", root}, {}, {}});
}

void removeEmptyKeeper(const Config& config) {
  const auto root = cgroupRoot(config.paths);
  if (!root) return;
  ::rmdir((*root + "/keep").c_str());
  ::rmdir(root->c_str());  // refused by the kernel while a room's group is there
}

ChildPlan spawnerPlan(const Config& config, const Options& options) {
  ChildPlan plan{"agentd-spawner", {helperDirectory() + "/agentd-spawner", "--config", config.file}, {}, {}};
  auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) plan.command.insert(plan.command.end(), {flag, value});
  };
  add("--prefix", config.paths.prefix);
  add("--user", options.user);
  if (!options.company.empty()) add("--company", config.company);
  return plan;
}

}  // namespace agentos::agentd
