// SPDX-License-Identifier: Apache-2.0
#include "sandbox/mountinfo.h"

#include <algorithm>

#include "base/text.h"

namespace agentos::sandbox {
namespace {

bool isOctal(char c) { return c >= '0' && c <= '7'; }

std::string unescape(std::string_view field) {
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    bool escape = field[i] == '\\' && i + 3 < field.size() && std::ranges::all_of(field.substr(i + 1, 3), isOctal);
    if (!escape) {
      out += field[i];
      continue;
    }
    out += static_cast<char>((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 + (field[i + 3] - '0'));
    i += 3;
  }
  return out;
}

// "36 35 98:0 /root /mount/point rw,noatime shared:1 - ext4 /dev/root rw": any number of fields before the dash.
std::optional<MountEntry> parseLine(std::string_view line) {
  auto fields = split(line, ' ');
  auto dash = std::ranges::find(fields, std::string_view("-"));
  if (fields.size() < 10 || dash == fields.end() || dash - fields.begin() < 6 || fields.end() - dash < 3)
    return std::nullopt;
  return MountEntry{unescape(fields[3]), unescape(fields[4]), std::string(*(dash + 1))};
}

}  // namespace

std::vector<MountEntry> parseMountInfo(std::string_view text) {
  std::vector<MountEntry> mounts;
  for (auto line : split(text, '\n')) {
    if (auto entry = parseLine(line)) mounts.push_back(*std::move(entry));
  }
  return mounts;
}

CgroupMounts findCgroupMounts(const std::vector<MountEntry>& mounts) {
  CgroupMounts found;
  bool v1 = false;
  for (const auto& mount : mounts) {
    v1 = v1 || mount.fsType == "cgroup";
    if (mount.fsType == "cgroup2" && !found.point) found.point = mount.mountPoint;
  }
  found.mode = !found.point ? "legacy" : v1 ? "hybrid" : "unified";
  return found;
}

}  // namespace agentos::sandbox
