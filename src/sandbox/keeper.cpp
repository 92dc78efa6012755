// SPDX-License-Identifier: Apache-2.0
#include "sandbox/keeper.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/files.h"
#include "base/text.h"
#include "sandbox/cgroup.h"
#include "sandbox/mountinfo.h"

namespace agentos::sandbox {
namespace {

const std::set<std::string> kWanted = {"cpu", "io", "memory", "pids"};
constexpr const char* kKeep = "keep";

std::string parentOf(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

Result<void> makeGroupDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return failErrno(errno, "making the group " + path, "a group that exists above it, and root",
                   ErrorCode::kSandboxCgroup);
}

// Without systemd nobody has given controllers down to us: ask each group from the mount to the root's parent for them.
// A group that has processes of its own refuses, and then the limits are reported as missing.
void askAncestors(const std::string& mountPoint, const std::string& root) {
  std::string path = mountPoint;
  while (path.size() < root.size() && root.starts_with(path)) {
    auto group = openGroup(path);
    if (!group) return;
    (void)enableControllers(group->get(), kWanted);
    auto next = root.find('/', path.size() + 1);
    path = next == std::string::npos ? root : root.substr(0, next);
  }
}

Result<CgroupMounts> mounts() {
  AGENTOS_TRY(auto text, readPath("/proc/self/mountinfo"));
  return findCgroupMounts(parseMountInfo(text));
}

void removeBelow(int group, int depth) {
  auto names = listDirectory(group);
  if (!names || depth == 0) return;
  for (const auto& name : *names) {
    if (auto child = openGroupAt(group, name)) {
      removeBelow(child->get(), depth - 1);
      ::unlinkat(group, name.c_str(), AT_REMOVEDIR);
    }
  }
}

void killInstances(int root) {
  auto names = listDirectory(root);
  if (!names) return;
  for (const auto& name : *names) {
    if (name == kKeep) continue;
    if (auto child = openGroupAt(root, name)) (void)writeGroupFile(child->get(), "cgroup.kill", "1");
  }
}

bool isEmptyBelow(int root) {
  auto names = listDirectory(root);
  if (!names) return true;
  for (const auto& name : *names) {
    if (name == kKeep) continue;
    auto child = openGroupAt(root, name);
    if (!child) continue;
    auto events = eventsOf(child->get());
    if (events && events->populated) return false;
  }
  return true;
}

}  // namespace

Result<std::set<std::string>> prepareTree(const std::string& root, bool moveSelf) {
  AGENTOS_TRY(auto found, mounts());
  if (!found.point) {
    return fail(ErrorCode::kSandboxCgroup, "no cgroup v2 is mounted",
                "mount -t cgroup2 none /sys/fs/cgroup (or .../unified)");
  }
  if (!root.starts_with(*found.point + "/")) {
    return fail(ErrorCode::kSandboxCgroup, "the root " + root, "a path beneath " + *found.point);
  }
  AGENTOS_CHECK(makeGroupDirectory(root));
  AGENTOS_CHECK(makeGroupDirectory(root + "/" + kKeep));
  AGENTOS_TRY(Fd group, openGroup(root));
  if (moveSelf) {
    AGENTOS_TRY(Fd keep, openGroupAt(group.get(), kKeep));
    AGENTOS_CHECK(writeGroupFile(keep.get(), "cgroup.procs", "0"));
  }
  AGENTOS_TRY(auto given, controllersOf(group.get(), true));
  if (given.size() < kWanted.size()) askAncestors(*found.point, parentOf(root));
  AGENTOS_TRY(auto on, enableControllers(group.get(), kWanted));
  std::erase_if(on, [](const std::string& name) { return !kWanted.contains(name); });
  return on;
}

Result<void> removeTree(const std::string& root, bool leave) {
  AGENTOS_TRY(Fd group, openGroup(root));
  killInstances(group.get());
  for (int i = 0; i < 500 && !isEmptyBelow(group.get()); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const bool empty = isEmptyBelow(group.get());
  bool left = !leave;
  if (leave) {
    auto parent = openGroup(parentOf(root));
    left = parent && writeGroupFile(parent->get(), "cgroup.procs", "0");
  }
  removeBelow(group.get(), 8);
  // Where the parent gives controllers to its children, as under systemd, no process may enter it (EBUSY): this one
  // stays in keep/, and whoever made the group removes it when this one has ended.
  if (!left && empty) return {};
  if (::rmdir(root.c_str()) != 0 && errno != ENOENT) {
    return failErrno(errno, "removing the group " + root, "end what still runs in it", ErrorCode::kSandboxCgroup);
  }
  return {};
}

Result<std::string> ownGroup() {
  AGENTOS_TRY(auto found, mounts());
  AGENTOS_TRY(auto text, readPath("/proc/self/cgroup"));
  for (auto line : split(text, '\n')) {
    if (line.starts_with("0::") && found.point) return *found.point + std::string(line.substr(3));
  }
  return fail(ErrorCode::kSandboxCgroup, "this process is in no cgroup v2 group", "mount cgroup2");
}

}  // namespace agentos::sandbox
