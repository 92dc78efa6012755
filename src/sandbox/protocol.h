// SPDX-License-Identifier: Apache-2.0
// The words between agentd and agentd-spawner: one request, one reply, matched by number, in any order (the client may
// have many in flight). A message is at most 64 KiB; a larger body travels as a sealed memfd. This is the privilege
// border: decoding believes nothing, and what a request asks for is then held against root's policy (policy.h).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "sandbox/channel.h"
#include "sandbox/room.h"

namespace agentos::sandbox {

inline constexpr std::uint16_t kSpawnerProtocol = 1;
inline constexpr std::size_t kMaxBody = 1 << 20;

enum class RequestKind : std::uint8_t {
  kPlatform = 1,
  kSpawn = 2,
  kAdopt = 3,
  kList = 4,
  kFreeze = 5,
  kThaw = 6,
  kKill = 7,
  kSweep = 8,
  kProcesses = 9,
  kAnchor = 10,     // keep this head of the audit log in root's file; answered before it is on disk
  kReload = 11,     // read root's policy again
  kFreezeAll = 12,  // every room at once: the global halt
  kKillAll = 13,
  kPressure = 14,     // triggers of the machine's pressure, as descriptors
  kWatchLimits = 15,  // what tells that a room is held up by a limit
};
std::string_view nameOf(RequestKind kind);

struct Request {
  std::uint64_t number = 0;
  RequestKind kind = RequestKind::kPlatform;
  InstanceId id;             // all that are about one instance, but kSpawn
  RoomPlan plan;             // kSpawn
  ProcessIdentity identity;  // kAdopt
  LogHead head;              // kAnchor
  PressureAsk pressure;      // kPressure
  bool operator==(const Request&) const = default;
};

// Answers kSpawn and kAdopt. With it travel: the pidfd of agent-init, a connected control socket, and (kSpawn) the
// listeners in the plan's order. After kAdopt the client asks agent-init itself for its listeners.
struct RoomReply {
  ProcessIdentity identity;
  Enforcement enforcement;
  std::uint32_t listeners = 0;
  bool operator==(const RoomReply&) const = default;
};

// monostate: done, nothing to say.
using ReplyBody =
    std::variant<std::monostate, Error, PlatformReport, RoomReply, std::vector<LiveRoom>, std::vector<std::int32_t>>;

struct Reply {
  std::uint64_t number = 0;
  ReplyBody body;
};

// To a packet (a sealed memfd first when the body is large; `fds` of a reply are appended by the sender) and back.
// unpack takes the memfd out of packet.fds and leaves the rest.
Result<Packet> packRequest(const Request& request);
Result<Request> unpackRequest(Packet& packet);
Result<Packet> packReply(const Reply& reply);
Result<Reply> unpackReply(Packet& packet);

}  // namespace agentos::sandbox
