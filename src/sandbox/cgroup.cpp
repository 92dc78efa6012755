// SPDX-License-Identifier: Apache-2.0
#include "sandbox/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "base/files.h"
#include "base/text.h"

namespace agentos::sandbox {
namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
constexpr std::size_t kMaxGroupFile = 4 << 20;

std::unexpected<Error> groupError(int err, std::string what) {
  return failErrno(err, std::move(what), {}, err == ENOENT ? ErrorCode::kNotFound : ErrorCode::kSandboxCgroup);
}

// Gone already is as good as removed now.
Result<void> removeGroup(int parent, const std::string& name) {
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  if (errno == EBUSY) return fail(ErrorCode::kConflict, "the group " + name + " still has processes or groups");
  return groupError(errno, "removing the group " + name);
}

Result<Fd> makeGroup(int parent, const std::string& name) {
  if (::mkdirat(parent, name.c_str(), 0755) != 0) {
    if (errno == EEXIST) return fail(ErrorCode::kExists, "the group " + name + " is there already");
    return groupError(errno, "making the group " + name);
  }
  return openGroupAt(parent, name);
}

}  // namespace

Result<Fd> openGroup(const std::string& path) {
  Fd group(::open(path.c_str(), kOpenDirectory));
  if (!group) return groupError(errno, "opening the group " + path);
  struct statfs info{};
  if (::fstatfs(group.get(), &info) != 0 || info.f_type != CGROUP2_SUPER_MAGIC) {
    return fail(ErrorCode::kSandboxCgroup, path + " is not in cgroup v2",
                "a path beneath the cgroup2 mount of /proc/self/mountinfo");
  }
  return group;
}

Result<Fd> openGroupAt(int parent, const std::string& name) {
  Fd group(::openat(parent, name.c_str(), kOpenDirectory));
  if (!group) return groupError(errno, "opening the group " + name);
  return group;
}

Result<void> writeGroupFile(int group, const char* file, std::string_view value) {
  Fd out(::openat(group, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!out) return groupError(errno, std::string("opening ") + file);
  if (::write(out.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
    return groupError(errno, "writing \"" + std::string(value) + "\" to " + file);
  }
  return {};
}

Result<std::string> readGroupFile(int group, const char* file) {
  Fd in(::openat(group, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!in) return groupError(errno, std::string("opening ") + file);
  return readAll(in.get(), kMaxGroupFile);
}

bool hasGroupFile(int group, const char* file) { return ::faccessat(group, file, F_OK, 0) == 0; }

Result<std::set<std::string>> controllersOf(int group, bool given) {
  AGENTOS_TRY(auto text, readGroupFile(group, given ? "cgroup.controllers" : "cgroup.subtree_control"));
  std::set<std::string> names;
  for (auto word : split(trim(text), ' ')) {
    if (!word.empty()) names.emplace(word);
  }
  return names;
}

Result<std::set<std::string>> enableControllers(int group, const std::set<std::string>& wanted) {
  AGENTOS_TRY(auto given, controllersOf(group, true));
  AGENTOS_TRY(auto on, controllersOf(group, false));
  for (const auto& name : wanted) {
    if (!given.contains(name) || on.contains(name)) continue;
    // One at a time: a controller that cannot be turned on here must not keep the others off. What is on in the end is
    // read back, and what is not is reported as missing.
    auto written = writeGroupFile(group, "cgroup.subtree_control", "+" + name);
    if (!written && written.error().sysErrno == EBUSY) {
      return fail(ErrorCode::kSandboxCgroup,
                  "the controller " + name + " cannot be turned on: the group itself has processes",
                  "move them into a group below it");
    }
  }
  return controllersOf(group, false);
}

Result<GroupEvents> eventsOf(int group) {
  AGENTOS_TRY(auto text, readGroupFile(group, "cgroup.events"));
  return GroupEvents{text.find("populated 1") != std::string::npos, text.find("frozen 1") != std::string::npos};
}

Result<std::vector<std::int32_t>> pidsOf(int group) {
  AGENTOS_TRY(auto text, readGroupFile(group, "cgroup.procs"));
  std::vector<std::int32_t> pids;
  for (auto line : split(text, '\n')) {
    std::int32_t pid = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), pid).ec == std::errc() && pid > 0) pids.push_back(pid);
  }
  return pids;
}

Result<InstanceGroups> makeInstanceGroups(int keeper, const InstanceId& id, const std::set<std::string>& controllers) {
  InstanceGroups groups;
  AGENTOS_TRY(groups.top, makeGroup(keeper, id.str()));
  auto finish = [&]() -> Result<void> {
    if (!controllers.empty()) {
      AGENTOS_TRY(auto on, enableControllers(groups.top.get(), controllers));
      for (const auto& name : controllers) {
        if (on.contains(name)) continue;
        return fail(ErrorCode::kSandboxControllerMissing,
                    "the group of " + id.str() + " has no " + name + " controller",
                    "turn it on again in cgroup.subtree_control above the agents' group");
      }
    }
    AGENTOS_TRY(groups.sup, makeGroup(groups.top.get(), "sup"));
    AGENTOS_TRY(groups.pay, makeGroup(groups.top.get(), "pay"));
    struct stat info{};
    if (::fstat(groups.top.get(), &info) != 0) return groupError(errno, "looking at the group of " + id.str());
    groups.inode = info.st_ino;
    return {};
  };
  auto done = finish();
  if (done) return groups;
  (void)removeInstanceGroups(keeper, id);  // the first error is the one to report
  return std::unexpected(std::move(done).error());
}

Result<InstanceGroups> openInstanceGroups(int keeper, const InstanceId& id) {
  InstanceGroups groups;
  AGENTOS_TRY(groups.top, openGroupAt(keeper, id.str()));
  AGENTOS_TRY(groups.sup, openGroupAt(groups.top.get(), "sup"));
  AGENTOS_TRY(groups.pay, openGroupAt(groups.top.get(), "pay"));
  struct stat info{};
  if (::fstat(groups.top.get(), &info) != 0) return groupError(errno, "looking at the group of " + id.str());
  groups.inode = info.st_ino;
  return groups;
}

Result<void> removeInstanceGroups(int keeper, const InstanceId& id) {
  auto top = openGroupAt(keeper, id.str());
  if (!top) {
    if (top.error().code == ErrorCode::kNotFound) return {};
    return std::unexpected(std::move(top).error());
  }
  AGENTOS_CHECK(removeGroup(top->get(), "pay"));
  AGENTOS_CHECK(removeGroup(top->get(), "sup"));
  return removeGroup(keeper, id.str());
}

Result<std::vector<InstanceId>> listInstances(int keeper) {
  AGENTOS_TRY(auto names, listDirectory(keeper));
  std::vector<InstanceId> ids;
  for (const auto& name : names) {
    auto id = InstanceId::parse(name);  // "cgroup.events" looks like one too, but is no directory
    if (id && hasGroupFile(keeper, (name + "/cgroup.procs").c_str())) ids.push_back(*std::move(id));
  }
  return ids;
}

}  // namespace agentos::sandbox
