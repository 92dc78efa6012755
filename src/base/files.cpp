// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <memory>

#include "base/fault.h"
#include "base/walk_beneath.h"

namespace agentos {
namespace {

// A name beside `name` that nobody else uses: hidden, and without the ending that makes a file a record.
std::string temporaryName(const std::string& name) {
  static std::atomic<unsigned> counter{0};
  return "." + name + "." + std::to_string(::getpid()) + "." + std::to_string(counter++) + ".tmp";
}

FileStamp stampFrom(const struct stat& info) {
  return {info.st_dev, info.st_ino, static_cast<std::uint64_t>(info.st_size),
          std::int64_t{info.st_ctim.tv_sec} * 1'000'000'000 + info.st_ctim.tv_nsec};
}

Result<Fd> openTemporary(int dirFd, const std::string& temporary, mode_t mode) {
  Fd fd(::openat(dirFd, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return failErrno(errno, "cannot create " + temporary);
  return fd;
}

// Writes and syncs the temporary; on failure it is gone again.
Result<void> fillTemporary(int dirFd, const std::string& temporary, std::string_view bytes, mode_t mode) {
  AGENTOS_TRY(Fd fd, openTemporary(dirFd, temporary, mode));
  auto written = writeAll(fd.get(), bytes);
  if (written) written = syncFd(fd.get(), temporary);
  if (!written) ::unlinkat(dirFd, temporary.c_str(), 0);
  return written;
}

int renameat2(int fromDir, const std::string& from, int toDir, const std::string& to, unsigned flags) {
  return static_cast<int>(::syscall(SYS_renameat2, fromDir, from.c_str(), toDir, to.c_str(), flags));
}

std::unexpected<Error> failPath(int err, const std::string& path) {
  if (err == EXDEV || err == ELOOP) {
    return fail(ErrorCode::kPathEscapes, "'" + path + "' leaves its directory, by .. or by a symbolic link",
                "a path without links that stays beneath it");
  }
  return failErrno(err, "cannot open " + path);
}

}  // namespace

Result<Fd> openDirectory(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return failErrno(errno, "cannot open directory " + path);
  return fd;
}

Result<Fd> makeDirectories(const std::string& path, mode_t mode) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST && errno != EROFS) {
      return failErrno(errno, "cannot make directory " + part);
    }
  }
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return failErrno(errno, "cannot make directory " + path);
  return openDirectory(path);
}

Result<Fd> openBeneath(int dirFd, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    Fd fd(static_cast<int>(::syscall(SYS_openat2, dirFd, path.c_str(), &how, sizeof how)));
    if (fd) return fd;
    if (errno == ENOSYS) {  // a room's filter: openat2's mode cannot be judged there
      Fd walked = walkBeneath(dirFd, path, flags, mode);
      return walked ? Result<Fd>(std::move(walked)) : failPath(errno, path);
    }
    if (errno != EAGAIN && errno != EINTR) return failPath(errno, path);  // EAGAIN: a rename raced with the walk
  }
}

Result<void> makeDirectoriesBeneath(int dirFd, const std::string& path, mode_t mode) {
  Fd at;
  int current = dirFd;
  for (std::size_t start = 0; start < path.size();) {
    std::size_t slash = std::min(path.find('/', start), path.size());
    std::string part = path.substr(start, slash - start);
    start = slash + 1;
    if (part.empty()) continue;
    if (part != ".." && ::mkdirat(current, part.c_str(), mode) != 0 && errno != EEXIST) {
      return failErrno(errno, "cannot make directory " + path);
    }
    AGENTOS_TRY(at, openBeneath(current, part, O_RDONLY | O_DIRECTORY));
    current = at.get();
  }
  return {};
}

Result<std::string> readAll(int fd, std::size_t maxBytes) {
  std::string bytes;
  std::array<char, 1 << 16> buffer;
  for (;;) {
    ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0) return bytes;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failErrno(errno, "cannot read");
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
    if (bytes.size() > maxBytes) {
      return fail(ErrorCode::kTooLarge, "larger than " + std::to_string(maxBytes) + " bytes", "a smaller file");
    }
  }
}

