// SPDX-License-Identifier: Apache-2.0
// From a contract and a claim to the room that the spawner is asked for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agentd/config/paths.h"
#include "agentd/overlay/overlays.h"
#include "company/layout.h"
#include "company/task_queue.h"
#include "contract/contract.h"
#include "sandbox/room.h"

namespace agentos::agentd {

// The gateway's and the egress proxy's ports on 127.0.0.1 in every room.
inline constexpr std::uint16_t kGatewayPort = 4242;
inline constexpr std::uint16_t kProxyPort = 4243;

struct RoomInput {
  InstanceId id;
  const contract::Contract& contract;
  const Paths& paths;
  const company::Company* company = nullptr;  // null: agentd runs without one
  std::string runtime;                        // the runtime side, resolved; empty: none
  std::optional<company::Claim> claim;
  std::string trace;
  Bytes logRotateAt;
  std::int64_t logKeep = 4;
  std::string launchRecord;
  bool overlays = true;  // false: a mount of mode overlay is a read-only one, which admission said
};

// kNotFound, kPathEscapes… for a mount whose source is not as the contract needs it.
Result<sandbox::RoomPlan> makeRoomPlan(const RoomInput& input);

Result<std::vector<sandbox::RoomMount>> makeMounts(const RoomInput& input);
bool wantsOverlays(const contract::Contract& contract);
// The mounts of mode overlay, with their sources as the host has them. In the plan the source of each is its snapshot.
Result<std::vector<OverlayTree>> overlayTrees(const contract::Contract& contract, const company::Company* company);
std::vector<std::pair<std::string, std::string>> makeEnvironment(const RoomInput& input);
// The scheduling class: HRT with its reservation, SRT with a burst, DT in batch.
void setClass(sandbox::RoomPlan& plan, const contract::Contract& contract);
sandbox::Limits limitsOf(const contract::Contract& contract);

// W3C trace context of a run: the trace itself when it is 32 hexadecimal digits, else a digest of it.
std::string traceParent(const std::string& trace, const InstanceId& id);

}  // namespace agentos::agentd
