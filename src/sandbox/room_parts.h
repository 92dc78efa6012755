// SPDX-License-Identifier: Apache-2.0
// The parts of one room that only root can make, as descriptors for its child: mounts, directories, sockets, the plan.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/cgroup.h"
#include "sandbox/host.h"
#include "sandbox/policy.h"
#include "sandbox/room_child.h"

namespace agentos::sandbox {

inline constexpr const char* kHomeTarget = "/home/agent";

// What the child must know before it is cloned; descriptors follow when it is at work.
ChildPlan makeChildPlan(const Host& host, const AllowedPlan& allowed);

// The P message: letters and descriptors as room_child.h says. Names the part that could not be made.
// `volume`: mounted in place of the source of /home/agent, if there is one.
struct RoomParts {
  std::string letters;
  std::vector<Fd> fds;
};
Result<RoomParts> makeRoomParts(Host& host, const AllowedPlan& allowed, const InstanceGroups& groups, const Slot& slot,
                                int recordDir, const Enforcement& said, Fd volume);

// <state>/instances/<id>, for the launch record. agentd makes it; made here for it when it has not.
Result<Fd> openRecordDir(const Host& host, const InstanceId& id);

// "<id>.sock" in <run>/instances.
std::string socketName(const InstanceId& id);

}  // namespace agentos::sandbox
