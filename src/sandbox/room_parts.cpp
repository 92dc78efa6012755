// SPDX-License-Identifier: Apache-2.0
#include "sandbox/room_parts.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "sandbox/breach.h"
#include "sandbox/channel.h"
#include "sandbox/limits_file.h"
#include "sandbox/real_time.h"

namespace agentos::sandbox {
namespace {

std::string sizeOption(std::uint64_t bytes) {
  return "size=" + std::to_string(bytes) + ",nr_inodes=" + std::to_string(bytes / 4096 + 64);
}

// A room without a memory controller fills its /tmp at the machine's cost: the ceiling holds in any case.
std::uint64_t tmpBytes(const Host& host, const Limits& limits) {
  std::uint64_t most = host.policy.ceilings.tmp.count;
  return limits.memory ? std::min(most, limits.memory->count) : most;
}

// The directories that lead to a target on the room's own root; none for a target within another mount.
void addDirectories(ChildPlan& plan, const std::string& target, std::set<std::string>& seen) {
  for (auto slash = target.find('/', 1); slash != std::string::npos; slash = target.find('/', slash + 1)) {
    std::string path = target.substr(1, slash - 1);
    if (seen.insert(path).second) plan.directories.push_back(path);
  }
}

bool isInsideAnother(const std::string& target, const std::vector<AllowedMount>& mounts) {
  return std::ranges::any_of(mounts, [&](const AllowedMount& other) {
    return other.mount.target != target && isBeneath(target, other.mount.target);
  });
}

// For Landlock, a second time: what the room's mounts show and let be changed. A program that may mount must not be
// held so: whoever is may mount nothing.
void addPaths(InitPlan& init, const RoomPlan& plan) {
  if (plan.nestedUserns) return;
  init.readable = {"/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/sys", "/run"};
  init.writable = {"/tmp", "/dev/shm", "/home/agent"};
  for (const auto& mount : plan.mounts) {
    auto& paths = mount.writable || !mount.layers.empty() ? init.writable : init.readable;
    paths.push_back(mount.target);
  }
}

InitPlan initPlanOf(const Host& host, const RoomPlan& plan) {
  InitPlan init;
  init.argv = plan.command;
  for (const auto& [name, value] : plan.env) init.env.push_back(name + "=" + value);
  init.workDir = plan.workDir;
  init.uid = init.gid = kAgentId;
  auto pids = static_cast<std::uint64_t>(*plan.limits.pids);  // filled up by checkPlan
  // Where the group counts, it is to be the group that refuses: then the refusal is counted as well.
  if (host.controllers.contains("pids")) pids += 64;
  std::uint64_t files = host.policy.ceilings.openFiles;
  init.rlimits = {
      {RLIMIT_NPROC, pids, pids}, {RLIMIT_NOFILE, std::min<std::uint64_t>(files, 4096), files}, {RLIMIT_CORE, 0, 0}};
  if (isDown("rlimits")) init.rlimits.clear();
  init.seccomp = !isDown("seccomp");
  init.logRotateAt = plan.logRotateAt.count;
  init.logKeep = static_cast<std::uint32_t>(plan.logKeep);
  init.listeners = static_cast<std::uint32_t>(plan.listenPorts.size());
  init.nestedUserns = plan.nestedUserns;
  addPaths(init, plan);
  init.batch = plan.batch;
  if (auto locked = lockedMemoryOf(plan)) init.rlimits.push_back({RLIMIT_MEMLOCK, *locked, *locked});
  return init;
}

// agentd makes it; made here for it when it has not.
Result<Fd> instanceDirectory(const Host& host, const std::string& base, const InstanceId& id) {
  std::string path = base + "/" + id.str();
  auto found = openPlain(path, O_RDONLY | O_DIRECTORY);
  if (found || found.error().code != ErrorCode::kNotFound) return found;
  AGENTOS_TRY(Fd parent, openPlain(base, O_RDONLY | O_DIRECTORY));
  if (::mkdirat(parent.get(), id.str().c_str(), 0750) != 0) return failErrno(errno, "making " + path);
  AGENTOS_TRY(Fd made, openPlain(path, O_RDONLY | O_DIRECTORY));
  if (::fchown(made.get(), host.policy.peerUid, host.policy.peerGid) != 0)
    return failErrno(errno, "giving " + path + " to agentd");
  return made;
}

// `directory` as an idmapped mount: what agent-init makes in it belongs to agentd's user on disk.
Result<Fd> asAgentInits(Host& host, std::uint32_t slot, int directory) {
  AGENTOS_TRY(int map, host.ownerMaps.find(host.ownerMap(slot, 0, host.policy.peerUid, host.policy.peerGid)));
  return detachedTree(directory, {.writable = true, .recursive = false, .ownerMap = map});
}

// agent-init may make the payload in pay/ and nowhere else: CLONE_INTO_CGROUP asks for the target's cgroup.procs and
// for that of the nearest group above both. No limit is its to write.
Result<void> letCloneInto(const InstanceGroups& groups, uid_t roomRoot) {
  for (int group : {groups.top.get(), groups.pay.get()}) {
    if (::fchownat(group, "cgroup.procs", roomRoot, roomRoot, AT_SYMLINK_NOFOLLOW) != 0) {
      return failErrno(errno, "giving cgroup.procs to the room's root", {}, ErrorCode::kSandboxCgroup);
    }
  }
  return {};
}

struct Mounted {
  char letter = '-';
  Fd tree;
  Fd layers;  // of an overlay
};

// The directory that holds `upper` and `work`. A link in the place of one of these is not followed by the room's child
// either: it is in an idmapped mount of this directory alone, and is refused.
Result<Fd> makeLayers(Host& host, std::uint32_t slot, const AllowedMount& allowed) {
  AGENTOS_TRY(Fd source, openPlain(allowed.mount.layers, O_PATH | O_DIRECTORY));
  auto owner = host.ownerMap(slot, kAgentId, allowed.layersOwner, allowed.layersGroup);
  AGENTOS_TRY(int map, host.ownerMaps.find(owner));
  auto tree = detachedTree(source.get(), {.writable = true, .recursive = false, .ownerMap = map});
  if (!tree) return std::unexpected(std::move(tree).error().within("mounting " + allowed.mount.layers));
  return tree;
}

Result<Mounted> makeMount(Host& host, std::uint32_t slot, const AllowedMount& allowed) {
  const RoomMount& mount = allowed.mount;
  auto source = openPlain(mount.source, O_PATH);
  if (!source) {
    if (mount.optional && source.error().code == ErrorCode::kNotFound) return Mounted{};
    return std::unexpected(std::move(source).error());
  }
  struct stat info{};
  if (::fstat(source->get(), &info) != 0) return failErrno(errno, "looking at " + mount.source);
  if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) {
    return fail(ErrorCode::kSandboxPolicy, mount.source + " is neither a directory nor a plain file", "one of these");
  }
  TreeOptions options{.writable = mount.writable, .recursive = false, .ownerMap = -1};
  if (mount.idmapped) {
    AGENTOS_TRY(options.ownerMap, host.ownerMaps.find(host.ownerMap(slot, kAgentId, allowed.owner, allowed.group)));
  }
  auto tree = detachedTree(source->get(), options);
  if (!tree) return std::unexpected(std::move(tree).error().within("mounting " + mount.source));
  if (mount.layers.empty()) return Mounted{S_ISDIR(info.st_mode) ? 'd' : 'f', *std::move(tree), {}};
  if (!S_ISDIR(info.st_mode))
    return fail(ErrorCode::kSandboxPolicy, mount.source + " is a plain file under an overlay", "a directory");
  AGENTOS_TRY(Fd layers, makeLayers(host, slot, allowed));
  return Mounted{'o', *std::move(tree), std::move(layers)};
}

}  // namespace

