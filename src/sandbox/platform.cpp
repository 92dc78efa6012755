// SPDX-License-Identifier: Apache-2.0
#include "sandbox/platform.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/files.h"
#include "sandbox/mountinfo.h"

namespace agentos::sandbox {
namespace {

int landlockAbi() {
  auto version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : static_cast<int>(version);
}

// On the file system where the records and scratch directories are.
Result<void> tryIdmapped(Host& host) {
  AGENTOS_TRY(Fd state, openPlain(host.policy.stateDir, O_RDONLY | O_DIRECTORY));
  AGENTOS_TRY(int map, host.ownerMaps.find(host.ownerMap(0, 0, host.policy.peerUid, host.policy.peerGid)));
  AGENTOS_CHECK(detachedTree(state.get(), {.writable = true, .recursive = false, .ownerMap = map}));
  return {};
}

}  // namespace

PlatformReport reportPlatform(Host& host) {
  PlatformReport report;
  report.cgroupRoot = host.policy.cgroupRoot;
  if (auto text = readPath("/proc/self/mountinfo")) report.cgroupMode = findCgroupMounts(parseMountInfo(*text)).mode;
  report.controllers.assign(host.controllers.begin(), host.controllers.end());
  report.landlockAbi = landlockAbi();
  utsname name{};
  if (::uname(&name) == 0) report.kernel = name.release;
  auto idmapped = tryIdmapped(host);
  report.idmappedMounts = idmapped.has_value();
  if (!idmapped) report.warnings.push_back("no room can be made here: " + idmapped.error().message());
  for (const char* wanted : {"cpu", "io", "memory", "pids"}) {
    if (host.controllers.contains(wanted)) continue;
    report.warnings.push_back(std::string("the ") + wanted + " controller is not in cgroup v2: its limits are not enforced");
  }
  return report;
}

}  // namespace agentos::sandbox
