// SPDX-License-Identifier: Apache-2.0
// Which disks hold given files: io.max is written for whole disks, by number.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agentos::sandbox {

// "8:0", each once, in order. A path that is not there, or whose file system is on no disk (tmpfs, a network's), adds
// none.
std::vector<std::string> disksOf(const std::vector<std::string>& paths);

// The disk of a block device: of a partition the one that it is part of. `devices`: /sys/dev/block, another in tests.
std::optional<std::string> wholeDisk(dev_t device, const std::string& devices = "/sys/dev/block");
// The device that a file system without one of its own (btrfs) was mounted from, by /proc/self/mountinfo's text.
std::optional<std::string> mountedFrom(dev_t fileSystem, std::string_view mountinfo);

}  // namespace agentos::sandbox
