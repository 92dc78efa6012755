// SPDX-License-Identifier: Apache-2.0
#include "support/floor.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "base/files.h"
#include "base/ids.h"
#include "sandbox/mountinfo.h"
#include "support/figures.h"

namespace agentos::bench {
namespace {

constexpr const char* kRoot = "/tmp";  // covered by a tmpfs in the child's own mount namespace
constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV;

// In the child nothing but system calls is made: it is a copy of a program with several threads.
void check(bool good, int step) {
  if (!good) ::_exit(100 + step);
}

void makeRoot(const char* program, const char* home) {
  // The home is opened before its path is covered.
  int homeFd = ::open(home, O_PATH | O_DIRECTORY | O_CLOEXEC), programFd = ::open(program, O_PATH | O_CLOEXEC);
  int homeTree =
      static_cast<int>(::syscall(SYS_open_tree, homeFd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  int programTree =
      static_cast<int>(::syscall(SYS_open_tree, programFd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  check(homeTree >= 0 && programTree >= 0, 1);
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, 2);
  check(::mount("tmpfs", kRoot, "tmpfs", kPlain, "mode=755") == 0, 3);
  check(::chdir(kRoot) == 0, 4);
  for (const char* name : {"usr", "proc", "dev", "tmp", "home", "old"}) check(::mkdir(name, 0755) == 0, 5);
  check(::symlink("usr/lib64", "lib64") == 0, 6);
  int first = ::open("first", O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
  check(first >= 0 && ::close(first) == 0, 7);  // an open writer would keep the root from becoming read-only
  check(::mount("/usr", "usr", nullptr, MS_BIND | MS_REC, nullptr) == 0, 8);
  check(::mount(nullptr, "usr", nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY | kPlain, nullptr) == 0, 9);
  check(::mount("proc", "proc", "proc", kPlain | MS_NOEXEC, nullptr) == 0, 10);
  check(::mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755") == 0, 11);
  check(::mount("tmpfs", "tmp", "tmpfs", kPlain, nullptr) == 0, 12);
  check(::syscall(SYS_move_mount, homeTree, "", AT_FDCWD, "home", MOVE_MOUNT_F_EMPTY_PATH) == 0, 13);
  check(::syscall(SYS_move_mount, programTree, "", AT_FDCWD, "first", MOVE_MOUNT_F_EMPTY_PATH) == 0, 14);
  check(::syscall(SYS_pivot_root, ".", "old") == 0, 15);
  check(::umount2("/old", MNT_DETACH) == 0 && ::chdir("/") == 0, 16);
  check(::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kPlain, nullptr) == 0, 17);
}

void bringUpLoopback() {
  int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP;
  check(::ioctl(socket, SIOCSIFFLAGS, &request) == 0, 20);
  ::close(socket);
}

void addFilter() {
  sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog program{1, allow};
  check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, 21);
  check(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, 22);
}

[[noreturn]] void child(int mapped, const char* program, const char* home) {
  char go = 0;
  check(::read(mapped, &go, 1) == 1, 0);
  check(::syscall(SYS_setresgid, 0, 0, 0) == 0 && ::syscall(SYS_setresuid, 0, 0, 0) == 0, 0);
  makeRoot(program, home);
  bringUpLoopback();
  addFilter();
  const char* argv[] = {"/first", "/home/at", nullptr};
  const char* none[] = {nullptr};
  ::execve("/first", const_cast<char**>(argv), const_cast<char**>(none));  // NOLINT: execve's signature
  ::_exit(127);
}

void writeFile(const std::string& path, const std::string& text) {
  Fd out(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!out || ::write(out.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) stop("floor: " + path);
}

}  // namespace

Floor::Floor(std::string program) : program_(std::move(program)) {
  auto mounts = sandbox::findCgroupMounts(sandbox::parseMountInfo(must(readPath("/proc/self/mountinfo"))));
  if (!mounts.point) stop("cgroup v2 is not mounted");
  group_ = *mounts.point + "/agentd-floor-" + randomToken(6);
  if (::mkdir(group_.c_str(), 0755) != 0) stop("cannot make " + group_);
}

Floor::~Floor() { ::rmdir(group_.c_str()); }

void Floor::run(const std::string& home) const {
  static std::atomic<int> number{0};
  const std::string group = group_ + "/" + std::to_string(++number);
  if (::mkdir(group.c_str(), 0755) != 0) stop("cannot make " + group);
  Fd groupFd(::open(group.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  int pair[2];
  if (::pipe2(pair, O_CLOEXEC) != 0) stop("pipe");
  Fd reading(pair[0]), writing(pair[1]);
  clone_args arguments{};
  arguments.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                    CLONE_NEWCGROUP | CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<std::uint64_t>(groupFd.get());
  auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid < 0) stop(std::string("clone3: ") + std::strerror(errno));
  if (pid == 0) child(reading.get(), program_.c_str(), home.c_str());
  const std::string proc = "/proc/" + std::to_string(pid);
  writeFile(proc + "/uid_map", "0 900000000 65536\n");
  writeFile(proc + "/gid_map", "0 900000000 65536\n");
  if (::write(writing.get(), "g", 1) != 1) stop("floor: the child is gone");
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (status != 0) stop("floor: the child ended with " + std::to_string(WEXITSTATUS(status)));
  groupFd.reset();
  if (::rmdir(group.c_str()) != 0) stop("cannot remove " + group);
}

std::vector<std::string> bubblewrapCommand(const std::string& program, const std::string& home) {
  return {"/usr/bin/bwrap", "--unshare-all", "--ro-bind", "/usr",   "/usr",    "--symlink", "usr/lib64", "/lib64",
          "--proc",         "/proc",         "--dev",     "/dev",   "--tmpfs", "/tmp",      "--bind",    home,
          "/home",          "--ro-bind",     program,     "/first", "--",      "/first",    "/home/at"};
}

}  // namespace agentos::bench
