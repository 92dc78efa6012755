// SPDX-License-Identifier: Apache-2.0
// What the spawner holds of the machine it runs on: opened once at start, used by every request.
#pragma once

#include <array>
#include <memory>
#include <set>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/breach.h"
#include "sandbox/cloner.h"
#include "sandbox/cpus.h"
#include "sandbox/idmap.h"
#include "sandbox/net_pool.h"
#include "sandbox/policy.h"
#include "sandbox/record_writer.h"
#include "sandbox/room_template.h"
#include "sandbox/slots.h"
#include "sandbox/volume_maker.h"

namespace agentos::sandbox {

struct Host {
  Policy policy;
  std::string bootId;
  Fd keeper;                          // the group of all instances
  std::set<std::string> controllers;  // that it gives to them
  Fd sockets;                         // <run>/instances: root's, so that nobody else changes a name in it
  Fd initProgram;
  std::array<Fd, 4> seccomp;                         // seccompFor
  std::shared_ptr<const RoomTemplate> roomTemplate;  // its readers may be the last
  std::unique_ptr<Slots> slots;
  OwnerMaps ownerMaps{4096};
  std::unique_ptr<RecordWriter> records;
  std::unique_ptr<VolumeMaker> volumes;
  std::shared_ptr<NetPool> networks;
  std::unique_ptr<Cloner> cloner;
  CpuTurns cpus = CpuTurns::ofThisProcess();

  // A room of a class that is held (HRT, DT) also has its scheduling held.
  const Fd& seccompFor(const RoomPlan& plan) const {
    const bool held = plan.batch || plan.realTime;
    return seccomp[(plan.nestedUserns ? 1U : 0U) + (held ? 2U : 0U)];
  }
  uid_t firstId(std::uint32_t slot) const { return isDown("userns") ? 0 : policy.uidFirst + slot * kIdsPerRoom; }
  // Host ids of a mount's owner, shown as this id of the room (0: agent-init's, kAgentId: the agent's).
  OwnerMap ownerMap(std::uint32_t slot, std::uint32_t shownAs, uid_t owner, gid_t group) const;
  // Makes the maps that the next room will want, while nobody waits. False: they were there.
  bool warmNextSlot();
};

// Leaves the host's mount namespace (enterTemplate) and removes the groups in which nothing runs: what a killed spawner
// left half made. Names the step that failed.
Result<std::unique_ptr<Host>> openHost(Policy policy);

// Another policy for the requests to come: mounts and ceilings. kConfig naming what differs beyond those, which only a
// restart of the spawner can change; nothing is changed then.
Result<void> applyPolicy(Host& host, Policy policy);

// An absolute path that no symbolic link is followed for, anywhere in it. kPathEscapes names a link.
Result<Fd> openPlain(const std::string& path, int flags);

}  // namespace agentos::sandbox
