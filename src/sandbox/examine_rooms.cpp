// SPDX-License-Identifier: Apache-2.0
// Namespaces, the room's root, system calls, signals.
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sandbox/examine.h"
#include "sandbox/landlock.h"
#include "sandbox/remedies.h"
#include "sandbox/seccomp.h"

namespace agentos::sandbox {
namespace {

// Of the last range: the one that a room gets last.
unsigned probeIds(const Policy& policy) { return policy.uidFirst + (policy.slots - 1) * kIdsPerRoom; }

Trial judge(std::string name, const Outcome& outcome, std::string given, std::string missing, std::string tried,
            std::string remedy, const char* otherwise = "failed") {
  if (outcome.worked()) return {std::move(name), "ok", std::move(given), std::move(tried), ""};
  return {std::move(name), otherwise, std::move(missing) + " (" + outcome.why() + ")", std::move(tried),
          std::move(remedy)};
}

const char* enterEachNamespace() {
  struct Space {
    int flag;
    const char* step;
  };
  for (auto [flag, step] : {Space{CLONE_NEWNS, "a mount namespace"}, Space{CLONE_NEWIPC, "an ipc namespace"},
                            Space{CLONE_NEWUTS, "a uts namespace"}, Space{CLONE_NEWNET, "a network namespace"},
                            Space{CLONE_NEWCGROUP, "a cgroup namespace"}, Space{CLONE_NEWPID, "a pid namespace"}}) {
    if (::unshare(flag) != 0) return step;
  }
  return nullptr;
}

const char* enterPrivateMounts() {
  if (::unshare(CLONE_NEWNS) != 0) return "a mount namespace";
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? nullptr : "making the mounts private";
}

const char* changeRoot() {
  if (const char* step = enterPrivateMounts()) return step;
  if (::mount("root", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0) return "mounting a tmpfs";
  if (::chdir("/tmp") != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0) return "pivot_root";
  if (::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) return "taking off the old root";
  if (::access("/etc", F_OK) == 0 || ::access("/../etc", F_OK) == 0) return "the old root is still in reach";
  return nullptr;
}

// The first process of a new pid namespace mounts it.
const char* mountProc() {
  if (const char* step = enterPrivateMounts()) return step;
  if (::unshare(CLONE_NEWPID) != 0) return "a pid namespace";
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    ::_exit(::mount("proc", "/proc", "proc", kFlags, "hidepid=2") == 0 ? 0 : errno);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return "its first process";
  errno = WEXITSTATUS(status);
  return errno == 0 ? nullptr : "mounting /proc";
}

const char* useLoopback() {
  if (::unshare(CLONE_NEWNET) != 0) return "a network namespace";
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return "bringing loopback up";
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(4242);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(socket.get(), generic, sizeof address) != 0 || ::listen(socket.get(), 1) != 0) return "listening in it";
  Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(client.get(), generic, sizeof address) == 0 ? nullptr : "connecting in it";
}

const char* loadFilter() {
  auto program = compileSeccomp(false);
  struct stat info{};
  if (!program || ::fstat(program->get(), &info) != 0) return "compiling the filter";
  const auto size = static_cast<std::size_t>(info.st_size);
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, program->get(), 0);
  if (mapped == MAP_FAILED || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs";
  sock_fprog filter{static_cast<unsigned short>(size / sizeof(sock_filter)), static_cast<sock_filter*>(mapped)};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) return "loading the filter";
  if (::syscall(SYS_keyctl, 999) != -1 || errno != EPERM) return "the filter lets through what it refuses";
  if (::syscall(SYS_getpid) <= 0) return "the filter refuses what it lets through";
  return nullptr;
}

const char* scopeSignals() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs";
  if (auto scoped = restrictToRoom({}); !scoped) {
    errno = scoped.error().sysErrno;
    return "landlock_restrict_self";
  }
  errno = ENOTSUP;
  if (::kill(::getppid(), 0) == 0) return "a signal still leaves the domain";
  return errno == EPERM ? nullptr : "the signal failed for another reason";
}

const char* takeKeyring() {
  if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0 || errno == ENOSYS) return nullptr;
  return "a session keyring";
}

// As an agent would: without privilege, and then with those of the namespace that it made.
const char* nestNamespaces() {
  constexpr unsigned kNobody = 65534;
  if (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0 ||
      ::setresuid(kNobody, kNobody, kNobody) != 0) {
    return "becoming an ordinary user";
  }
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return "unshare";
  return ::mount("t", "/tmp", "tmpfs", 0, nullptr) == 0 ? nullptr : "mounting as its root";
}

