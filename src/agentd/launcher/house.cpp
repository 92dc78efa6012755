// SPDX-License-Identifier: Apache-2.0
#include "agentd/launcher/house.h"

#include <fcntl.h>
#include <grp.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>

#include "agentd/http/listen.h"
#include "base/files.h"

namespace agentos::agentd {
namespace {

struct Room {
  std::string path;
  bool users;  // the daemon's user owns it; else root
  mode_t mode;
};

// Only what lies in a directory of root's: what is inside the daemon's own directories it makes itself, since root
// could be led astray there by a link.
std::vector<Room> roomsOf(const Paths& paths) {
  return {{paths.etc(), false, 0755},  {paths.rootContracts(), false, 0755},
          {paths.state(), true, 0755}, {paths.rootState(), false, 0755},
          {paths.log(), true, 0750},   {paths.run(), false, 0755}};
}

Result<void> makeRoom(const Room& room, const UserIdentity& user) {
  AGENTOS_TRY(auto directory, makeDirectories(room.path, 0755));
  const uid_t uid = room.users ? user.uid : 0;
  const gid_t gid = room.users ? user.gid : 0;
  if (::fchown(directory.get(), uid, gid) != 0)
    return failErrno(errno, "cannot give " + room.path + " to " + user.name);
  if (::fchmod(directory.get(), room.mode) != 0) return failErrno(errno, "cannot set the mode of " + room.path);
  return {};
}

// acl(5) in its on-disk form (linux/posix_acl_xattr.h): version 2, then tag, permissions, id for each entry.
void addAclGroup(const std::string& path, mode_t mode, gid_t group) {
  struct Entry {
    std::uint16_t tag, perm;
    std::uint32_t id;
  };
  constexpr std::uint32_t kNoId = 0xffffffff;
  struct {
    std::uint32_t version = 2;
    std::array<Entry, 5> entries;
  } acl;
  const auto bits = [&](unsigned shift) { return static_cast<std::uint16_t>((mode >> shift) & 7U); };
  acl.entries = {Entry{0x01, bits(6), kNoId}, Entry{0x04, bits(3), kNoId}, Entry{0x08, 6, group}, Entry{0x10, 6, kNoId},
                 Entry{0x20, bits(0), kNoId}};
  // Where the file system has no ACLs the group is simply not let in: its members use sudo.
  [[maybe_unused]] auto set = ::setxattr(path.c_str(), "system.posix_acl_access", &acl, sizeof acl, 0);
}

// The files of `tree`, as they are in `other` too.
bool sameTree(const std::filesystem::path& tree, const std::filesystem::path& other) {
  namespace fs = std::filesystem;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(tree, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (!entry->is_regular_file()) continue;
    const auto ours = readPath(entry->path().string(), std::size_t{256} << 20);
    const auto theirs = readPath((other / fs::relative(entry->path(), tree)).string(), std::size_t{256} << 20);
    if (!ours || !theirs || *ours != *theirs) return false;
  }
  return !error;
}

// For the agent's uid, whatever the umask was.
void makeReadable(const std::filesystem::path& tree, std::error_code& error) {
  namespace fs = std::filesystem;
  fs::permissions(tree, fs::perms(0755), error);
  for (auto entry = fs::recursive_directory_iterator(tree, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const bool runs = entry->is_directory() || entry->path().parent_path().filename() == "bin";
    fs::permissions(entry->path(), fs::perms(runs ? 0755 : 0644), error);
  }
}

// The pid file is ours already, so whoever listens is the half of a launcher that was killed, and is dying.
Result<Fd> listenWhenFree(const std::string& path, mode_t mode) {
  for (int tries = 0;; ++tries) {
    auto socket = listenUnix(path, mode);
    if (socket || socket.error().code != ErrorCode::kAlreadyRunning || tries == 40) return socket;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace

Result<void> makeHouse(const Paths& paths, const UserIdentity& user) {
  for (const auto& room : roomsOf(paths)) AGENTOS_CHECK(makeRoom(room, user));
  return {};
}

void removeEmptyRun(const Paths& paths) {
  ::rmdir((paths.run() + "/template").c_str());
  if (::rmdir((paths.run() + "/instances").c_str()) == 0) {
    std::error_code ignored;
    std::filesystem::remove_all(paths.run() + "/slots", ignored);  // root's; which ranges of ids rooms had
    ::unlink(paths.cgroupFile().c_str());
  }
  if (!paths.prefix.empty()) ::rmdir(paths.run().c_str());
}

// Rooms hold the directory they began with: the same slot is left alone, and one that changes goes aside, not away,
// until the next change.
Result<void> installRuntime(const Paths& paths, const std::string& programDirectory) {
  namespace fs = std::filesystem;
  const fs::path programs = programDirectory, side = paths.runtime(), fresh = side.string() + ".new",
                 old = side.string() + ".old";
  std::error_code error;
  for (const fs::path& slot : {programs / "../runtime/default", programs / "../lib/agentd/runtime/default"}) {
    if (!fs::exists(slot / "runtime.yaml", error)) continue;
    if (sameTree(slot, side)) return {};
    fs::remove_all(fresh, error);
    fs::remove_all(old, error);
    fs::copy(slot, fresh, fs::copy_options::recursive, error);
    if (!error) makeReadable(fresh, error);
    if (!error && fs::exists(side)) fs::rename(side, old, error);
    if (!error) fs::rename(fresh, side, error);
    if (error) return failErrno(error.value(), "cannot install the runtime " + slot.string() + " in " + side.string());
    return {};
  }
  return {};
}

void fitApiSocket(const Config& config) {
  const std::string path = config.paths.socket();
  const mode_t mode = static_cast<mode_t>(config.socketMode);
  if (::chmod(path.c_str(), mode) != 0) {
    spdlog::warn("{}", failErrno(errno, "cannot set the mode of " + path + ", which stays as agentd.socket says",
                                 "ReadWritePaths=/run/agentd in agentd.service")
                           .error()
                           .message());
  }
  const group* admins = config.adminGroup.empty() ? nullptr : ::getgrnam(config.adminGroup.c_str());
  if (admins != nullptr) addAclGroup(path, mode, admins->gr_gid);
}

Result<Fd> openApiSocket(const Config& config, const UserIdentity& user) {
  const std::string path = config.paths.socket();
  const mode_t mode = static_cast<mode_t>(config.socketMode);
  AGENTOS_TRY(auto socket, listenWhenFree(path, mode));
  const group* named = config.socketGroup.empty() ? nullptr : ::getgrnam(config.socketGroup.c_str());
  if (!config.socketGroup.empty() && named == nullptr) {
    return fail(ErrorCode::kConfig, "there is no group \"" + config.socketGroup + "\" for the socket",
                "socket.group in agentd.yaml");
  }
  if (::chown(path.c_str(), user.uid, named != nullptr ? named->gr_gid : user.gid) != 0) {
    return failErrno(errno, "cannot give " + path + " to " + user.name);
  }
  const group* admins = config.adminGroup.empty() ? nullptr : ::getgrnam(config.adminGroup.c_str());
  if (admins != nullptr) addAclGroup(path, mode, admins->gr_gid);
  return socket;
}

}  // namespace agentos::agentd
