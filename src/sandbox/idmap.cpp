// SPDX-License-Identifier: Apache-2.0
#include "sandbox/idmap.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/files.h"
#include "sandbox/breach.h"

namespace agentos::sandbox {
namespace {

// A process that does nothing but be in a new user namespace while its map is written. It does not outlive a spawner
// that is killed meanwhile: it would keep its sockets and locks open for ever.
pid_t startHolder() {
  pid_t spawner = ::getpid();
  pid_t pid = static_cast<pid_t>(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (::getppid() == spawner) ::pause();
  ::_exit(0);
}

Result<void> writeMap(const std::string& path, unsigned inside, unsigned outside) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return failErrno(errno, "opening " + path);
  return writeAll(file.get(), std::to_string(inside) + " " + std::to_string(outside) + " 1\n");
}

Result<Fd> namespaceOf(pid_t holder, const OwnerMap& map) {
  std::string proc = "/proc/" + std::to_string(holder);
  AGENTOS_CHECK(writeMap(proc + "/uid_map", map.uidOnDisk, map.uidShown));
  AGENTOS_CHECK(writeMap(proc + "/gid_map", map.gidOnDisk, map.gidShown));
  Fd space(::open((proc + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  if (!space) return failErrno(errno, "opening " + proc + "/ns/user");
  return space;
}

Result<Fd> makeNamespace(const OwnerMap& map) {
  pid_t holder = startHolder();
  if (holder < 0) return failErrno(errno, "making a user namespace for an idmapped mount");
  auto space = namespaceOf(holder, map);
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  return space;
}

}  // namespace

Result<int> OwnerMaps::find(const OwnerMap& map) {
  auto known = kept_.find(map);
  if (known != kept_.end()) return known->second.get();
  if (kept_.size() >= limit_) kept_.erase(std::prev(kept_.end()));  // the highest range, the one used least
  AGENTOS_TRY(Fd made, makeNamespace(map));
  return kept_.emplace(map, std::move(made)).first->second.get();
}

Result<Fd> detachedTree(int source, const TreeOptions& options) {
  unsigned recursive = options.recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U;
  constexpr unsigned kClone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
  Fd tree(static_cast<int>(::syscall(SYS_open_tree, source, "", kClone | recursive)));
  if (!tree) return failErrno(errno, "open_tree");
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (isDown("mountflags")) attributes.attr_set = 0;
  if (!options.writable && !isDown("readonly")) attributes.attr_set |= MOUNT_ATTR_RDONLY;
  attributes.propagation = MS_PRIVATE;
  if (options.ownerMap >= 0) {
    attributes.attr_set |= MOUNT_ATTR_IDMAP;
    attributes.userns_fd = static_cast<std::uint64_t>(options.ownerMap);
  }
  if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH | recursive, &attributes, sizeof attributes) != 0) {
    return failErrno(errno, options.ownerMap >= 0 ? "mount_setattr (idmapped)" : "mount_setattr",
                     errno == EINVAL ? "a file system that supports idmapped mounts (ext4, xfs, btrfs)" : "");
  }
  return tree;
}

Result<void> mapOwners(int tree, int ownerMap) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<std::uint64_t>(ownerMap);
  if (::syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
    return failErrno(errno, "mount_setattr (idmapped)");
  return {};
}

}  // namespace agentos::sandbox
