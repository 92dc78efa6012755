// SPDX-License-Identifier: Apache-2.0
// Idmapped mounts, overlays, quotas, encryption: of the file systems where the company and the state lie.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>

#include "sandbox/examine.h"
#include "sandbox/host.h"
#include "sandbox/idmap.h"
#include "sandbox/remedies.h"
#include "sandbox/volume.h"

namespace agentos::sandbox {
namespace {

constexpr const char* kIdmapRemedy =
    "keep it on ext4, xfs, btrfs or tmpfs (kernel 6.3), not on a network or overlay file system";

Trial examineIdmap(const Policy& policy, const std::string& name, const std::string& path) {
  const std::string tried = "a private, idmapped mount of " + path + " was made";
  auto place = openPlain(path, O_RDONLY | O_DIRECTORY);
  if (!place) {
    return {name, "warning", "not tried: " + place.error().message(), "it was opened",
            "sudo agentd --prepare; agentctl company init makes a company"};
  }
  OwnerMaps maps(1);
  const unsigned shown = policy.uidFirst + (policy.slots - 1) * kIdsPerRoom;
  auto map = maps.find({policy.peerUid, shown, policy.peerGid, shown});
  auto tree = map ? detachedTree(place->get(), {.writable = true, .recursive = false, .ownerMap = *map})
                  : Result<Fd>(std::unexpected(std::move(map).error()));
  if (tree)
    return {name, "ok", "files below " + path + " keep their owner and are the agent's own in a room", tried, ""};
  return {name, "failed", path + " cannot be mounted in a room: " + tree.error().message(), tried, kIdmapRemedy};
}

// Gone with all that is in it.
struct Scratch {
  explicit Scratch(const std::string& below) : path(below + "/examine-XXXXXX") {
    if (::mkdtemp(path.data()) == nullptr) path.clear();
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignoring;  // it is told by what `company doctor` and du see; nothing else can be done here
    if (!path.empty()) std::filesystem::remove_all(path, ignoring);
  }
  std::string path;
};

// As room_child.cpp does it: by root of the room's user namespace, on directories that came by descriptor.
const char* mountOverlay(int tree) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return "a mount namespace";
  constexpr unsigned kFromDescriptor = 0x04;  // MOVE_MOUNT_F_EMPTY_PATH
  if (::syscall(SYS_move_mount, tree, "", AT_FDCWD, "/tmp", kFromDescriptor) != 0) return "placing the layers";
  constexpr const char* kOptions =
      "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/"
      "work,userxattr,redirect_dir=nofollow,metacopy=off,index=off";
  if (::mount("overlay", "/tmp/merged", "overlay", MS_NOSUID | MS_NODEV, kOptions) != 0) return "mounting the overlay";
  Fd file(::open("/tmp/merged/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return "writing through the overlay";  // it may be mounted read-only without a word
  return ::access("/tmp/upper/file", F_OK) == 0 ? nullptr : "finding the change in the upper layer";
}

Trial examineOverlay(const Policy& policy) {
  const std::string tried = "an overlay was mounted by root of a user namespace and written to";
  Scratch scratch(policy.stateDir);
  if (scratch.path.empty())
    return {"overlay", "warning", "not tried: " + policy.stateDir + " cannot be written", tried,
            "sudo agentd --prepare"};
  const unsigned ids = policy.uidFirst + (policy.slots - 1) * kIdsPerRoom;
  for (const char* name : {"", "/lower", "/upper", "/work", "/merged"}) {
    const std::string path = scratch.path + name;
    if (*name != '\0' && ::mkdir(path.c_str(), 0755) != 0)
      return {"overlay", "warning", "not tried: " + path, tried, ""};
    if (::chown(path.c_str(), ids, ids) != 0) return {"overlay", "warning", "not tried: " + path, tried, ""};
  }
  auto place = openPlain(scratch.path, O_RDONLY | O_DIRECTORY);
  auto tree = place ? detachedTree(place->get(), {.writable = true, .recursive = false, .ownerMap = -1})
                    : Result<Fd>(std::unexpected(std::move(place).error()));
  if (!tree) return {"overlay", "warning", "not tried: " + tree.error().message(), tried, ""};
  auto outcome = tryInNamespace([&] { return mountOverlay(tree->get()); }, ids);
  if (outcome.worked()) return {"overlay", "ok", "workspace overlays work on " + policy.stateDir, tried, ""};
  const bool unknown = outcome.error == ENODEV;
  return {"overlay", "warning", "workspace overlays do not work on " + policy.stateDir + " (" + outcome.why() + ")",
          tried,
          unknown ? remedyForModule("overlay") : "keep the state on ext4, xfs or btrfs, on a kernel of 5.11 or newer"};
}

// A volume of a few mebibytes, made and mounted as a room's would be, in a mount namespace that ends with the child.
Outcome tryVolume(const Policy& policy, bool encrypted) {
  Scratch scratch(policy.stateDir);
  if (scratch.path.empty()) return {errno, "making a directory in " + policy.stateDir};
  return tryInChild([&]() -> const char* {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return "a mount namespace";
    const VolumePlan plan{.agent = "doctor", .size = Bytes{8 << 20}, .encrypted = encrypted};
    auto volume = openVolume(scratch.path + "/files", scratch.path + "/parking", plan);
    if (volume) return nullptr;
    static std::string why;  // this process is the trial's alone
    why = volume.error().what;
    errno = volume.error().sysErrno == 0 ? EIO : volume.error().sysErrno;
    return why.c_str();
  });
}

Trial examineQuota(const Policy& policy) {
  const std::string tried = "a file system of 8 MiB was made in a file and mounted";
  const Outcome came = tryVolume(policy, false);
  if (came.worked()) return {"disk_quota", "ok", "the disk space of scratch can be bounded", tried, ""};
  return {"disk_quota", "warning", "the disk space of scratch cannot be bounded: " + came.why(), tried,
          remedyForVolumes(whyNoVolumes())};
}

Trial examineEncryption(const Policy& policy) {
  const std::string tried = "the same, with a directory encrypted by fscrypt";
  const Outcome came = tryVolume(policy, true);
  if (came.worked()) return {"encrypted", "ok", "scratch can be encrypted", tried, ""};
  return {"encrypted", "warning", "scratch cannot be encrypted: " + came.why(), tried,
          remedyForVolumes(whyNoEncryption())};
}

}  // namespace

std::vector<Trial> examineFiles(const Policy& policy) {
  std::vector<Trial> trials = {examineIdmap(policy, "idmapped_state", policy.stateDir)};
  std::set<std::string> seen = {policy.stateDir};
  for (const auto& rule : policy.mounts) {
    const bool below = rule.prefix.starts_with(policy.stateDir + "/");
    if (rule.writable && !below && seen.insert(rule.prefix).second)
      trials.push_back(examineIdmap(policy, "idmapped:" + rule.prefix, rule.prefix));
  }
  trials.push_back(examineOverlay(policy));
  trials.push_back(examineQuota(policy));
  trials.push_back(examineEncryption(policy));
  return trials;
}

}  // namespace agentos::sandbox
