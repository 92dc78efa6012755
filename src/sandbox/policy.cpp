// SPDX-License-Identifier: Apache-2.0
#include "sandbox/policy.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "base/text.h"
#include "sandbox/init_protocol.h"
#include "sandbox/room_template.h"

namespace agentos::sandbox {
namespace {

constexpr std::size_t kMaxArguments = 1024;
constexpr std::size_t kMaxVariables = 512;
constexpr std::size_t kMaxString = std::size_t{128} * 1024;  // one argument or variable: the kernel's MAX_ARG_STRLEN
constexpr std::size_t kMaxArgumentBytes = std::size_t{768} * 1024;
constexpr std::size_t kMaxMounts = 24;  // with the rest of a room's descriptors, well within kMaxPassed
constexpr std::size_t kMaxOverlays = kOverlaySpots;
constexpr std::size_t kMaxRecord = std::size_t{256} * 1024;

// The room's own; nothing is mounted on or beneath them.
constexpr std::array<std::string_view, 12> kReserved = {"/usr",  "/etc", "/dev",   "/proc",  "/sys",    "/bin",
                                                        "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/tmp"};

std::unexpected<Error> invalid(std::string what, std::string remedy) {
  return fail(ErrorCode::kInvalidArgument, std::move(what), std::move(remedy));
}
std::unexpected<Error> refused(std::string what, std::string remedy) {
  return fail(ErrorCode::kSandboxPolicy, std::move(what), std::move(remedy));
}

bool hasControl(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}
bool hasNul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

Result<void> checkCommand(const RoomPlan& plan) {
  if (plan.command.empty() || plan.command.size() > kMaxArguments) {
    return invalid("a command of " + std::to_string(plan.command.size()) + " words",
                   "1 to " + std::to_string(kMaxArguments));
  }
  std::size_t bytes = 0;
  for (const auto& word : plan.command) {
    if (hasNul(word) || word.size() >= kMaxString)
      return invalid("a word of the command with a NUL or over 128 KiB", "plain text");
    bytes += word.size() + 1;
  }
  if (bytes > kMaxArgumentBytes) return invalid("a command of " + std::to_string(bytes) + " bytes", "at most 768 KiB");
  if (!isPlainPath(plan.command[0])) {
    return invalid("the program \"" + plan.command[0] + "\"", "an absolute path in the room, without . or ..");
  }
  if (!isPlainPath(plan.workDir))
    return invalid("the working directory \"" + plan.workDir + "\"", "an absolute path in the room");
  return {};
}

bool isVariableName(std::string_view name) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && name.size() <= 256 && letter(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

Result<void> checkEnvironment(const RoomPlan& plan) {
  if (plan.env.size() > kMaxVariables) {
    return invalid(std::to_string(plan.env.size()) + " environment variables",
                   "at most " + std::to_string(kMaxVariables));
  }
  std::set<std::string_view> seen;
  std::size_t bytes = 0;
  for (const auto& [name, value] : plan.env) {
    if (!isVariableName(name)) return invalid("the environment variable \"" + name + "\"", "letters, digits and _");
    if (!seen.insert(name).second) return invalid("the environment variable " + name + " twice", "each once");
    if (hasNul(value) || value.size() >= kMaxString)
      return invalid("a NUL or over 128 KiB in the variable " + name, "plain text");
    bytes += name.size() + value.size() + 2;
  }
  if (bytes > kMaxArgumentBytes)
    return invalid("an environment of " + std::to_string(bytes) + " bytes", "at most 768 KiB");
  return {};
}

bool isHostName(std::string_view name) {
  auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  return name.size() <= 64 && std::ranges::all_of(name, allowed);
}

Result<void> checkRest(const RoomPlan& plan) {
  if (!isHostName(plan.hostName))
    return invalid("the host name \"" + plan.hostName + "\"", "at most 64 of a-z 0-9 - .");
  if (plan.listenPorts.size() > kMaxListeners) {
    return invalid(std::to_string(plan.listenPorts.size()) + " listeners", "at most " + std::to_string(kMaxListeners));
  }
  std::set<std::uint16_t> ports(plan.listenPorts.begin(), plan.listenPorts.end());
  if (ports.size() != plan.listenPorts.size() || ports.contains(0))
    return invalid("a port of 0 or twice", "1 to 65535, each once");
  if (plan.logRotateAt.count < 4096 || plan.logRotateAt.count > (std::uint64_t{1} << 40)) {
    return invalid("log rotation at " + std::to_string(plan.logRotateAt.count) + " bytes", "4 KiB to 1 TiB");
  }
  if (plan.logKeep < 0 || plan.logKeep > 1000)
    return invalid("keeping " + std::to_string(plan.logKeep) + " logs", "0 to 1000");
  if (plan.launchRecord.size() > kMaxRecord || hasControl(plan.launchRecord)) {
    return invalid("a launch record with a control character or over 256 KiB", "one line of JSON");
  }
  return {};
}

template <class Value>
Result<void> within(std::string_view what, std::optional<Value>& asked, const std::optional<Value>& ceiling) {
  if (!ceiling) return {};
  if (!asked) asked = ceiling;
  if (*asked <= *ceiling) return {};
  return refused("a " + std::string(what) + " limit above root's ceiling",
                 "ask for less, or raise spawner.limits." + std::string(what));
}

Result<void> inRange(std::string_view what, const std::optional<std::int64_t>& value, std::int64_t most) {
  if (!value || (*value >= 1 && *value <= most)) return {};
  return invalid(std::string(what) + " of " + std::to_string(*value), "1 to " + std::to_string(most));
}

// The kernel's own bounds, said here by the field. A hostile asker gets an error, never an overflow.
Result<void> checkScheduling(const RoomPlan& plan) {
  if (plan.realTime && plan.batch) return invalid("both a reservation and SCHED_BATCH", "one class");
  if (!plan.realTime) return {};
  const Reservation& one = *plan.realTime;
  const bool ordered = one.runtimeNs >= 10'000 && one.runtimeNs <= one.deadlineNs && one.deadlineNs <= one.periodNs;
  if (ordered && one.periodNs >= 100'000 && one.periodNs <= 4'000'000'000) return {};
  return invalid("a reservation of " + formatReservation(one),
                 "runtime (10 us at least), deadline, period (100 us to 4 s), none larger than the next");
}

Result<void> checkLimits(const Ceilings& ceilings, Limits& limits) {
  AGENTOS_CHECK(within("cpu", limits.cpu, ceilings.cpu));
  AGENTOS_CHECK(within("memory", limits.memory, ceilings.memory));
  AGENTOS_CHECK(within("swap", limits.swap, ceilings.swap));
  AGENTOS_CHECK(within("pids", limits.pids, std::optional(ceilings.pids)));
  AGENTOS_CHECK(inRange("pids", limits.pids, 4194304));
  AGENTOS_CHECK(inRange("cpu weight", limits.cpuWeight, 10000));
  AGENTOS_CHECK(inRange("io weight", limits.ioWeight, 10000));
  if (limits.cpu && (limits.cpu->count < 1 || limits.cpu->count > 1'000'000)) {
    return invalid("a cpu limit of " + std::to_string(limits.cpu->count) + "m", "1m to 1000 cores");
  }
  if (limits.memory && (limits.memory->count < (1 << 20) || limits.memory->count > (std::uint64_t{1} << 50))) {
    return invalid("a memory limit of " + std::to_string(limits.memory->count) + " bytes", "1 MiB to 1 PiB");
  }
  const IoMax& io = limits.ioMax;
  constexpr std::int64_t kMostOps = 1'000'000'000;
  AGENTOS_CHECK(inRange("reads in a second", io.readOps, kMostOps));
  AGENTOS_CHECK(inRange("writes in a second", io.writeOps, kMostOps));
  for (const auto& bytes : {io.read, io.write}) {
    if (bytes && (bytes->count == 0 || bytes->count > (std::uint64_t{1} << 50)))
      return invalid("an io limit of " + std::to_string(bytes->count) + " bytes in a second", "1 byte to 1 PiB");
  }
  if (limits.scratchQuota &&
      (limits.scratchQuota->count < (1 << 20) || limits.scratchQuota->count > (std::uint64_t{1} << 44)))
    return invalid("a scratch of " + std::to_string(limits.scratchQuota->count) + " bytes", "1 MiB to 16 TiB");
  if (limits.scratchEncrypted && !limits.scratchQuota) return invalid("an encrypted scratch of no size", "a size");
  AGENTOS_CHECK(inRange("processors to see", limits.cpus, 1024));
  if (limits.memoryHigh &&
      (limits.memoryHigh->count < (1 << 20) || limits.memoryHigh->count > (std::uint64_t{1} << 50)))
    return invalid("a memory high mark of " + std::to_string(limits.memoryHigh->count) + " bytes", "1 MiB to 1 PiB");
  if (limits.swap && limits.swap->count > (std::uint64_t{1} << 50)) return invalid("a swap limit over 1 PiB", "less");
  return {};
}

// The rule with the longest prefix decides, so that a read-only tree may hold a writable one and the other way round.
const MountRule* ruleFor(const Policy& policy, std::string_view source) {
  const MountRule* best = nullptr;
  for (const auto& rule : policy.mounts) {
    if (isBeneath(source, rule.prefix) && (best == nullptr || rule.prefix.size() > best->prefix.size())) best = &rule;
  }
  return best;
}

// A writable tree of root's that holds a read-only one: mounted from above, the lower one would be writable too.
const MountRule* closedRuleBeneath(const Policy& policy, std::string_view source) {
  auto closed = [&](const MountRule& rule) {
    return !rule.writable && rule.prefix != source && isBeneath(rule.prefix, source);
  };
  auto found = std::ranges::find_if(policy.mounts, closed);
  return found == policy.mounts.end() ? nullptr : &*found;
}

// The layers are written by the kernel on behalf of the room: what holds for a writable mount holds for them.
Result<const MountRule*> checkLayers(const Policy& policy, const RoomMount& mount) {
  if (!isPlainPath(mount.layers))
    return invalid("the overlay's layers \"" + mount.layers + "\"", "an absolute path without . or ..");
  if (mount.writable || !mount.idmapped)
    return invalid("an overlay on " + mount.target + " that is writable or not idmapped", "a plain idmapped source");
  if (isBeneath(mount.layers, mount.source) || isBeneath(mount.source, mount.layers))
    return invalid("an overlay's layers in its source or around it: " + mount.layers, "a directory beside it");
  const MountRule* rule = ruleFor(policy, mount.layers);
  if (rule == nullptr || !rule->writable)
    return refused("layers of an overlay in " + mount.layers, "a path beneath a writable one of root's spawner.mounts");
  return rule;
}

Result<AllowedMount> checkMount(const Policy& policy, const RoomMount& mount) {
  if (!isPlainPath(mount.source))
    return invalid("the mount source \"" + mount.source + "\"", "an absolute path without . or ..");
  if (!isPlainPath(mount.target) || mount.target == "/") {
    return invalid("the mount target \"" + mount.target + "\"", "an absolute path in the room, not its root");
  }
  for (auto reserved : kReserved) {
    if (isBeneath(mount.target, reserved))
      return refused("a mount on " + mount.target, "a target outside " + std::string(reserved));
  }
  // Without an owner map nothing in it is the agent's: it could be meant only for what everybody may write, and what
  // the room makes there would belong on disk to an id of the rooms' range, the next room's perhaps.
  if (mount.writable && !mount.idmapped)
    return refused("a writable mount of " + mount.source + " without an owner map", "idmapped, or read-only");
  const MountRule* rule = ruleFor(policy, mount.source);
  if (rule == nullptr)
    return refused("the mount source " + mount.source, "a path beneath one of root's spawner.mounts");
  if (mount.writable && !rule->writable) {
    return refused("a writable mount of " + mount.source,
                   "read-only, or `writable: true` in root's rule for " + rule->prefix);
  }
  if (const MountRule* closed = mount.writable ? closedRuleBeneath(policy, mount.source) : nullptr) {
    return refused("a writable mount of " + mount.source + ", which holds " + closed->prefix,
                   "read-only, or a source beside it");
  }
  AllowedMount allowed{mount, rule->owner.value_or(policy.peerUid), rule->group.value_or(policy.peerGid)};
  if (mount.layers.empty()) return allowed;
  AGENTOS_TRY(const MountRule* layers, checkLayers(policy, mount));
  allowed.layersOwner = layers->owner.value_or(policy.peerUid);
  allowed.layersGroup = layers->group.value_or(policy.peerGid);
  return allowed;
}

}  // namespace

bool isPlainPath(std::string_view path) {
  if (path.empty() || path[0] != '/' || path.size() > 4095 || hasControl(path)) return false;
  if (path == "/") return true;
  for (auto part : split(path.substr(1), '/')) {
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
  }
  return true;
}

bool isBeneath(std::string_view path, std::string_view prefix) {
  if (prefix == "/") return true;
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

Result<AllowedPlan> checkPlan(const Policy& policy, RoomPlan plan) {
  if (plan.id.empty()) return invalid("a plan without an instance id", "<agent>.<six characters>");
  AGENTOS_CHECK(checkCommand(plan));
  AGENTOS_CHECK(checkEnvironment(plan));
  AGENTOS_CHECK(checkRest(plan));
  AGENTOS_CHECK(checkLimits(policy.ceilings, plan.limits));
  AGENTOS_CHECK(checkScheduling(plan));
  if (plan.mounts.size() > kMaxMounts) {
    return invalid(std::to_string(plan.mounts.size()) + " mounts", "at most " + std::to_string(kMaxMounts));
  }
  auto overlays = std::ranges::count_if(plan.mounts, [](const auto& mount) { return !mount.layers.empty(); });
  if (static_cast<std::size_t>(overlays) > kMaxOverlays) {
    return invalid(std::to_string(overlays) + " overlays", "at most " + std::to_string(kMaxOverlays));
  }
  AllowedPlan allowed;
  std::set<std::string_view> targets;
  for (const auto& mount : plan.mounts) {
    if (!targets.insert(mount.target).second) return invalid("two mounts on " + mount.target, "one");
    AGENTOS_TRY(auto checked, checkMount(policy, mount));
    allowed.mounts.push_back(std::move(checked));
  }
  auto depth = [](const AllowedMount& entry) {
    return std::pair(std::ranges::count(entry.mount.target, '/'), std::string_view(entry.mount.target));
  };
  std::ranges::sort(allowed.mounts, {}, depth);
  allowed.plan = std::move(plan);
  return allowed;
}

Result<void> checkPolicy(const Policy& policy) {
  constexpr std::uint64_t kLast = std::numeric_limits<std::int32_t>::max();  // beyond, some programs see negative ids
  std::uint64_t end = std::uint64_t{policy.uidFirst} + std::uint64_t{policy.slots} * kIdsPerRoom;
  auto bad = [](std::string what, std::string remedy) {
    return fail(ErrorCode::kConfig, std::move(what), std::move(remedy));
  };
  if (policy.uidFirst < kIdsPerRoom || policy.slots == 0 || end - 1 > kLast) {
    return bad(
        "the uid range from " + std::to_string(policy.uidFirst) + " for " + std::to_string(policy.slots) + " rooms",
        "first at least 65536, and first + 65536 · slots at most 2147483648");
  }
  if (policy.peerUid == 0)
    return bad("root as agentd's user", "an ordinary user: what agents make would belong to root");
  if (policy.peerUid >= policy.uidFirst && policy.peerUid < end) {
    return bad("agentd's uid " + std::to_string(policy.peerUid) + " lies in the rooms' range", "a user outside it");
  }
  for (const auto* path :
       {&policy.stateDir, &policy.logDir, &policy.runDir, &policy.cgroupRoot, &policy.initBinary, &policy.volumeDir}) {
    if (!isPlainPath(*path)) return bad("the path \"" + *path + "\" in the policy", "an absolute path without . or ..");
  }
  for (const auto& rule : policy.mounts) {
    if (!isPlainPath(rule.prefix))
      return bad("the mount prefix \"" + rule.prefix + "\"", "an absolute path without . or ..");
    if (rule.owner == uid_t{0} || rule.group == gid_t{0}) {
      return bad("root as the owner of " + rule.prefix, "an ordinary user: an agent would write files of root");
    }
  }
  if (policy.ceilings.rooms == 0 || policy.ceilings.pids < 1)
    return bad("a ceiling of no rooms or no processes", "at least 1");
  return {};
}

}  // namespace agentos::sandbox
