// SPDX-License-Identifier: Apache-2.0
#include "base/walk_beneath.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

namespace agentos {
namespace {

Fd refuse(int error) {
  errno = error;
  return {};
}

bool isLink(int dirFd, const std::string& name) {
  struct stat info{};
  return ::fstatat(dirFd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
}

// O_DIRECTORY hides a link behind ENOTDIR.
Fd openName(int dirFd, const std::string& name, int flags, mode_t mode) {
  Fd fd(::openat(dirFd, name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd && errno == ENOTDIR) errno = isLink(dirFd, name) ? ELOOP : ENOTDIR;
  return fd;
}

// O_PATH opens a link itself, which is what only a caller who says O_NOFOLLOW wants.
Fd openLast(int dirFd, const std::string& name, int flags, mode_t mode) {
  Fd fd = openName(dirFd, name, flags, mode);
  struct stat info{};
  if (!fd || (flags & O_PATH) == 0 || (flags & O_NOFOLLOW) != 0) return fd;
  if (::fstat(fd.get(), &info) != 0) return {};
  return S_ISLNK(info.st_mode) ? refuse(ELOOP) : std::move(fd);
}

std::vector<std::string> namesOf(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto name = path.substr(0, slash);
    if (!name.empty() && name != ".") names.emplace_back(name);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return names;
}

}  // namespace

Fd walkBeneath(int dirFd, std::string_view path, int flags, mode_t mode) {
  if (path.empty()) return refuse(ENOENT);
  if (path.front() == '/') return refuse(EXDEV);
  std::vector<Fd> below;  // the directories from dirFd down
  auto here = [&] { return below.empty() ? dirFd : below.back().get(); };
  auto names = namesOf(path);
  const bool asDirectory = names.empty() || names.back() == ".." || path.ends_with('/') || path.ends_with("/.");
  std::string last = asDirectory ? "." : names.back();
  if (!asDirectory) names.pop_back();
  for (const auto& name : names) {
    if (name == "..") {
      if (below.empty()) return refuse(EXDEV);
      below.pop_back();
      continue;
    }
    Fd next = openName(here(), name, O_PATH | O_DIRECTORY, 0);
    if (!next) return {};
    below.push_back(std::move(next));
  }
  return openLast(here(), last, flags, mode);
}

}  // namespace agentos
