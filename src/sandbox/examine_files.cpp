// SPDX-License-Identifier: Apache-2.0
// Idmapped mounts, overlays, quotas, encryption: of the file systems where the company and the state lie.
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fscrypt.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "base/text.h"
#include "sandbox/examine.h"
#include "sandbox/host.h"
#include "sandbox/idmap.h"
#include "sandbox/remedies.h"

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

struct Place {
  std::string fileSystem, device, point;
};
// The mount that a directory lies on (proc(5), mountinfo: "36 35 98:0 /root /point … - ext4 /dev/x …").
Place placeOf(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  const std::string device = std::to_string(major(info.st_dev)) + ":" + std::to_string(minor(info.st_dev));
  for (auto line : split(readSetting("/proc/self/mountinfo").value_or(""), '\n')) {
    auto words = split(line, ' ');
    auto dash = std::ranges::find(words, "-");
    if (words.size() < 5 || words[2] != device || words.end() - dash < 3) continue;
    return {std::string(*(dash + 1)), std::string(*(dash + 2)), std::string(words[4])};
  }
  return {};
}

Trial examineQuota(const Policy& policy) {
  const std::string tried = "the project quota of " + policy.stateDir + " was asked for";
  constexpr int kProject = 2;
  Fd directory(::open(policy.stateDir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory)
    return {"disk_quota", "warning", "not tried: there is no " + policy.stateDir, tried, "sudo agentd --prepare"};
  dqinfo info{};
  if (::syscall(443 /* quotactl_fd */, directory.get(), QCMD(Q_GETINFO, kProject), 0, &info) == 0)
    return {"disk_quota", "ok", "the disk space of scratch can be bounded by a project quota", tried, ""};
  const std::string why = std::strerror(errno);
  const Place place = placeOf(policy.stateDir);
  return {"disk_quota", "warning", "no project quota on " + place.point + " (" + place.fileSystem + "): " + why, tried,
          remedyForQuota(place.fileSystem, place.device, place.point)};
}

// Whether the kernel maps devices through a cipher.
bool hasCrypt(std::string& why) {
  Fd control(::open("/dev/mapper/control", O_RDWR | O_CLOEXEC));
  alignas(dm_ioctl) std::array<char, 16384> space{};
  auto* request = reinterpret_cast<dm_ioctl*>(space.data());
  request->version[0] = DM_VERSION_MAJOR;
  request->data_size = space.size();
  request->data_start = sizeof *request;
  if (!control || ::ioctl(control.get(), DM_LIST_VERSIONS, request) != 0) {
    why = std::string("the device mapper: ") + std::strerror(errno);
    return false;
  }
  why = "the device mapper has no target called crypt";
  for (std::size_t at = request->data_start; at + sizeof(dm_target_versions) < space.size();) {
    const auto* target = reinterpret_cast<const dm_target_versions*>(space.data() + at);
    if (std::strcmp(target->name, "crypt") == 0) return true;
    if (target->next == 0) return false;
    at += target->next;
  }
  return false;
}

// Whether its file system takes a policy of encryption: it has none, and says so.
bool hasFscrypt(const std::string& path) {
  Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  fscrypt_get_policy_ex_arg argument{};
  argument.policy_size = sizeof argument.policy;
  return ::ioctl(directory.get(), FS_IOC_GET_ENCRYPTION_POLICY_EX, &argument) == 0 || errno == ENODATA;
}

Trial examineEncryption(const Policy& policy) {
  const std::string tried = "the device mapper was asked for its targets, the file system for a policy";
  std::string why;
  if (hasCrypt(why)) return {"encrypted", "ok", "scratch can be encrypted by dm-crypt", tried, ""};
  if (hasFscrypt(policy.stateDir)) return {"encrypted", "ok", "scratch can be encrypted by fscrypt", tried, ""};
  return {"encrypted", "warning", "scratch cannot be encrypted: " + why + ", and no fscrypt", tried,
          remedyForModule("dm_crypt")};
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
