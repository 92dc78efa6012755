// SPDX-License-Identifier: Apache-2.0
#include "agentd/overlay/snapshot.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/files.h"

namespace agentos::agentd {
namespace {

constexpr int kDeepest = 128;

class Copy {
 public:
  explicit Copy(std::string name) : name_(std::move(name)) {}

  Result<SnapshotCost> run(int source, int target) {
    AGENTOS_TRY(Fd from, openBeneath(source, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    AGENTOS_CHECK(directory(from.get(), target, name_, 0));
    return cost_;
  }

 private:
  Result<void> directory(int from, int to, const std::string& path, int depth) {
    if (depth > kDeepest) return fail(ErrorCode::kTooLarge, path + " is deeper than 128", "mode: ro or rw");
    AGENTOS_TRY(auto names, listDirectory(from));
    for (const auto& name : names) AGENTOS_CHECK(entry(from, to, name, path + "/" + name, depth));
    return {};
  }

  Result<void> entry(int from, int to, const std::string& name, const std::string& path, int depth) {
    struct stat info{};
    if (::fstatat(from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};  // gone meanwhile
      return failErrno(errno, "looking at " + path);
    }
    if (++cost_.entries > kMostSnapshotEntries) {
      return fail(ErrorCode::kTooLarge, name_ + " has more than " + std::to_string(kMostSnapshotEntries) + " entries",
                  "a smaller source, or mode: rw");
    }
    if (S_ISREG(info.st_mode)) return file(from, to, name, path);
    if (S_ISLNK(info.st_mode)) return link(from, to, name, path);
    if (!S_ISDIR(info.st_mode)) return {};
    if (::mkdirat(to, name.c_str(), 0700) != 0) return failErrno(errno, "making the snapshot's " + path);
    AGENTOS_TRY(Fd inFrom, openBeneath(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    AGENTOS_TRY(Fd inTo, openBeneath(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    AGENTOS_CHECK(directory(inFrom.get(), inTo.get(), path, depth + 1));
    if (::fchmod(inTo.get(), (info.st_mode & 0777U) | 0700U) != 0) return failErrno(errno, "the mode of " + path);
    return {};
  }

  Result<void> file(int from, int to, const std::string& name, const std::string& path) {
    Fd in(::openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!in) return failErrno(errno, "reading " + path, "let agentd's user read it, or move it out of the source");
    struct stat info{};
    if (::fstat(in.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
    Fd out(::openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!out) return failErrno(errno, "making the snapshot's " + path);
    cost_.bytes += static_cast<std::uint64_t>(info.st_size);
    if (cost_.bytes > kMostSnapshotBytes) {
      return fail(ErrorCode::kTooLarge, name_ + " is larger than 4 GiB", "a smaller source, or mode: rw");
    }
    if (::ioctl(out.get(), FICLONE, in.get()) == 0) {
      cost_.shared += static_cast<std::uint64_t>(info.st_size);
    } else {
      AGENTOS_CHECK(bytes(in.get(), out.get(), path));
    }
    if (::fchmod(out.get(), info.st_mode & 0777U) != 0) return failErrno(errno, "the mode of " + path);
    return {};
  }

  static Result<void> bytes(int in, int out, const std::string& path) {
    std::array<char, 65536> block{};
    while (true) {
      const ssize_t got = ::read(in, block.data(), block.size());
      if (got == 0) return {};
      if (got < 0 && errno != EINTR) return failErrno(errno, "reading " + path);
      if (got > 0) AGENTOS_CHECK(writeAll(out, {block.data(), static_cast<std::size_t>(got)}));
    }
  }

  static Result<void> link(int from, int to, const std::string& name, const std::string& path) {
    std::array<char, 4096> target{};
    if (::readlinkat(from, name.c_str(), target.data(), target.size() - 1) < 0)
      return failErrno(errno, "reading the link " + path);
    if (::symlinkat(target.data(), to, name.c_str()) != 0) return failErrno(errno, "making the snapshot's " + path);
    return {};
  }

  std::string name_;
  SnapshotCost cost_;
};

Result<void> removeBelow(int directory, int depth) {
  if (depth > 4 * kDeepest) return fail(ErrorCode::kTooLarge, "too deep to remove");
  AGENTOS_TRY(auto names, listDirectory(directory));
  for (const auto& name : names) {
    struct stat info{};
    if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISDIR(info.st_mode)) {
      if (::unlinkat(directory, name.c_str(), 0) != 0) return failErrno(errno, "removing " + name);
      continue;
    }
    // The kernel's own work directory has no mode at all, nor need one of the agent's have.
    if ((info.st_mode & 0700) != 0700) (void)::fchmodat(directory, name.c_str(), 0700, 0);  // the opening will tell
    AGENTOS_TRY(Fd inner, openBeneath(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    AGENTOS_CHECK(removeBelow(inner.get(), depth + 1));
    if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0) return failErrno(errno, "removing " + name);
  }
  return {};
}

}  // namespace

Result<SnapshotCost> takeSnapshot(int source, int target, const std::string& name) {
  return Copy(name).run(source, target);
}

Result<void> removeTree(int directory, const std::string& name) {
  AGENTOS_TRY(Fd inner, openBeneath(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  AGENTOS_CHECK(removeBelow(inner.get(), 0));
  if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0) return failErrno(errno, "removing " + name);
  return {};
}

}  // namespace agentos::agentd
