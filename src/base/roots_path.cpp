// SPDX-License-Identifier: Apache-2.0
#include "base/roots_path.h"

#include <sys/stat.h>

#include <filesystem>

namespace agentos {
namespace {

namespace fs = std::filesystem;

bool isRootsDirectory(const struct stat& info) {
  return info.st_uid == 0 && ((info.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (info.st_mode & S_ISVTX) != 0);
}

bool isRoots(const fs::path& path, bool isLast) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return false;
  if (S_ISLNK(info.st_mode)) return info.st_uid == 0;
  return isLast || isRootsDirectory(info);
}

bool isRootsWay(const fs::path& path) {
  fs::path prefix;
  for (auto part = path.begin(); part != path.end(); ++part) {
    prefix /= *part;
    if (!isRoots(prefix, std::next(part) == path.end())) return false;
  }
  return true;
}

}  // namespace

bool isRootsPath(const std::string& path) {
  std::error_code error;
  const auto named = fs::absolute(path, error).lexically_normal(), real = fs::canonical(path, error);
  return !error && isRootsWay(named) && isRootsWay(real);
}

}  // namespace agentos
