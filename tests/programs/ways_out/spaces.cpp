// SPDX-License-Identifier: Apache-2.0
// By namespaces and mounts.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "attempt.h"

namespace escape {
namespace {

bool enterNew() { return unshare(CLONE_NEWUSER) == 0; }
bool unshareUser(const Words&) { return childDoes(enterNew); }

bool cloneUser(const Words&) {
  long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) _exit(0);
  return child > 0 && waitpid(static_cast<pid_t>(child), nullptr, 0) == child;
}

bool clone3User(const Words&) {
  clone_args arguments{};
  arguments.flags = CLONE_NEWUSER;
  arguments.exit_signal = SIGCHLD;
  long child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0) _exit(0);
  return child > 0 && waitpid(static_cast<pid_t>(child), nullptr, 0) == child;
}

// Root of a user namespace of one's own, and what that may do: a mount over what is there.
bool mountNested() { return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && mount("t", "/tmp", "tmpfs", 0, nullptr) == 0; }
bool nest(const Words&) { return childDoes(mountNested); }

bool putText(const char* path, const std::string& text) {
  int file = open(path, O_WRONLY | O_CLOEXEC);
  return file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Who has no name in a namespace can make none below it.
bool nestTwice() {
  const std::string user = "0 " + std::to_string(getuid()) + " 1", group = "0 " + std::to_string(getgid()) + " 1";
  return unshare(CLONE_NEWUSER) == 0 && putText("/proc/self/uid_map", user) &&
         putText("/proc/self/setgroups", "deny") && putText("/proc/self/gid_map", group) && childDoes(mountNested);
}
bool nestDeep(const Words&) { return childDoes(nestTwice); }

bool bindRoot() { return mount("/", "/tmp", nullptr, MS_BIND | MS_REC, nullptr) == 0; }
bool bind(const Words&) { return childDoes(bindRoot); }
bool openRemount(const Words& words) {
  return mount(nullptr, words[0].c_str(), nullptr, MS_REMOUNT | MS_BIND, nullptr) == 0;
}
bool takeOff(const Words& words) { return umount2(words[0].c_str(), MNT_DETACH) == 0; }
bool mountNew(const Words& words) { return mount("t", words[0].c_str(), words[1].c_str(), 0, nullptr) == 0; }
bool fileSystemContext(const Words&) { return syscall(430 /* fsopen */, "tmpfs", 0) >= 0; }
bool cloneTree(const Words&) { return syscall(428 /* open_tree */, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */) >= 0; }

bool pivotBack() {
  return mount("t", "/tmp", "tmpfs", 0, nullptr) == 0 && chdir("/tmp") == 0 && syscall(SYS_pivot_root, ".", ".") == 0;
}
bool pivot(const Words&) { return childDoes(pivotBack); }

// The classic: a root below the working directory, from which ".." goes on.
bool changeRoot() {
  mkdir("/tmp/below", 0700);
  return chroot("/tmp/below") == 0 && chdir("../../..") == 0 && chroot(".") == 0;
}
bool chrootOut(const Words&) { return childDoes(changeRoot); }

bool joinThat(const Words& words) {
  int space = open(("/proc/" + words[0] + "/ns/" + words[1]).c_str(), O_RDONLY | O_CLOEXEC);
  return space >= 0 && setns(space, 0) == 0;
}
bool join(const Words& words) { return childDoes(joinThat, words); }

bool nameHost(const Words&) {
  char name[65] = {};
  return gethostname(name, sizeof name - 1) == 0 && sethostname(name, __builtin_strlen(name)) == 0;
}

constexpr Attempt kAttempts[] = {
    {"unshare_user", 0, "makes a user namespace by unshare", unshareUser},
    {"clone_user", 0, "makes a user namespace by clone", cloneUser},
    {"clone3_user", 0, "makes a user namespace by clone3, whose flags a filter cannot see", clone3User},
    {"nest", 0, "becomes root of a user namespace and mounts there", nest},
    {"nest_deep", 0, "does that in a user namespace of a user namespace", nestDeep},
    {"bind", 0, "binds the root somewhere else", bind},
    {"remount", 1, "makes a read-only mount writable", openRemount},
    {"unmount", 1, "takes off a mount to see what it covers", takeOff},
    {"mount", 2, "mounts a new file system", mountNew},
    {"fsopen", 0, "makes a file system by the new calls", fileSystemContext},
    {"open_tree", 0, "clones the mounts by the new calls", cloneTree},
    {"pivot_root", 0, "changes its root by pivot_root", pivot},
    {"chroot", 0, "leaves by chroot and ..", chrootOut},
    {"setns", 2, "joins a namespace of another process", join},
    {"sethostname", 0, "sets the host's name", nameHost},
};

}  // namespace

std::span<const Attempt> spaceAttempts() { return kAttempts; }

}  // namespace escape
