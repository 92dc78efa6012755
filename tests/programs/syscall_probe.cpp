// SPDX-License-Identifier: Apache-2.0
// syscall_probe NAME…: makes each call, in a child of its own, with arguments that fail harmlessly where no filter
// stands in the way, and prints "NAME ERRNO" (0 when it worked), or "NAME signal N" when the call ended the child.
// syscall_probe --all makes them all; --list prints the names it knows.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace {

constexpr long kBad = -1;  // a pointer or descriptor that is none

struct Probe {
  const char* name;
  long (*make)();
};

template <long number, long a = kBad, long b = kBad, long c = kBad, long d = kBad, long e = kBad>
long call() {
  return syscall(number, a, b, c, d, e, kBad);
}

// A process made so ends at once.
template <unsigned long flags>
long cloneWith() {
  long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  if (child > 0) waitpid(static_cast<pid_t>(child), nullptr, 0);
  return child < 0 ? -1 : 0;
}

long clone3() {
  clone_args arguments{};
  arguments.exit_signal = SIGCHLD;
  long child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0) _exit(0);
  return child < 0 ? -1 : 0;
}

template <int family, int type = SOCK_STREAM, int protocol = 0>
long socketOf() {
  return socket(family, type, protocol);
}

#if defined(__x86_64__)
// getpid by the 32-bit entry: another architecture, as the filter sees it.
long i386Getpid() {
  long result = 20;
  asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  if (result >= 0) return 0;
  errno = static_cast<int>(-result);
  return -1;
}
long x32Getpid() { return syscall(0x40000000 + SYS_getpid); }
#endif

constexpr Probe kProbes[] = {
    {"getpid", call<SYS_getpid>},
    {"ptrace", call<SYS_ptrace, 0x4206 /* PTRACE_SEIZE */, 0>},
    {"process_vm_readv", call<SYS_process_vm_readv, 1, 0, 0, 0, 0>},
    {"process_vm_writev", call<SYS_process_vm_writev, 1, 0, 0, 0, 0>},
    {"kcmp", call<SYS_kcmp>},
    {"pidfd_getfd", call<438>},
    {"bpf", call<SYS_bpf, 999>},
    {"perf_event_open", call<SYS_perf_event_open>},
    {"userfaultfd", call<SYS_userfaultfd, 0x7fff0000>},
    {"init_module", call<SYS_init_module, 0, 0, 0>},
    {"finit_module", call<SYS_finit_module>},
    {"delete_module", call<SYS_delete_module>},
    {"kexec_load", call<SYS_kexec_load, 0, 999, 0, 999>},
    {"reboot", call<SYS_reboot, 0>},
    {"syslog", call<SYS_syslog, 999>},
    {"swapon", call<SYS_swapon>},
    {"quotactl", call<SYS_quotactl>},
    {"acct", call<SYS_acct>},
    {"fanotify_init", call<SYS_fanotify_init, 0x7fff0000>},
    {"open_by_handle_at", call<SYS_open_by_handle_at>},
    {"name_to_handle_at", call<SYS_name_to_handle_at>},
    {"keyctl", call<SYS_keyctl, 999>},
    {"add_key", call<SYS_add_key>},
    {"request_key", call<SYS_request_key>},
    {"settimeofday", call<SYS_settimeofday>},
    {"clock_settime", call<SYS_clock_settime, 999>},
    {"clock_adjtime", call<SYS_clock_adjtime, 999>},
    {"move_pages", call<SYS_move_pages>},
    {"unshare", call<SYS_unshare, CLONE_NEWUSER>},
    {"setns", call<SYS_setns>},
    {"mount", call<SYS_mount>},
    {"umount2", call<SYS_umount2>},
    {"pivot_root", call<SYS_pivot_root>},
    {"chroot", call<SYS_chroot>},
    {"sethostname", call<SYS_sethostname, 0, -1>},
    {"fsopen", call<430>},
    {"open_tree", call<428>},
    {"move_mount", call<429>},
    {"mount_setattr", call<442>},
    {"io_uring_setup", call<425, 0, 0>},
    {"io_uring_enter", call<426>},
    {"io_uring_register", call<427>},
    {"msgget", call<SYS_msgget, 0, 01600>},
    {"mbind", call<SYS_mbind, 0, 0, 0, 0, 0>},
    {"clone", cloneWith<0>},
    {"clone_newuser", cloneWith<CLONE_NEWUSER>},
    {"clone_newns", cloneWith<CLONE_NEWNS | CLONE_NEWUSER>},
    {"clone_newpid", cloneWith<CLONE_NEWPID>},
    {"clone_newnet", cloneWith<CLONE_NEWNET>},
    {"clone3", clone3},
    {"socket_unix", socketOf<AF_UNIX>},
    {"socket_inet", socketOf<AF_INET>},
    {"socket_inet6", socketOf<AF_INET6>},
    {"socket_udp", socketOf<AF_INET, SOCK_DGRAM>},
    {"socket_route", socketOf<AF_NETLINK, SOCK_RAW, 0>},
    {"socket_netfilter", socketOf<AF_NETLINK, SOCK_RAW, 12>},
    {"socket_uevent", socketOf<AF_NETLINK, SOCK_RAW, 15>},
    {"socket_mptcp", socketOf<AF_INET, SOCK_STREAM, 262>},
    {"socket_packet", socketOf<AF_PACKET, SOCK_DGRAM>},
    {"socket_alg", socketOf<AF_ALG, SOCK_SEQPACKET>},
    {"socket_vsock", socketOf<AF_VSOCK>},
    {"mknod_device", [] { return syscall(SYS_mknodat, AT_FDCWD, kBad, S_IFCHR | 0600, 0x103); }},
    {"mknod_fifo", [] { return syscall(SYS_mknodat, AT_FDCWD, kBad, S_IFIFO | 0600, 0); }},
    {"personality_ask", [] { return syscall(SYS_personality, 0xffffffff) < 0 ? -1L : 0L; }},
    {"personality_norandom", [] { return syscall(SYS_personality, ADDR_NO_RANDOMIZE) < 0 ? -1L : 0L; }},
    {"unknown", call<1000>},
#if defined(__x86_64__)
    {"iopl", call<SYS_iopl, 0>},
    {"i386", i386Getpid},
    {"x32", x32Getpid},
#endif
};

void run(const Probe& probe) {
  std::fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    errno = 0;
    long result = probe.make();
    std::printf("%s %d\n", probe.name, result < 0 ? errno : 0);
    std::fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) std::printf("%s signal %d\n", probe.name, WTERMSIG(status));
}

}  // namespace

int main(int argc, char** argv) {
  bool list = argc == 2 && std::strcmp(argv[1], "--list") == 0;
  bool all = argc == 2 && std::strcmp(argv[1], "--all") == 0;
  for (const Probe& probe : kProbes) {
    if (list) std::puts(probe.name);
    bool asked = all;
    for (int i = 1; i < argc; ++i) asked = asked || std::strcmp(argv[i], probe.name) == 0;
    if (asked && !list) run(probe);
  }
}
