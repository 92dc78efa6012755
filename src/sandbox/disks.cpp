// SPDX-License-Identifier: Apache-2.0
#include "sandbox/disks.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "base/files.h"
#include "base/text.h"

namespace agentos::sandbox {
namespace {

std::string numberOf(dev_t device) { return std::to_string(major(device)) + ":" + std::to_string(minor(device)); }

std::optional<std::string> diskOf(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  if (major(info.st_dev) != 0) return wholeDisk(info.st_dev);
  auto mounts = readPath("/proc/self/mountinfo");
  auto source = mounts ? mountedFrom(info.st_dev, *mounts) : std::nullopt;
  if (!source || ::stat(source->c_str(), &info) != 0 || !S_ISBLK(info.st_mode)) return std::nullopt;
  return wholeDisk(info.st_rdev);
}

}  // namespace

std::optional<std::string> wholeDisk(dev_t device, const std::string& devices) {
  const std::string place = devices + "/" + numberOf(device);
  if (::access(place.c_str(), F_OK) != 0) return std::nullopt;
  if (::access((place + "/partition").c_str(), F_OK) != 0) return numberOf(device);
  auto parent = readPath(place + "/../dev");  // the link is followed first: a partition lies in its disk's directory
  if (!parent) return std::nullopt;
  return std::string(trim(*parent));
}

// proc_pid_mountinfo(5): the third field is the file system, the second after " - " what was mounted.
std::optional<std::string> mountedFrom(dev_t fileSystem, std::string_view mountinfo) {
  const std::string number = numberOf(fileSystem);
  for (auto line : split(mountinfo, '\n')) {
    auto dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    auto head = split(line.substr(0, dash), ' '), tail = split(line.substr(dash + 3), ' ');
    if (head.size() > 2 && head[2] == number && tail.size() > 1 && tail[1].starts_with('/'))
      return std::string(tail[1]);
  }
  return std::nullopt;
}

std::vector<std::string> disksOf(const std::vector<std::string>& paths) {
  std::vector<std::string> disks;
  for (const auto& path : paths) {
    auto disk = diskOf(path);
    if (disk && std::ranges::find(disks, *disk) == disks.end()) disks.push_back(*std::move(disk));
  }
  return disks;
}

}  // namespace agentos::sandbox
