// SPDX-License-Identifier: Apache-2.0
#include "sandbox/room_template.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/files.h"

namespace agentos::sandbox {
namespace {

constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV;

std::unexpected<Error> failStep(std::string step) {
  return failErrno(errno, std::move(step), {}, ErrorCode::kSandboxSetup);
}

struct TextFile {
  const char* name;
  const char* text;
};
constexpr std::array kWritten = {
    TextFile{"passwd",
             "root:x:0:0:root:/:/usr/sbin/nologin\nagent:x:1000:1000:agent:/home/agent:/bin/sh\n"
             "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
    TextFile{"group", "root:x:0:\ntty:x:5:\nagent:x:1000:\nnogroup:x:65534:\n"},
    TextFile{"hosts", "127.0.0.1 localhost\n::1 localhost\n"},
    TextFile{"nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nprotocols: files\nservices: files\n"},
    TextFile{"resolv.conf", "# No name server: what leaves the room goes through the proxy in HTTPS_PROXY.\n"},
    TextFile{"shells", "/bin/sh\n/bin/bash\n"},
};

struct Node {
  const char* name;
  unsigned major, minor;
};
constexpr std::array kNodes = {Node{"null", 1, 3},   Node{"zero", 1, 5},    Node{"full", 1, 7},
                               Node{"random", 1, 8}, Node{"urandom", 1, 9}, Node{"tty", 5, 0}};
struct Link {
  const char* name;
  const char* target;
};
constexpr std::array kDevLinks = {Link{"ptmx", "pts/ptmx"}, Link{"fd", "/proc/self/fd"},
                                  Link{"stdin", "/proc/self/fd/0"}, Link{"stdout", "/proc/self/fd/1"},
                                  Link{"stderr", "/proc/self/fd/2"}};

// Where the host keeps them beside /usr: links on a merged system, else directories.
constexpr std::array kRootNames = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
// What everybody may read and a room has no business with; and what only the host's root may, who is nobody in a room,
// a second time. What is there to be written (sysrq-trigger, sys) is root's alone.
constexpr std::array kMasked = {"proc/keys",  "proc/key-users",  "proc/kallsyms",      "proc/interrupts",
                                "proc/kcore", "proc/timer_list", "proc/latency_stats", "proc/sched_debug"};

Result<void> writeOwn(int target) {
  for (const auto& file : kWritten) {
    Fd out(::openat(target, file.name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!out) return failStep(std::string("making /etc/") + file.name);
    AGENTOS_CHECK(writeAll(out.get(), file.text));
  }
  return {};
}

// By descriptors of the template's own, which stay open for writing when the directory is closed where rooms see it.
Result<std::shared_ptr<RoomEtc>> buildEtc(const std::string& source) {
  AGENTOS_TRY(Fd target, openDirectory("etc"));
  AGENTOS_TRY(Fd aside, openDirectory("aside"));
  AGENTOS_CHECK(writeOwn(target.get()));
  return RoomEtc::make(source, std::move(target), std::move(aside));
}

Result<void> buildDev() {
  for (const auto& node : kNodes) {
    std::string path = std::string("dev/") + node.name;
    if (::mknod(path.c_str(), S_IFCHR | 0666, makedev(node.major, node.minor)) != 0 ||
        ::chmod(path.c_str(), 0666) != 0) {
      return failStep("making /" + path);
    }
  }
  for (const auto& link : kDevLinks) {
    if (::symlink(link.target, (std::string("dev/") + link.name).c_str()) != 0)
      return failStep(std::string("linking /dev/") + link.name);
  }
  for (const char* path : {"dev/pts", "dev/shm"}) {
    if (::mkdir(path, 0755) != 0) return failStep(std::string("making /") + path);
  }
  return {};
}

// A mount of its own for a directory of the template, closed for good by its flags.
Result<void> closeDirectory(const char* path, unsigned long flags) {
  if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
      ::mount(nullptr, path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, nullptr) != 0) {
    return failStep(std::string("closing the template's ") + path);
  }
  return {};
}

Result<void> bindHost(const std::string& name) {
  if (::mkdir(name.c_str(), 0755) != 0) return failStep("making the template's " + name);
  if (::mount(("/" + name).c_str(), name.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
    return failStep("binding /" + name);
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  attributes.propagation = MS_PRIVATE;
  if (::syscall(SYS_mount_setattr, AT_FDCWD, name.c_str(), AT_RECURSIVE, &attributes, sizeof attributes) != 0) {
    return failStep("making /" + name + " read-only");
  }
  return {};
}

Result<void> takeRootNames(RoomTemplate& made) {
  for (const char* name : kRootNames) {
    std::string path = std::string("/") + name;
    std::array<char, 256> target{};
    if (::readlink(path.c_str(), target.data(), target.size() - 1) > 0) {
      made.links.push_back({name, target.data()});
    } else if (::access(path.c_str(), F_OK) == 0) {
      AGENTOS_CHECK(bindHost(name));
      made.binds.emplace_back(name);
    }
  }
  return {};
}

}  // namespace

Result<RoomTemplate> enterTemplate(const std::string& place, const std::string& etc) {
  if (::unshare(CLONE_NEWNS) != 0) return failStep("leaving the host's mount namespace");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return failStep("making the mounts slaves");
  if (::mkdir(place.c_str(), 0700) != 0 && errno != EEXIST) return failStep("making " + place);
  if (::mount("agentd-template", place.c_str(), "tmpfs", MS_NOSUID, "mode=0755,size=64m") != 0)
    return failStep("mounting the template");
  if (::chdir(place.c_str()) != 0) return failStep("entering the template");
  for (const char* name : {"root", "etc", "aside", "dev", "logs", "records"}) {
    if (::mkdir(name, 0755) != 0) return failStep(std::string("making the template's ") + name);
  }
  for (std::size_t i = 0; i < kOverlaySpots; ++i) {
    for (const char* part : {"lower", "layers"}) {
      if (::mkdir((part + std::to_string(i)).c_str(), 0755) != 0) return failStep("making the places of overlays");
    }
  }
  Fd masked(::open("masked", O_WRONLY | O_CREAT | O_CLOEXEC, 0444));
  if (!masked) return failStep("making the template's mask");
  RoomTemplate made;
  made.binds = {"usr", "etc", "dev"};
  AGENTOS_TRY(made.etc, buildEtc(etc));
  AGENTOS_CHECK(buildDev());
  AGENTOS_CHECK(closeDirectory("etc", kPlain | MS_NOEXEC));
  AGENTOS_CHECK(closeDirectory("dev", MS_NOSUID | MS_NOEXEC));
  AGENTOS_CHECK(bindHost("usr"));
  AGENTOS_CHECK(takeRootNames(made));
  for (const char* path : kMasked) {
    if (::access((std::string("/") + path).c_str(), F_OK) == 0) made.masks.emplace_back(path);
  }
  return made;
}

}  // namespace agentos::sandbox
