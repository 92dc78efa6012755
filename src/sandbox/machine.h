// SPDX-License-Identifier: Apache-2.0
// What the machine itself says of its controllers and of this process's powers, for the report at start and in
// `system info`. Only reporting: groups are made and limits written through directory descriptors (cgroup.h), never by
// the library that is asked here (docs/decisions/0006).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/room.h"

namespace agentos::sandbox {

struct ControllerPlace {
  std::string name;   // as the kernel has it there: "memory", "blkio" (cgroup v1's word for io)
  std::string point;  // where its hierarchy is mounted
  bool operator==(const ControllerPlace&) const = default;
};

// The mounted controllers, by libcgroup; empty when it finds none (it lists no controller of a pure cgroup2 mount whose
// cgroup.controllers is empty).
std::vector<ControllerPlace> locateControllers();

// Why a controller is not there for us, and what would bring it: bound to a v1 hierarchy, or not in the kernel at all.
std::string explainMissingController(std::string_view name, const std::vector<ControllerPlace>& places,
                                     std::string_view cgroup2Point);

std::uint64_t effectiveCapabilities();
// One sentence for each power that is missing and what that costs.
std::vector<std::string> explainMissingPowers(std::uint64_t capabilities, int landlockAbi);

// What reportPlatform() has found out already, with the kernel's release, Landlock's ABI and all warnings of this file
// added. `wanted` controllers that the report does not have are explained.
void addMachineFacts(PlatformReport& report, const std::vector<std::string>& wanted, std::string_view cgroup2Point);

}  // namespace agentos::sandbox