Trial examineLandlock() {
  const int abi = landlockAbi();
  const std::string tried = "a process scoped itself and signalled its parent";
  if (abi < 6) {
    return {"landlock", "warning",
            "Landlock has ABI " + std::to_string(abi) +
                ", scoping begins with 6: signals and abstract sockets are held by namespaces alone",
            "landlock_create_ruleset was asked for its version", remedyForLandlock(abi, readSetting)};
  }
  return judge("landlock", tryInChild(scopeSignals),
               "Landlock keeps signals and abstract sockets in the room (ABI " + std::to_string(abi) + ")",
               "Landlock does not scope signals", tried, remedyForLandlock(0, readSetting), "warning");
}

Trial examineAppArmor() {
  const std::string tried = "the kernel's list of loaded profiles was read";
  auto profiles = readSetting("/sys/kernel/security/apparmor/profiles");
  if (!profiles) {
    return {"apparmor", "warning", "AppArmor is not there: the spawner and its rooms have no profile around them",
            tried, remedyByCommandLine("apparmor=1 security=apparmor", readSetting)};
  }
  if (profiles->contains("agentd-spawner (enforce)"))
    return {"apparmor", "ok", "AppArmor enforces the spawner's profile, and the rooms' with it", tried, ""};
  return {"apparmor", "warning", "AppArmor is there, the profile agentd-spawner is not loaded", tried,
          "sudo apparmor_parser --replace /etc/apparmor.d/agentd /etc/apparmor.d/agentd-spawner"};
}

}  // namespace

std::vector<Trial> examineRooms(const Policy& policy) {
  const unsigned ids = probeIds(policy);
  const std::string range = "65,536 ids from " + std::to_string(ids);
  std::vector<Trial> trials;
  auto nothing = []() -> const char* { return nullptr; };
  trials.push_back(judge("user_namespaces", tryInNamespace(nothing, ids), "each room gets host ids of its own",
                         "no room gets host ids of its own", "a user namespace was made with " + range,
                         remedyForUserNamespaces(readSetting)));
  trials.push_back(judge("namespaces", tryInNamespace(enterEachNamespace, ids),
                         "mounts, processes, network, ipc, names and groups are a room's own",
                         "not every namespace can be made", "one of each was made by root of a user namespace",
                         remedyForUserNamespaces(readSetting)));
  trials.push_back(judge("private_root", tryInNamespace(changeRoot, ids), "a room has a root of its own",
                         "a room cannot leave the host's root", "pivot_root to a tmpfs, and a look for the old root",
                         "run agentd where mounts may be made: outside of a container, or in one with CAP_SYS_ADMIN"));
  trials.push_back(
      judge("proc", tryInNamespace(mountProc, ids), "a room has a /proc of its own processes",
            "a room cannot have a /proc of its own", "mounted with hidepid=2 in a new pid namespace",
            "a /proc without covers (docker: --security-opt systempaths=unconfined; unit: no ProtectProc=)"));
  trials.push_back(judge("network", tryInChild(useLoopback), "a room has loopback and nothing else",
                         "a room's network cannot be made", "a listener in a new network namespace was reached",
                         "run agentd where network namespaces may be made (CAP_NET_ADMIN)"));
  trials.push_back(judge("seccomp", tryInChild(loadFilter), "system calls are filtered", "the filter cannot be loaded",
                         "the rooms' filter was loaded, a refused and an allowed call made",
                         "a kernel with CONFIG_SECCOMP_FILTER"));
  trials.push_back(judge("keyring", tryInChild(takeKeyring), "a room has a session keyring of its own",
                         "a room cannot leave the spawner's keyring", "a new session keyring was joined",
                         "more keys for root: sudo sysctl -w kernel.keys.root_maxkeys=1000000"));
  trials.push_back(examineLandlock());
  trials.push_back(judge("nested_userns", tryInChild(nestNamespaces), "security.nested_userns works",
                         "security.nested_userns does not work: browsers and the like have no sandbox of their own",
                         "an ordinary user made a user namespace and mounted in it",
                         remedyForNestedNamespaces(readSetting), "warning"));
  trials.push_back(examineAppArmor());
  return trials;
}

}  // namespace agentos::sandbox
