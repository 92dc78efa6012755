// SPDX-License-Identifier: Apache-2.0
#include "sandbox/volume.h"

#include <fcntl.h>
#include <linux/fscrypt.h>
#include <linux/loop.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/ids.h"
#include "sandbox/helper.h"
#include "sandbox/idmap.h"

namespace agentos::sandbox {
namespace {

constexpr const char* kMakeFileSystem = "/usr/sbin/mke2fs";
constexpr const char* kRepairFileSystem = "/usr/sbin/e2fsck";
constexpr const char* kResizeFileSystem = "/usr/sbin/resize2fs";
constexpr const char* kHome =
    "home";  // in the volume: its own root holds lost+found, and can have no encryption policy
constexpr std::uint64_t kLeast = 4 << 20;  // less than that holds no journal
constexpr auto kLoopGoes = std::chrono::milliseconds(20);

std::unexpected<Error> failStep(const std::string& step) {
  return failErrno(errno, step, {}, ErrorCode::kSandboxSetup);
}

std::string nameOf(const VolumePlan& plan) { return plan.agent + ".ext4"; }

std::uint64_t wholeBlocks(std::uint64_t bytes) { return std::max(kLeast, bytes / 4096 * 4096); }

// ---- the file

Result<void> format(const std::string& path, bool encrypted) {
  const std::string features = encrypted ? "encrypt,^has_journal,^resize_inode" : "resize_inode";
  return runHelper({kMakeFileSystem, "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-E",
                    "lazy_itable_init=1,lazy_journal_init=1,nodiscard", "-O", features, path});
}

Result<Fd> makeFile(int directory, const std::string& place, const std::string& name, std::uint64_t bytes,
                    bool encrypted) {
  Fd file(::openat(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return failStep("making " + place + "/" + name);
  auto made = [&]() -> Result<void> {
    if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return failStep("sizing " + name);
    AGENTOS_CHECK(format(place + "/" + name, encrypted));
    if (!encrypted && ::fsync(file.get()) != 0) return failStep("syncing " + name);
    return {};
  }();
  if (made) return file;
  ::unlinkat(directory, name.c_str(), 0);
  return std::unexpected(std::move(made).error());
}

// One that a crash left half made has another name.
Result<Fd> findOrMake(int directory, const std::string& place, const VolumePlan& plan) {
  const std::string name = nameOf(plan);
  Fd file(::openat(directory, name.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (file) return file;
  const std::string fresh = "." + plan.agent + ".new";
  ::unlinkat(directory, fresh.c_str(), 0);
  AGENTOS_TRY(file, makeFile(directory, place, fresh, wholeBlocks(plan.size.count), false));
  if (::renameat(directory, fresh.c_str(), directory, name.c_str()) != 0 || ::fsync(directory) != 0)
    return failStep("naming " + name);
  return file;
}

// ---- the loop device

Fd openLoop(const std::string& number) { return Fd(::open(("/dev/loop" + number).c_str(), O_RDWR | O_CLOEXEC)); }

// The one that has the file already: a second one beside it would be a second file system over the same blocks.
Fd loopOf(const struct stat& file) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/block", ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("loop") || ::access((entry.path().string() + "/loop").c_str(), F_OK) != 0) continue;
    Fd loop = openLoop(name.substr(4));
    loop_info64 info{};
    if (loop && ::ioctl(loop.get(), LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == file.st_ino &&
        info.lo_device == file.st_dev)
      return loop;
  }
  return {};
}

// It lets go of the file by itself when nothing is mounted from it any more.
Result<Fd> attach(int file) {
  struct stat info{};
  if (::fstat(file, &info) != 0) return failStep("looking at the volume");
  if (Fd there = loopOf(info)) return there;
  Fd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control) return failStep("opening /dev/loop-control");
  for (int tries = 0; tries < 20; ++tries) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return failStep("getting a loop device");
    Fd loop = openLoop(std::to_string(number));
    loop_config config{};
    config.fd = static_cast<__u32>(file);
    config.block_size = 4096;
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (loop && ::ioctl(loop.get(), LOOP_CONFIGURE, &config) == 0) return loop;
    if (errno != EBUSY && errno != ENXIO && errno != ENOENT) return failStep("setting up a loop device");
    std::this_thread::sleep_for(kLoopGoes);  // somebody else took it first
  }
  return failStep("setting up a loop device");
}

Result<std::string> pathOf(int loop) {
  loop_info64 info{};
  if (::ioctl(loop, LOOP_GET_STATUS64, &info) != 0) return failStep("asking the loop device");
  return "/dev/loop" + std::to_string(info.lo_number);
}

// ---- the mount

std::string wordsOf(int context) {
  std::array<char, 512> text{};
  const ssize_t got = ::read(context, text.data(), text.size() - 1);  // "e ext4: …"
  return got > 2 ? ": " + std::string(text.data() + 2, static_cast<std::size_t>(got) - 2) : "";
}

Result<Fd> mountDevice(const std::string& device) {
  Fd context(static_cast<int>(::syscall(SYS_fsopen, "ext4", FSOPEN_CLOEXEC)));
  if (!context) return failStep("fsopen(ext4)");
  auto set = [&](unsigned command, const char* key, const char* value) {
    return ::syscall(SYS_fsconfig, context.get(), command, key, value, 0) == 0;
  };
  if (!set(FSCONFIG_SET_STRING, "source", device.c_str()) || !set(FSCONFIG_SET_STRING, "errors", "remount-ro") ||
      !set(FSCONFIG_CMD_CREATE, nullptr, nullptr)) {
    const int error = errno;
    return failErrno(error, "mounting " + device + wordsOf(context.get()), {}, ErrorCode::kSandboxSetup);
  }
  Fd mount(
      static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)));
  if (!mount) return failStep("fsmount");
  return mount;
}

// The journal is replayed by the mount itself; what that cannot mend, e2fsck may.
Result<Fd> mountOrRepair(const std::string& device) {
  auto mount = mountDevice(device);
  if (mount || mount.error().sysErrno == EBUSY) return mount;
  [[maybe_unused]] auto repaired = runHelper({kRepairFileSystem, "-p", device});  // 1: mended; the mount tells
  return mountDevice(device);
}

// By its superblock; 0 when there is none (then the mount says so).
std::uint64_t sizeOf(int file) {
  struct {
    std::uint32_t blocksLow;
    std::array<unsigned char, 48> between;
    std::uint16_t magic;
  } head{};  // from byte 4 of it
  static_assert(offsetof(decltype(head), magic) == 52);
  std::uint32_t blocksHigh = 0;
  const bool read = ::pread(file, &head, sizeof head, 1024 + 4) == sizeof head &&
                    ::pread(file, &blocksHigh, sizeof blocksHigh, 1024 + 0x150) == sizeof blocksHigh;
  return read && head.magic == EXT4_SUPER_MAGIC ? ((std::uint64_t{blocksHigh} << 32) | head.blocksLow) * 4096 : 0;
}

// Bigger is made so, in use or not; smaller is not made at all, and never passed over. True: the mounted one is to
// grow.
Result<bool> fit(int file, const std::string& path, const VolumePlan& plan) {
  const std::uint64_t wanted = wholeBlocks(plan.size.count), has = sizeOf(file);
  if (has == 0 || wanted == has) return false;
  if (wanted < has) {
    return fail(ErrorCode::kRefused,
                "the scratch of " + plan.agent + " was made with " + formatBytes(Bytes{has}) + ", and " +
                    formatBytes(plan.size) + " is asked for",
                "at least as much, or remove " + path + " (what lies in it goes too)");
  }
  struct stat info{};
  if (::ftruncate(file, static_cast<off_t>(wanted)) != 0 || ::fstat(file, &info) != 0)
    return failStep("growing the volume");
  if (loopOf(info)) return true;
  [[maybe_unused]] auto checked = runHelper({kRepairFileSystem, "-f", "-p", path});  // as resize2fs asks for
  AGENTOS_CHECK(runHelper({kResizeFileSystem, path}));
  return false;
}

Result<void> growMounted(int loop, int mount, const VolumePlan& plan) {
  if (::ioctl(loop, LOOP_SET_CAPACITY) != 0) return failStep("growing the loop device");
  constexpr unsigned long kResize = _IOW('f', 16, __u64);  // EXT4_IOC_RESIZE_FS
  __u64 blocks = wholeBlocks(plan.size.count) / 4096;
  Fd root(::openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root || ::ioctl(root.get(), kResize, &blocks) != 0) return failStep("growing the file system");
  return {};
}

// ---- its directory

Result<void> encrypt(int root, int home) {
  constexpr std::size_t kKey = 64;
  alignas(fscrypt_add_key_arg) std::array<unsigned char, sizeof(fscrypt_add_key_arg) + kKey> buffer{};
  auto* key = reinterpret_cast<fscrypt_add_key_arg*>(buffer.data());
  if (::getrandom(key->raw, kKey, 0) != static_cast<ssize_t>(kKey)) return failStep("a random key");
  key->key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
  key->raw_size = kKey;
  const bool added = ::ioctl(root, FS_IOC_ADD_ENCRYPTION_KEY, key) == 0;
  ::explicit_bzero(key->raw, kKey);
  if (!added) return failStep("giving the key to the kernel");
  fscrypt_policy_v2 policy{};
  policy.version = FSCRYPT_POLICY_V2;
  policy.contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS;
  policy.filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS;
  policy.flags = FSCRYPT_POLICY_FLAGS_PAD_32;
  std::memcpy(policy.master_key_identifier, key->key_spec.u.identifier, sizeof policy.master_key_identifier);
  if (::ioctl(home, FS_IOC_SET_ENCRYPTION_POLICY, &policy) != 0) return failStep("encrypting the scratch");
  return {};
}

Result<Fd> homeIn(const std::string& parked, const VolumePlan& plan) {
  Fd root(::open(parked.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return failStep("opening the volume");
  const bool made = ::mkdirat(root.get(), kHome, 0700) == 0;
  if (!made && errno != EEXIST) return failStep("making the volume's directory");
  Fd home(::openat(root.get(), kHome, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!home) return failStep("opening the volume's directory");
  if (made && plan.encrypted) AGENTOS_CHECK(encrypt(root.get(), home.get()));
  if (::fchown(home.get(), plan.owner, plan.group) != 0) return failStep("giving the volume to its owner");
  return detachedTree(home.get(), {.writable = true, .recursive = false, .ownerMap = -1});
}

// A part of a mount can be taken only where the mount is somewhere (before 6.15).
Result<Fd> takeHome(int mount, const std::string& parking, const VolumePlan& plan) {
  if (::mkdir(parking.c_str(), 0700) != 0 && errno != EEXIST) return failStep("making " + parking);
  if (::syscall(SYS_move_mount, mount, "", AT_FDCWD, parking.c_str(), 0x04) != 0) return failStep("parking the volume");
  auto home = homeIn(parking, plan);
  if (::umount2(parking.c_str(), MNT_DETACH) != 0) return failStep("taking the volume from its parking place");
  return home;
}

Result<Fd> fileOf(int directory, const std::string& place, const VolumePlan& plan) {
  if (!plan.encrypted) return findOrMake(directory, place, plan);
  const std::string name = "." + plan.agent + "." + randomToken(8) + ".sealed";
  auto file = makeFile(directory, place, name, wholeBlocks(plan.size.count), true);
  if (file) ::unlinkat(directory, name.c_str(), 0);
  return file;
}

}  // namespace

Result<Fd> openVolume(const std::string& directory, const std::string& parking, const VolumePlan& plan) {
  AGENTOS_TRY(Fd place, agentos::makeDirectories(directory, 0700));
  AGENTOS_TRY(Fd file, fileOf(place.get(), directory, plan));
  bool grows = false;
  if (!plan.encrypted) {
    AGENTOS_TRY(grows, fit(file.get(), directory + "/" + nameOf(plan), plan));
  }
  AGENTOS_TRY(Fd loop, attach(file.get()));
  AGENTOS_TRY(const auto device, pathOf(loop.get()));
  AGENTOS_TRY(Fd mount, mountOrRepair(device));
  if (grows) AGENTOS_CHECK(growMounted(loop.get(), mount.get(), plan));
  return takeHome(mount.get(), parking, plan);
}

std::string whyNoVolumes() {
  if (Fd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC)); !control)
    return "there are no loop devices here (/dev/loop-control: " + std::string(::strerrordesc_np(errno)) + ")";
  if (::access(kMakeFileSystem, X_OK) != 0)
    return std::string(kMakeFileSystem) + " is not installed (package e2fsprogs)";
  return {};
}

std::string whyNoEncryption() {
  if (auto why = whyNoVolumes(); !why.empty()) return why;
  if (::access("/sys/fs/ext4/features/encryption", F_OK) == 0) return {};
  return "the kernel's ext4 has no encryption (CONFIG_FS_ENCRYPTION)";
}

}  // namespace agentos::sandbox
