// SPDX-License-Identifier: Apache-2.0
// What a hostile agentd can send: every message is decoded and, if it asks for a room, held against a policy. No side
// effect but a memfd. What decodes must come back the same when it is packed again; what policy allows must be what
// policy says.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sandbox/policy.h"
#include "sandbox/protocol.h"

namespace {

using namespace agentos;
using namespace agentos::sandbox;

constexpr std::size_t kHeader = 12;

Policy makePolicy() {
  Policy policy;
  policy.peerUid = policy.peerGid = 990;
  policy.mounts = {{"/srv/open", true, {}, {}}, {"/srv/open/closed", false, {}, {}}};
  policy.ceilings.memory = Bytes{1ULL << 30};
  return policy;
}

void require(bool holds) {
  if (!holds) std::abort();
}

void checkAllowed(const Policy& policy, const RoomPlan& plan) {
  auto allowed = checkPlan(policy, plan);
  if (!allowed) {
    require(!allowed.error().message().empty());
    return;
  }
  require(allowed->plan.limits.memory && *allowed->plan.limits.memory <= *policy.ceilings.memory);
  require(allowed->mounts.size() == plan.mounts.size());
  for (const auto& entry : allowed->mounts) {
    require(isBeneath(entry.mount.source, "/srv/open") && entry.mount.source.find("..") != 0);
    require(!entry.mount.writable || !isBeneath(entry.mount.source, "/srv/open/closed"));
    require(entry.owner == 990 && !isBeneath(entry.mount.target, "/usr") && entry.mount.target != "/");
  }
}

// The packet as it would come: a body that says it lies in a memfd gets one.
Packet packetOf(std::string_view bytes) {
  Packet packet;
  bool apart = bytes.size() > kHeader && bytes[kHeader - 1] == 1;
  packet.bytes = bytes.substr(0, apart ? kHeader : bytes.size());
  if (!apart) return packet;
  auto memfd = makeSealed("fuzz", bytes.substr(kHeader));
  if (memfd) packet.fds.push_back(*std::move(memfd));
  return packet;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Policy policy = makePolicy();
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Packet asked = packetOf(bytes);
  if (auto request = unpackRequest(asked)) {
    auto again = packRequest(*request);
    require(again.has_value());
    auto back = unpackRequest(*again);
    require(back && *back == *request);
    if (request->kind == RequestKind::kSpawn) checkAllowed(policy, request->plan);
  }
  Packet answered = packetOf(bytes);
  if (auto reply = unpackReply(answered)) require(packReply(*reply).has_value());
  return 0;
}
