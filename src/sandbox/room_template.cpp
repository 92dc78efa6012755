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

#include "base/files.h"

namespace agentos::sandbox {
namespace {

constexpr std::size_t kMaxEtcFile = 8 << 20;
constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV;

std::unexpected<Error> failStep(std::string step) {
  return failErrno(errno, std::move(step), {}, ErrorCode::kSandboxSetup);
}

// Copied from the host when it has them: what programs need to find libraries, certificates, time zones and names.
// Nothing here tells of the host's users, keys or services.
constexpr std::array kCopied = {
    "ld.so.cache",     "ld.so.conf", "ld.so.conf.d", "alternatives",   "ssl/certs", "ssl/openssl.cnf",
    "ca-certificates", "pki/tls",    "localtime",    "timezone",       "protocols", "services",
    "mime.types",      "fonts",      "os-release",   "debian_version", "python3",   "python3.11",
    "python3.12",      "python3.13", "perl",         "terminfo",       "inputrc",   "magic"};

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

Result<void> copyEntry(int from, int to, const std::string& name, int depth);

Result<void> copyFile(int from, int to, const std::string& name) {
  AGENTOS_TRY(auto text, readFile(from, name, kMaxEtcFile));
  Fd out(::openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!out) return failStep("making /etc/" + name);
  return writeAll(out.get(), text);
}

Result<void> copyLink(int from, int to, const std::string& name) {
  std::array<char, 4096> target;
  ssize_t size = ::readlinkat(from, name.c_str(), target.data(), target.size() - 1);
  if (size < 0) return failStep("reading the link " + name);
  target[static_cast<std::size_t>(size)] = '\0';
  if (::symlinkat(target.data(), to, name.c_str()) != 0) return failStep("making the link " + name);
  return {};
}

Result<void> copyDirectory(int from, int to, const std::string& name, int depth) {
  Fd source(::openat(from, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!source) return failStep("opening /etc/" + name);
  if (::mkdirat(to, name.c_str(), 0755) != 0) return failStep("making /etc/" + name);
  Fd target(::openat(to, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!target) return failStep("opening the template's " + name);
  AGENTOS_TRY(auto names, listDirectory(source.get()));
  for (const auto& entry : names) AGENTOS_CHECK(copyEntry(source.get(), target.get(), entry, depth - 1));
  return {};
}

// Links as links, world-readable plain files, directories; all else is left out.
Result<void> copyEntry(int from, int to, const std::string& name, int depth) {
  struct stat info{};
  if (depth == 0 || ::fstatat(from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return {};
  if (S_ISLNK(info.st_mode)) return copyLink(from, to, name);
  if (S_ISDIR(info.st_mode) && (info.st_mode & S_IXOTH) != 0) return copyDirectory(from, to, name, depth);
  bool readable = S_ISREG(info.st_mode) && (info.st_mode & S_IROTH) != 0;
  return readable && static_cast<std::size_t>(info.st_size) <= kMaxEtcFile ? copyFile(from, to, name) : Result<void>{};
}

Result<void> copyPath(int from, int to, const std::string& path) {
  auto slash = path.find('/');
  if (slash == std::string::npos) return copyEntry(from, to, path, 6);
  std::string folder = path.substr(0, slash);
  Fd source(::openat(from, folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!source) return {};
  if (::mkdirat(to, folder.c_str(), 0755) != 0 && errno != EEXIST) return failStep("making /etc/" + folder);
  AGENTOS_TRY(Fd target, openDirectory("etc/" + folder));
  return copyEntry(source.get(), target.get(), path.substr(slash + 1), 6);
}

Result<void> buildEtc() {
  AGENTOS_TRY(Fd target, openDirectory("etc"));
  AGENTOS_TRY(Fd source, openDirectory("/etc"));
  for (const char* path : kCopied) AGENTOS_CHECK(copyPath(source.get(), target.get(), path));
  for (const auto& file : kWritten) {
    Fd out(::openat(target.get(), file.name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!out) return failStep(std::string("making /etc/") + file.name);
    AGENTOS_CHECK(writeAll(out.get(), file.text));
  }
  return {};
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

Result<RoomTemplate> enterTemplate(const std::string& place) {
  if (::unshare(CLONE_NEWNS) != 0) return failStep("leaving the host's mount namespace");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return failStep("making the mounts slaves");
  if (::mkdir(place.c_str(), 0700) != 0 && errno != EEXIST) return failStep("making " + place);
  if (::mount("agentd-template", place.c_str(), "tmpfs", MS_NOSUID, "mode=0755,size=64m") != 0)
    return failStep("mounting the template");
  if (::chdir(place.c_str()) != 0) return failStep("entering the template");
  for (const char* name : {"root", "etc", "dev", "logs", "records"}) {
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
  AGENTOS_CHECK(buildEtc());
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
