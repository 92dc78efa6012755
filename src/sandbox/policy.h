// SPDX-License-Identifier: Apache-2.0
// Root's word on what agentd may ask of the spawner. agentd is assumed to be hostile: whatever it sends is held against
// this before anything is done. Pure: what needs the file system (opening a mount's source without following a link) is
// done where the mount is made, and what is decided here is decided on the text alone.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "sandbox/room.h"

namespace agentos::sandbox {

inline constexpr std::uint32_t kIdsPerRoom = 65536;  // host uids (and gids) of one room
inline constexpr std::uint32_t kAgentId = 1000;      // the payload's uid and gid in its room

// A tree that rooms may mount from, itself and all beneath it.
struct MountRule {
  std::string prefix;     // absolute, no symbolic link in it (the loader resolves it)
  bool writable = false;  // may be mounted read-write
  // Whose files show as the agent's own in an idmapped mount; absent: the peer's.
  std::optional<uid_t> owner;
  std::optional<gid_t> group;
  bool operator==(const MountRule&) const = default;
};

// The most that a room may be given; a plan that asks for nothing gets this much, one that asks for more is refused.
struct Ceilings {
  std::optional<MilliCpu> cpu;
  std::optional<Bytes> memory, swap;
  std::int64_t pids = 16384;
  std::uint32_t rooms = 4096;  // alive at once
  Bytes tmp{1 << 30};          // of a room's /tmp; /dev/shm gets a quarter
  std::uint64_t openFiles = 65536;
  std::int64_t realTimePercent = 60;  // of each processor, for the reservations of all rooms together
  bool operator==(const Ceilings&) const = default;
};

struct Policy {
  uid_t peerUid = 0;  // agentd's user: only it (and root) may talk to the spawner
  gid_t peerGid = 0;
  // Room n has the host ids uidFirst + n * 65536 and the 65535 after. The default is beyond what people, /etc/subuid's
  // defaults and systemd's containers use.
  std::uint32_t uidFirst = 0x70000000;
  std::uint32_t slots = 4096;
  std::string stateDir = "/var/lib/agentd";
  std::string logDir = "/var/log/agentd";
  std::string runDir = "/run/agentd";
  std::string cgroupRoot;                                  // the keeper's group
  std::string initBinary;                                  // agent-init
  std::string etc = "/etc";                                // of which rooms have their part
  std::string volumeDir = "/var/lib/agentd-root/scratch";  // root's own: scratch with a bound
  std::vector<MountRule> mounts;
  Ceilings ceilings;
  bool operator==(const Policy&) const = default;
};

// A mount that policy allows.
struct AllowedMount {
  RoomMount mount;
  uid_t owner = 0;  // of the host, for idmapped ones
  gid_t group = 0;
  uid_t layersOwner = 0;  // the same for an overlay's layers
  gid_t layersGroup = 0;
};

// A plan that policy allows, its limits filled up from the ceilings, its mounts in the order in which they are made
// (outer targets first).
struct AllowedPlan {
  RoomPlan plan;
  std::vector<AllowedMount> mounts;
};

// kSandboxPolicy for what policy does not allow, kInvalidArgument for what makes no sense in any policy; both name the
// field and what would be right.
Result<AllowedPlan> checkPlan(const Policy& policy, RoomPlan plan);

// The policy itself: no overlap of its uid range with the peer's or root's, absolute paths, sensible numbers.
Result<void> checkPolicy(const Policy& policy);

// Absolute, no empty, "." or ".." component, no trailing slash (but "/" itself), no control character, ≤ 4095 bytes.
bool isPlainPath(std::string_view path);
// `path` is `prefix` or lies beneath it.
bool isBeneath(std::string_view path, std::string_view prefix);

}  // namespace agentos::sandbox
