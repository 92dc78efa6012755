// SPDX-License-Identifier: Apache-2.0
#include "sandbox/host.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/files.h"
#include "sandbox/cgroup.h"
#include "sandbox/seccomp.h"

namespace agentos::sandbox {
namespace {

// A directory of root's beneath the run directory, whoever may have made it before.
Result<Fd> ownDirectory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return failErrno(errno, "making " + path);
  AGENTOS_TRY(Fd directory, openPlain(path, O_RDONLY | O_DIRECTORY));
  if (::fchown(directory.get(), 0, 0) != 0 || ::fchmod(directory.get(), mode) != 0)
    return failErrno(errno, "taking " + path);
  return directory;
}

// Every live room costs one descriptor, every warm range two.
void raiseOpenFiles() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);  // the soft limit it has is enough to start with
}

void removeLeftOver(int keeper) {
  auto ids = listInstances(keeper);
  if (!ids) return;
  for (const auto& id : *ids) {
    auto top = openGroupAt(keeper, id.str());
    if (!top) continue;
    auto events = eventsOf(top->get());
    // Ignoring a failure: the room is swept again when agentd asks for it.
    if (events && !events->populated) (void)removeInstanceGroups(keeper, id);
  }
}

Slots::Alive aliveBelow(const Host& host) {
  return [&host](const InstanceId& id) {
    auto top = openGroupAt(host.keeper.get(), id.str());
    if (!top) return top.error().code != ErrorCode::kNotFound;
    auto events = eventsOf(top->get());
    return !events || events->populated;
  };
}

Result<void> openParts(Host& host) {
  const Policy& policy = host.policy;
  AGENTOS_TRY(host.bootId, bootId());
  AGENTOS_TRY(host.keeper, openGroup(policy.cgroupRoot));
  AGENTOS_TRY(host.controllers, controllersOf(host.keeper.get(), false));
  AGENTOS_TRY(host.sockets, ownDirectory(policy.runDir + "/instances", 0711));
  AGENTOS_TRY(Fd slots, ownDirectory(policy.runDir + "/slots", 0700));
  host.slots =
      std::make_unique<Slots>(std::move(slots), std::min(policy.slots, policy.ceilings.rooms), aliveBelow(host));
  AGENTOS_TRY(host.initProgram, openPlain(policy.initBinary, O_RDONLY));
  for (unsigned which = 0; which < host.seccomp.size(); ++which) {
    AGENTOS_TRY(host.seccomp[which], compileSeccomp((which & 1) != 0, (which & 2) != 0));
  }
  AGENTOS_TRY(host.records, RecordWriter::start());
  AGENTOS_TRY(host.volumes, VolumeMaker::start(policy.volumeDir, policy.runDir + "/volume"));
  host.networks = std::make_shared<NetPool>(4);
  host.cloner = std::make_unique<Cloner>(host.networks);
  return {};
}

}  // namespace

Result<Fd> openPlain(const std::string& path, int flags) {
  open_how how{static_cast<std::uint64_t>(flags | O_CLOEXEC), 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  Fd file(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (file) return file;
  if (errno == ELOOP)
    return fail(ErrorCode::kPathEscapes, path + " goes by a symbolic link", "the path that it leads to");
  return failErrno(errno, "opening " + path);
}

OwnerMap Host::ownerMap(std::uint32_t slot, std::uint32_t shownAs, uid_t owner, gid_t group) const {
  return {owner, firstId(slot) + shownAs, group, firstId(slot) + shownAs};
}

Result<void> applyPolicy(Host& host, Policy policy) {
  AGENTOS_CHECK(checkPolicy(policy));
  Policy& now = host.policy;
  const std::vector<std::pair<const char*, bool>> fixed = {
      {"user", policy.peerUid != now.peerUid || policy.peerGid != now.peerGid},
      {"spawner.uids", policy.uidFirst != now.uidFirst || policy.slots != now.slots},
      {"spawner.limits.rooms", policy.ceilings.rooms != now.ceilings.rooms},
      {"spawner.cgroup", policy.cgroupRoot != now.cgroupRoot},
      {"spawner.init", policy.initBinary != now.initBinary},
      {"spawner.state, logs or run",
       policy.stateDir != now.stateDir || policy.logDir != now.logDir || policy.runDir != now.runDir}};
  std::string names;
  for (const auto& [name, changed] : fixed) {
    if (changed) names += std::string(names.empty() ? "" : ", ") + name;
  }
  if (!names.empty()) {
    return fail(ErrorCode::kConfig, names + " cannot change while the spawner runs",
                "restart agentd-spawner (agents go on), or take the change back");
  }
  now.mounts = std::move(policy.mounts);
  now.ceilings = policy.ceilings;
  return {};
}

bool Host::warmNextSlot() {
  std::uint32_t slot = slots->next();
  if (slot >= policy.slots) return false;
  for (std::uint32_t shownAs : {0U, kAgentId}) {
    auto map = ownerMap(slot, shownAs, policy.peerUid, policy.peerGid);
    // Ignoring a failure: the room that needs it will say so.
    if (!ownerMaps.has(map)) return ownerMaps.find(map).has_value();
  }
  return false;
}

Result<std::unique_ptr<Host>> openHost(Policy policy) {
  AGENTOS_CHECK(checkPolicy(policy));
  ::umask(022);
  raiseOpenFiles();
  auto host = std::make_unique<Host>();
  host->policy = std::move(policy);
  // Before anything is opened: what is mounted from must be opened in the namespace that it is mounted in.
  AGENTOS_TRY(auto made, enterTemplate(host->policy.runDir + "/template", host->policy.etc));
  host->roomTemplate = std::make_shared<const RoomTemplate>(std::move(made));
  AGENTOS_CHECK(openParts(*host));
  removeLeftOver(host->keeper.get());
  return host;
}

}  // namespace agentos::sandbox
