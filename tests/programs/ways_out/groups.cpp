// SPDX-License-Identifier: Apache-2.0
// Around the control group.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "attempt.h"

namespace escape {
namespace {

bool openGroupFile(const Words& words) { return opens("/sys/fs/cgroup/" + words[0], O_WRONLY); }
bool makeGroup(const Words&) { return mkdir("/sys/fs/cgroup/more", 0755) == 0 && rmdir("/sys/fs/cgroup/more") == 0; }

bool mountGroups(const Words& words) { return mount("none", words[0].c_str(), "cgroup2", 0, nullptr) == 0; }

// The program of a version 1 hierarchy that the host's root runs when a group gets empty.
bool findReleaseAgent(const std::string& directory, int depth) {
  if (opens(directory + "/release_agent", O_WRONLY)) return true;
  DIR* list = depth == 0 ? nullptr : opendir(directory.c_str());
  if (list == nullptr) return false;
  bool found = false;
  while (const dirent* entry = readdir(list)) {
    const bool below = (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) && entry->d_name[0] != '.';
    if (!found && below) found = findReleaseAgent(directory + "/" + entry->d_name, depth - 1);
  }
  closedir(list);
  return found;
}
bool releaseAgent(const Words&) { return findReleaseAgent("/sys/fs/cgroup", 1); }

// Where it stands among the host's groups.
bool seePlace(const Words&) {
  char text[4096] = {};
  int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) return false;
  const char* line = std::strstr(text, "0::");
  return line != nullptr && std::strncmp(line, "0::/\n", 5) != 0;
}

constexpr Attempt kAttempts[] = {
    {"group_file", 1, "opens a file of its control group for writing", openGroupFile},
    {"make_group", 0, "makes a control group below its own", makeGroup},
    {"mount_groups", 1, "mounts the control groups itself", mountGroups},
    {"release_agent", 0, "opens a release_agent for writing", releaseAgent},
    {"group_place", 0, "sees where the host keeps its group", seePlace},
};

}  // namespace

std::span<const Attempt> groupAttempts() { return kAttempts; }

}  // namespace escape