Result<std::string> readFile(int dirFd, const std::string& path, std::size_t maxBytes) {
  AGENTOS_TRY(auto content, readStamped(dirFd, path, maxBytes));
  return std::move(content.bytes);
}

Result<std::string> readPath(const std::string& absolutePath, std::size_t maxBytes) {
  Fd fd(::open(absolutePath.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return failErrno(errno, "cannot open " + absolutePath);
  auto bytes = readAll(fd.get(), maxBytes);
  if (!bytes) return std::unexpected(std::move(bytes).error().within(absolutePath));
  return bytes;
}

Result<void> writeAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failErrno(errno, "cannot write");
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> syncFd(int fd, std::string_view name) {
  if (::fsync(fd) != 0) return failErrno(errno, "cannot sync " + std::string(name));
  return {};
}

Result<std::vector<std::string>> listDirectory(int dirFd) {
  int own = ::openat(dirFd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return failErrno(errno, "cannot list a directory");
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(own), &::closedir);
  if (!directory) {
    int err = errno;
    ::close(own);
    return failErrno(err, "cannot list a directory");
  }
  std::vector<std::string> names;
  errno = 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own is safe (readdir(3))
  while (dirent* entry = ::readdir(directory.get())) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
    errno = 0;
  }
  if (errno != 0) return failErrno(errno, "cannot list a directory");
  std::ranges::sort(names);
  return names;
}

Result<void> replaceFile(int dirFd, const std::string& name, std::string_view bytes, mode_t mode) {
  std::string temporary = temporaryName(name);
  AGENTOS_CHECK(fillTemporary(dirFd, temporary, bytes, mode));
  faultPoint("files.replace.written");
  if (::renameat(dirFd, temporary.c_str(), dirFd, name.c_str()) != 0) {
    int err = errno;
    ::unlinkat(dirFd, temporary.c_str(), 0);
    return failErrno(err, "cannot put " + name + " in place");
  }
  faultPoint("files.replace.renamed");
  return syncFd(dirFd, "the directory of " + name);
}

Result<void> createFile(int dirFd, const std::string& name, std::string_view bytes, mode_t mode) {
  std::string temporary = temporaryName(name);
  AGENTOS_CHECK(fillTemporary(dirFd, temporary, bytes, mode));
  faultPoint("files.create.written");
  if (renameat2(dirFd, temporary, dirFd, name, RENAME_NOREPLACE) != 0) {
    int err = errno;
    ::unlinkat(dirFd, temporary.c_str(), 0);
    if (err == EEXIST) return fail(ErrorCode::kExists, name + " exists already", "another name");
    return failErrno(err, "cannot create " + name);
  }
  return syncFd(dirFd, "the directory of " + name);
}

Result<FileStamp> stampOf(int dirFd, const std::string& name) {
  struct stat info{};
  if (::fstatat(dirFd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    return failErrno(errno, "cannot look at " + name);
  return stampFrom(info);
}

Result<FileStamp> stampOf(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return failErrno(errno, "cannot look at an open file");
  return stampFrom(info);
}

Result<StampedContent> readStamped(int dirFd, const std::string& name, std::size_t maxBytes) {
  AGENTOS_TRY(Fd fd, openBeneath(dirFd, name, O_RDONLY | O_NONBLOCK));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return failErrno(errno, "cannot look at " + name);
  if (!S_ISREG(info.st_mode)) return fail(ErrorCode::kIo, name + " is not a regular file", "a regular file");
  auto bytes = readAll(fd.get(), maxBytes);
  if (!bytes) return std::unexpected(std::move(bytes).error().within(name));
  return StampedContent{*std::move(bytes), stampFrom(info)};
}

Result<void> rewriteFile(int dirFd, const std::string& name, std::string_view bytes, const FileStamp& seen) {
  struct stat old{};
  if (::fstatat(dirFd, name.c_str(), &old, AT_SYMLINK_NOFOLLOW) != 0) return failErrno(errno, "cannot look at " + name);
  auto changed = [&] {
    return fail(ErrorCode::kConflict, name + " was changed by somebody else meanwhile", "read it again");
  };
  if (stampFrom(old) != seen) return changed();
  std::string temporary = temporaryName(name);
  AGENTOS_CHECK(fillTemporary(dirFd, temporary, bytes, old.st_mode & 07777));
  faultPoint("files.rewrite.written");
  // One rewriter of ours at a time in a directory: an exchange that is undone shows the wrong content for a moment, and
  // two that undo each other's would lose one. People hold no such lock, and undo nothing.
  Fd turn(::openat(dirFd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!turn || ::flock(turn.get(), LOCK_EX) != 0 || ::fstatat(dirFd, name.c_str(), &old, AT_SYMLINK_NOFOLLOW) != 0) {
    int err = errno;
    ::unlinkat(dirFd, temporary.c_str(), 0);
    return failErrno(err, "cannot rewrite " + name);
  }
  if (stampFrom(old) != seen) {
    ::unlinkat(dirFd, temporary.c_str(), 0);
    return changed();
  }
  if (renameat2(dirFd, temporary, dirFd, name, RENAME_EXCHANGE) != 0) {
    int err = errno;
    ::unlinkat(dirFd, temporary.c_str(), 0);
    return failErrno(err, "cannot exchange " + name);
  }
  faultPoint("files.rewrite.exchanged");
  // What came out must be what was read; the exchange itself has changed its ctime, so inode and size tell, and the
  // modification time, which a rename leaves alone.
  struct stat out{};
  bool same = ::fstatat(dirFd, temporary.c_str(), &out, AT_SYMLINK_NOFOLLOW) == 0 && out.st_ino == old.st_ino &&
              out.st_size == old.st_size && out.st_mtim.tv_sec == old.st_mtim.tv_sec &&
              out.st_mtim.tv_nsec == old.st_mtim.tv_nsec;
  if (!same) {
    // Where `name` was moved away in this instant, theirs goes back under its name; failing that too, it stays beside
    // it.
    if (renameat2(dirFd, temporary, dirFd, name, RENAME_EXCHANGE) == 0) {
      ::unlinkat(dirFd, temporary.c_str(), 0);
    } else {
      renameat2(dirFd, temporary, dirFd, name, RENAME_NOREPLACE);
    }
    return changed();
  }
  ::unlinkat(dirFd, temporary.c_str(), 0);
  return syncFd(dirFd, "the directory of " + name);
}

Result<void> moveFile(int fromDir, const std::string& from, int toDir, const std::string& to, bool durable) {
  if (renameat2(fromDir, from, toDir, to, RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return fail(ErrorCode::kExists, to + " exists already at the target", "another name");
    return failErrno(errno, "cannot move " + from);
  }
  if (!durable) return {};
  AGENTOS_CHECK(syncFd(toDir, "the directory of " + to));
  return fromDir == toDir ? Result<void>{} : syncFd(fromDir, "the directory of " + from);
}

Result<void> removeFile(int dirFd, const std::string& name) {
  if (::unlinkat(dirFd, name.c_str(), 0) != 0) return failErrno(errno, "cannot remove " + name);
  return {};
}

Result<Fd> lockPidFile(int dirFd, const std::string& name) {
  AGENTOS_TRY(Fd fd, openBeneath(dirFd, name, O_RDWR | O_CREAT, 0644));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failErrno(errno, "cannot lock " + name);
    std::string holder = readAll(fd.get(), 64).value_or("");
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    return fail(ErrorCode::kAlreadyRunning, "already running with pid " + (holder.empty() ? "?" : holder),
                "stop that one first, or use another --prefix");
  }
  std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) != 0) return failErrno(errno, "cannot write " + name);
  AGENTOS_CHECK(writeAll(fd.get(), pid));
  return fd;
}

}  // namespace agentos
