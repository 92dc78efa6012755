// SPDX-License-Identifier: Apache-2.0
// Files, as durable and as confined as the state needs them. Directories are descriptors; names are resolved beneath
// them and never through a symbolic link (openat2(2), RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS). Every crash point is a
// FaultPoint (fault.h).
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace agentos {

// A directory by absolute path, as the operator named it (symbolic links followed): O_PATH is not set, so it can be
// synced.
Result<Fd> openDirectory(const std::string& path);
// Makes the path's missing directories with this mode, then opens it.
Result<Fd> makeDirectories(const std::string& path, mode_t mode);
// `path` beneath dirFd. `..`, absolute paths and links that leave give kPathEscapes.
Result<Fd> openBeneath(int dirFd, const std::string& path, int flags, mode_t mode = 0);
Result<void> makeDirectoriesBeneath(int dirFd, const std::string& path, mode_t mode);

// The whole file, at most maxBytes (kTooLarge beyond).
Result<std::string> readFile(int dirFd, const std::string& path, std::size_t maxBytes = 1 << 20);
Result<std::string> readAll(int fd, std::size_t maxBytes);
Result<std::string> readPath(const std::string& absolutePath, std::size_t maxBytes = 1 << 20);
Result<void> writeAll(int fd, std::string_view bytes);
Result<void> syncFd(int fd, std::string_view name);

// Names in a directory, sorted; "." and ".." left out.
Result<std::vector<std::string>> listDirectory(int dirFd);

// New content under `name`, all or nothing, durable on return: a temporary beside it, fsync, rename, fsync of the
// directory. Somebody else's content under that name is replaced.
Result<void> replaceFile(int dirFd, const std::string& name, std::string_view bytes, mode_t mode = 0660);
// The same, but kExists when the name is taken (link of an unnamed file; nothing is replaced).
Result<void> createFile(int dirFd, const std::string& name, std::string_view bytes, mode_t mode = 0660);

// What a file was when it was read: enough to tell whether the same file is still there.
struct FileStamp {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t changedNs = 0;  // ctime
  bool operator==(const FileStamp&) const = default;
};
Result<FileStamp> stampOf(int dirFd, const std::string& name);  // follows no link; kNotFound when absent
Result<FileStamp> stampOf(int fd);
struct StampedContent {
  std::string bytes;
  FileStamp stamp;
};
Result<StampedContent> readStamped(int dirFd, const std::string& name, std::size_t maxBytes = 1 << 20);

// Compare and swap: replaces `name` by `bytes` only while it still is the file that `seen` describes. Written beside,
// exchanged by renameat2(RENAME_EXCHANGE), checked, and undone with kConflict when somebody else was there.
Result<void> rewriteFile(int dirFd, const std::string& name, std::string_view bytes, const FileStamp& seen);

// One rename that must not replace anything (RENAME_NOREPLACE), and of many callers exactly one wins: kNotFound when
// the source is gone, kExists when the target is there. `durable` also syncs both directories.
Result<void> moveFile(int fromDir, const std::string& from, int toDir, const std::string& to, bool durable = true);

Result<void> removeFile(int dirFd, const std::string& name);

// Holds an exclusive lock on the file (made when absent) as long as the Fd lives; kAlreadyRunning with the holder's
// pid, read from the file, when another has it. The caller's pid is written into it.
Result<Fd> lockPidFile(int dirFd, const std::string& name);

}  // namespace agentos
