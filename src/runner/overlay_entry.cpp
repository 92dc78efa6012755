// SPDX-License-Identifier: Apache-2.0
#include "runner/overlay_entry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "base/digest.h"
#include "base/files.h"

namespace agentos::runner {
namespace {

EntryType typeOf(const struct stat& info) {
  if (S_ISREG(info.st_mode)) return EntryType::kFile;
  if (S_ISDIR(info.st_mode)) return EntryType::kDirectory;
  if (S_ISLNK(info.st_mode)) return EntryType::kLink;
  return S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0) ? EntryType::kWhiteout : EntryType::kOther;
}

Result<std::string> digestOf(int directory, const std::string& name) {
  // A name that became a pipe meanwhile does not hold us up.
  Fd file(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return failErrno(errno, "reading " + name);
  Sha256 sum;
  std::vector<char> block(std::size_t{256} << 10);
  while (true) {
    const ssize_t got = ::read(file.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failErrno(errno, "reading " + name);
    if (got == 0) return sum.finish();
    sum.update({block.data(), static_cast<std::size_t>(got)});
  }
}

}  // namespace

std::string_view nameOf(EntryType type) {
  switch (type) {
    case EntryType::kFile:
      return "file";
    case EntryType::kDirectory:
      return "directory";
    case EntryType::kLink:
      return "link";
    case EntryType::kWhiteout:
      return "whiteout";
    case EntryType::kOther:
      break;
  }
  return "special";
}

Result<std::string> readLinkAt(int directory, const std::string& name) {
  std::array<char, 4096> target{};
  const ssize_t size = ::readlinkat(directory, name.c_str(), target.data(), target.size());
  if (size < 0) return failErrno(errno, "reading the link " + name);
  return std::string(target.data(), static_cast<std::size_t>(size));
}

Result<std::optional<Entry>> readEntry(int directory, const std::string& name) {
  struct stat info{};
  if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::optional<Entry>();
    return failErrno(errno, "looking at " + name);
  }
  Entry entry{typeOf(info), static_cast<std::uint64_t>(info.st_size), info.st_mode & 07777U, {}};
  if (entry.type == EntryType::kFile) {
    AGENTOS_TRY(entry.digest, digestOf(directory, name));
  } else if (entry.type == EntryType::kLink) {
    AGENTOS_TRY(auto target, readLinkAt(directory, name));
    entry.digest = sha256(target);
  }
  return std::optional(std::move(entry));
}

Result<std::optional<Entry>> readEntryAt(int root, const std::string& path) {
  auto parent = openListing(root, parentOf(path));
  if (!parent) {
    const bool notThere = parent.error().sysErrno == ENOENT || parent.error().sysErrno == ENOTDIR ||
                          parent.error().sysErrno == ELOOP || parent.error().code == ErrorCode::kPathEscapes;
    if (notThere) return std::optional<Entry>();
    return std::unexpected(std::move(parent).error());
  }
  return readEntry(parent->get(), lastOf(path));
}

Result<Fd> openListing(int directory, const std::string& name) {
  return openBeneath(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

std::string parentOf(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string lastOf(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace agentos::runner
