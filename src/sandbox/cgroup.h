// SPDX-License-Identifier: Apache-2.0
// cgroup v2 through open directory descriptors (docs.kernel.org/admin-guide/cgroup-v2), so that a group that was
// removed and remade is never mistaken for the old one. Values are written and read back: what the kernel did not take
// is an error, never silence.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/room.h"

namespace agentos::sandbox {

// Opens a group; kSandboxCgroup when the path is not on a cgroup2 file system.
Result<Fd> openGroup(const std::string& path);
Result<Fd> openGroupAt(int parent, const std::string& name);  // kNotFound when absent

Result<void> writeGroupFile(int group, const char* file, std::string_view value);
Result<std::string> readGroupFile(int group, const char* file);
bool hasGroupFile(int group, const char* file);

// The words of cgroup.controllers (given = true) or cgroup.subtree_control.
Result<std::set<std::string>> controllersOf(int group, bool given);
// Turns on those of the wanted that are there and not yet on; returns what is on in the end.
Result<std::set<std::string>> enableControllers(int group, const std::set<std::string>& wanted);

struct GroupEvents {
  bool populated = false, frozen = false;
};
Result<GroupEvents> eventsOf(int group);
// Every pid of the group itself, in the reader's pid namespace.
Result<std::vector<std::int32_t>> pidsOf(int group);

// <keeper>/<instance> with sup/ (agent-init) and pay/ (the agent). A group in which something was killed is never used
// again: on kernels before 6.1.192 whatever is cloned into it later is killed at birth.
struct InstanceGroups {
  Fd top, sup, pay;
  std::uint64_t inode = 0;  // of top
};
// kExists when the instance has groups already. `controllers`: those that the keeper's group gives.
Result<InstanceGroups> makeInstanceGroups(int keeper, const InstanceId& id, const std::set<std::string>& controllers);
Result<InstanceGroups> openInstanceGroups(int keeper, const InstanceId& id);  // kNotFound when there are none
// Removes the groups of an instance, whatever of them is there; kConflict while a process lives in one.
Result<void> removeInstanceGroups(int keeper, const InstanceId& id);

// Writes the limits that the controllers can hold into pay/ (and a small one into sup/), and says what holds, what
// stands in, and what is not there.
// `disks`: those that limits.ioMax is for, as disksOf (disks.h) names them.
Result<Enforcement> applyLimits(const InstanceGroups& groups, const std::set<std::string>& controllers,
                                const Limits& limits, const std::vector<std::string>& disks);

// cpu.max.burst: as much as the quota, so that what a period left may be used once. Nothing without a quota.
Result<void> allowBurst(const InstanceGroups& groups, const std::set<std::string>& controllers, const Limits& limits,
                        Enforcement& said);

// The names of instances that have groups under the keeper.
Result<std::vector<InstanceId>> listInstances(int keeper);

}  // namespace agentos::sandbox