std::string socketName(const InstanceId& id) { return id.str() + ".sock"; }

ChildPlan makeChildPlan(const Host& host, const AllowedPlan& allowed) {
  ChildPlan child;
  child.initProgram = host.initProgram.get();
  child.roomTemplate = host.roomTemplate;
  child.hostName = allowed.plan.hostName;
  child.ports = allowed.plan.listenPorts;
  std::set<std::string> seen;
  bool home = false;
  for (const auto& entry : allowed.mounts) {
    const std::string& target = entry.mount.target;
    bool inside = isInsideAnother(target, allowed.mounts);
    home = home || target == "/home/agent";
    if (!inside) addDirectories(child, target, seen);
    child.targets.push_back({target.substr(1), !inside});
  }
  std::uint64_t tmp = tmpBytes(host, allowed.plan.limits);
  child.tmpOptions = "mode=1777," + sizeOption(tmp);
  child.shmOptions = "mode=1777," + sizeOption(tmp / 4);
  if (!home) child.homeOptions = "mode=0700,uid=1000,gid=1000," + sizeOption(tmp);
  return child;
}

Result<Fd> openRecordDir(const Host& host, const InstanceId& id) {
  return instanceDirectory(host, host.policy.stateDir + "/instances", id);
}

Result<RoomParts> makeRoomParts(Host& host, const AllowedPlan& allowed, const InstanceGroups& groups, const Slot& slot,
                                int recordDir, const Enforcement& said, Fd volume) {
  const RoomPlan& plan = allowed.plan;
  RoomParts parts;
  parts.letters = std::string(1, kChildParts);
  parts.fds.resize(kPassedFixed);
  AGENTOS_TRY(parts.fds[kPassPlan], makeSealed("agent-init-plan", encodeInitPlan(initPlanOf(host, plan))));
  AGENTOS_TRY(parts.fds[kPassControl],
              listenAt(host.sockets.get(), socketName(plan.id), host.policy.peerUid, host.policy.peerGid));
  AGENTOS_TRY(Fd logs, instanceDirectory(host, host.policy.logDir, plan.id));
  AGENTOS_TRY(parts.fds[kPassLogDir], asAgentInits(host, slot.number, logs.get()));
  AGENTOS_TRY(parts.fds[kPassRecordDir], asAgentInits(host, slot.number, recordDir));
  parts.fds[kPassPayProcs] = Fd(::openat(groups.pay.get(), "cgroup.procs", O_WRONLY | O_CLOEXEC));
  parts.fds[kPassSeccomp] = host.seccompFor(plan).duplicate();
  parts.fds[kPassSlot] = slot.lock.duplicate();
  AGENTOS_TRY(parts.fds[kPassPayTree], detachedTree(groups.pay.get(), {}));
  parts.fds[kPassPayDir] = Fd(::openat(parts.fds[kPassPayTree].get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  AGENTOS_CHECK(letCloneInto(groups, host.firstId(slot.number)));
  for (const auto& fd : parts.fds) {
    if (!fd) return failErrno(errno, "opening the parts of a room");
  }
  for (const auto& entry : allowed.mounts) {
    if (volume && entry.mount.target == kHomeTarget) {
      AGENTOS_TRY(int map, host.ownerMaps.find(host.ownerMap(slot.number, kAgentId, entry.owner, entry.group)));
      AGENTOS_CHECK(mapOwners(volume.get(), map));
      parts.letters += 'd';
      parts.fds.push_back(std::move(volume));
      continue;
    }
    AGENTOS_TRY(auto mounted, makeMount(host, slot.number, entry));
    parts.letters += mounted.letter;
    if (mounted.tree) parts.fds.push_back(std::move(mounted.tree));
    if (mounted.layers) parts.fds.push_back(std::move(mounted.layers));
  }
  const std::uint64_t tmp = tmpBytes(host, plan.limits);
  parts.letters += formatLimitsFile(plan.limits, {{tmp}, {tmp / 4}, host.policy.ceilings.openFiles}, said);
  return parts;
}

}  // namespace agentos::sandbox
