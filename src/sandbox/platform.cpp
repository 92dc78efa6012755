// SPDX-License-Identifier: Apache-2.0
#include "sandbox/platform.h"

#include <fcntl.h>

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
  addMachineFacts(report, {"cpu", "io", "memory", "pids"}, mounts.point.value_or(""));
  return report;
}

}  // namespace agentos::sandbox
