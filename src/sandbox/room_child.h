// SPDX-License-Identifier: Apache-2.0
// The spawner's child, from clone to agent-init: PID 1 of the room, in its user namespace (and in a network namespace
// that was made ahead, net_pool.h), building the room around itself. It shares the spawner's memory until then
// (cloner.h), or has a copy of it beside threads that were not cloned: so it takes no memory and no lock, and changes
// nothing that it did not make. Everything it needs is prepared before the clone or comes in one message after it.
//
// On its sync socket, before agent-init's own words (init_protocol.h):
//   H, to the spawner: it is there
//   M, from the spawner: the id maps are written
//   P, from the spawner: the parts; with it one letter for each mount (d directory, f file, o overlay, - left out) and
//      the descriptors of PassedFd, then one for each mount that is not left out, and for an overlay a second: its
//      lower tree and the one of its layers. What needs no part is done before. After the letters: the text
//      of /run/agent/limits.json.
//   B, to the spawner: the room stands; with it the listeners
//   E, to the spawner: "<errno> <step>": it does not
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sandbox/init_protocol.h"
#include "sandbox/room_template.h"

namespace agentos::sandbox {

enum ChildMessage : char {
  kChildBorn = 'H',
  kChildMapped = 'M',
  kChildParts = 'P',
  kChildBuilt = 'B',
  kChildFailed = 'E'
};

// The first descriptors of P, in this order.
enum PassedFd : std::size_t {
  kPassPlan,
  kPassControl,
  kPassLogDir,  // this and the next are detached mounts
  kPassRecordDir,
  kPassPayProcs,
  kPassPayDir,
  kPassSeccomp,
  kPassSlot,
  kPassPayTree,  // pay/ as a detached mount, for /sys/fs/cgroup
  kPassedFixed,
};

struct ChildPlan {
  int sync = -1;
  int initProgram = -1;
  std::shared_ptr<const RoomTemplate> roomTemplate;
  std::string hostName;
  std::vector<std::uint16_t> ports;
  std::vector<std::string> directories;  // to make on the root, outer first; relative
  struct Target {
    std::string path;  // relative to the root
    bool make = true;  // the place is on the room's own root (else it must exist in the mount around it)
  };
  std::vector<Target> targets;  // one a mount, in P's order
  std::string tmpOptions, shmOptions;
  std::string homeOptions;  // empty: the plan mounts /home/agent
};

[[noreturn]] void runChild(const ChildPlan& plan);

}  // namespace agentos::sandbox
