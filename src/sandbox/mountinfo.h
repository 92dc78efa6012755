// SPDX-License-Identifier: Apache-2.0
// /proc/<pid>/mountinfo (proc(5)): which cgroup hierarchies are mounted, and where.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agentos::sandbox {

struct MountEntry {
  std::string root;        // of the mount within its file system
  std::string mountPoint;  // octal escapes undone
  std::string fsType;
  bool operator==(const MountEntry&) const = default;
};

// Lines that are not well formed are left out.
std::vector<MountEntry> parseMountInfo(std::string_view text);

struct CgroupMounts {
  std::string mode;                  // "unified", "hybrid" (v1 beside v2), "legacy" (no v2)
  std::optional<std::string> point;  // of cgroup2
};
CgroupMounts findCgroupMounts(const std::vector<MountEntry>& mounts);

}  // namespace agentos::sandbox
