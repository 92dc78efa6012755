// SPDX-License-Identifier: Apache-2.0
#include "sandbox/platform.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/files.h"
#include "sandbox/machine.h"
#include "sandbox/mountinfo.h"
#include "sandbox/real_time.h"

namespace agentos::sandbox {
namespace {

// On the file system where the records and scratch directories are.
Result<void> tryIdmapped(Host& host) {
  AGENTOS_TRY(Fd state, openPlain(host.policy.stateDir, O_RDONLY | O_DIRECTORY));
  AGENTOS_TRY(int map, host.ownerMaps.find(host.ownerMap(0, 0, host.policy.peerUid, host.policy.peerGid)));
  AGENTOS_CHECK(detachedTree(state.get(), {.writable = true, .recursive = false, .ownerMap = map}));
  return {};
}

// In a child's own namespaces, as a room does it: the template's directory of logs is where it has room to.
[[noreturn]] void mountOverlayAndLeave() {
  auto must = [](bool done) {
    if (!done) ::_exit(errno == 0 ? 255 : errno);
  };
  auto write = [&](const char* path, const char* text) {
    const int file = ::open(path, O_WRONLY | O_CLOEXEC);
    must(file >= 0 && ::write(file, text, std::strlen(text)) > 0);
    ::close(file);
  };
  must(::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
  write("/proc/self/setgroups", "deny");
  write("/proc/self/uid_map", "0 0 1");
  write("/proc/self/gid_map", "0 0 1");
  must(::mount("try", "logs", "tmpfs", 0, "size=64k") == 0);
  for (const char* name : {"logs/lower", "logs/upper", "logs/work", "logs/on"}) must(::mkdir(name, 0755) == 0);
  constexpr const char* kOptions =
      "lowerdir=logs/lower,upperdir=logs/upper,workdir=logs/"
      "work,userxattr,redirect_dir=nofollow,metacopy=off,index=off";
  must(::mount("try", "logs/on", "overlay", 0, kOptions) == 0);
  must(::mkdir("logs/on/made", 0755) == 0);
  ::_exit(0);
}

Result<void> tryOverlay() {
  const pid_t child = ::fork();
  if (child < 0) return failErrno(errno, "fork");
  if (child == 0) mountOverlayAndLeave();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return failErrno(WIFEXITED(status) ? WEXITSTATUS(status) : EINTR, "overlayfs in a user namespace",
                   "a kernel of 5.19 or newer with overlayfs");
}

}  // namespace

PlatformReport reportPlatform(Host& host) {
  PlatformReport report;
  report.cgroupRoot = host.policy.cgroupRoot;
  CgroupMounts mounts;
  if (auto text = readPath("/proc/self/mountinfo")) mounts = findCgroupMounts(parseMountInfo(*text));
  report.cgroupMode = mounts.mode;
  report.controllers.assign(host.controllers.begin(), host.controllers.end());
  auto idmapped = tryIdmapped(host);
  report.idmappedMounts = idmapped.has_value();
  if (!idmapped) report.warnings.push_back("no room can be made here: " + idmapped.error().message());
  report.realTime = reportRealTime(host.policy, host.keeper.get());
  if (report.realTime.cpus == 0)
    report.warnings.push_back("no real time here, class HRT is refused: " + report.realTime.why);
  auto overlay = tryOverlay();
  report.overlayMounts = idmapped && overlay;
  if (!overlay) report.warnings.push_back("no overlay can be mounted in a room here: " + overlay.error().message());
  report.noVolumes = whyNoVolumes();
  report.noEncryption = whyNoEncryption();
  addMachineFacts(report, {"cpu", "io", "memory", "pids"}, mounts.point.value_or(""));
  return report;
}

}  // namespace agentos::sandbox
