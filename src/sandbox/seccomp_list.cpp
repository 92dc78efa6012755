// SPDX-License-Identifier: Apache-2.0
// By purpose. It began with the 124 calls that five real agents (Node, Rust and Go programs) were seen to make, and
// grew by what glibc, Python, git, shells, compilers and databases use on their ordinary paths. Not here on purpose:
// io_uring (its requests pass by every filter), System V message queues, NUMA placement, and whatever needs a
// capability.
#include <array>

#include "sandbox/seccomp.h"

namespace agentos::sandbox {
namespace {

using Names = std::string_view;

// clang-format off

constexpr std::array kFiles = std::to_array<Names>({
    "close", "close_range", "read", "readv", "pread64", "preadv", "preadv2",
    "write", "writev", "pwrite64", "pwritev", "pwritev2", "lseek", "dup", "dup2", "dup3", "fcntl", "flock", "ioctl",
    "pipe", "pipe2", "sendfile", "splice", "tee", "copy_file_range", "fadvise64", "readahead", "truncate",
    "ftruncate", "fallocate", "fsync", "fdatasync", "sync_file_range", "syncfs", "memfd_create"
});

constexpr std::array kNames = std::to_array<Names>({
    "stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getdents", "getdents64", "getcwd", "chdir", "fchdir", "mkdir", "mkdirat", "rmdir",
    "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "chown", "fchown", "lchown", "fchownat", "umask", "utime", "utimes", "futimesat",
    "utimensat", "getxattr", "lgetxattr", "fgetxattr", "setxattr", "lsetxattr", "fsetxattr", "listxattr",
    "llistxattr", "flistxattr", "removexattr", "lremovexattr", "fremovexattr", "inotify_init", "inotify_init1",
    "inotify_add_watch", "inotify_rm_watch"
});

constexpr std::array kMemory = std::to_array<Names>({
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "mincore", "msync", "mlock", "mlock2", "munlock",
    "mlockall", "munlockall", "membarrier", "pkey_alloc", "pkey_free", "pkey_mprotect", "get_mempolicy"
});

constexpr std::array kProcesses = std::to_array<Names>({
    "fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "arch_prctl", "prctl",
    "set_tid_address", "set_robust_list", "get_robust_list", "rseq", "futex", "futex_waitv", "getpid", "gettid",
    "getppid", "getpgid", "setpgid", "getpgrp", "getsid", "setsid", "pidfd_open", "pidfd_send_signal",
    "restart_syscall"
});

// Without a capability the calls that set change nothing that matters; programs drop by them what they think they have.
constexpr std::array kIdentity = std::to_array<Names>({
    "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "capget", "uname", "sysinfo",
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "capset"
});

constexpr std::array kLimits = std::to_array<Names>({
    "getrlimit", "setrlimit", "prlimit64", "getrusage", "times", "getpriority", "setpriority", "ioprio_get",
    "ioprio_set", "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam",
    "sched_getscheduler", "sched_getattr", "sched_get_priority_max", "sched_get_priority_min",
    "sched_rr_get_interval", "getcpu"
});

constexpr std::array kSignals = std::to_array<Names>({
    "kill", "tkill", "tgkill", "rt_sigaction", "rt_sigprocmask", "rt_sigpending", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "sigaltstack", "signalfd", "signalfd4", "pause"
});

constexpr std::array kTime = std::to_array<Names>({
    "time", "gettimeofday", "clock_gettime", "clock_getres", "nanosleep", "clock_nanosleep", "alarm", "getitimer",
    "setitimer", "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete",
    "timerfd_create", "timerfd_settime", "timerfd_gettime", "getrandom"
});

constexpr std::array kWaiting = std::to_array<Names>({
    "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
    "epoll_pwait2", "eventfd", "eventfd2"
});

constexpr std::array kSockets = std::to_array<Names>({
    "connect", "bind", "listen", "accept", "accept4", "shutdown", "getsockname", "getpeername", "getsockopt",
    "setsockopt", "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg"
});

// The room has an IPC namespace of its own; databases still use these.
constexpr std::array kSharedMemory = std::to_array<Names>({
    "shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semctl"
});

// A program may wall itself in further (seccomp itself: seccomp.cpp).
constexpr std::array kSelfRestraint = std::to_array<Names>({
    "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"
});

// clang-format on

constexpr std::array kGroups = {
    SeccompGroup{"files and pipes", kFiles},
    SeccompGroup{"names and directories", kNames},
    SeccompGroup{"memory", kMemory},
    SeccompGroup{"processes and threads", kProcesses},
    SeccompGroup{"who am I", kIdentity},
    SeccompGroup{"limits and scheduling", kLimits},
    SeccompGroup{"signals", kSignals},
    SeccompGroup{"time and randomness", kTime},
    SeccompGroup{"waiting", kWaiting},
    SeccompGroup{"sockets", kSockets},
    SeccompGroup{"System V shared memory and semaphores", kSharedMemory},
    SeccompGroup{"self-restraint", kSelfRestraint},
};

constexpr std::array kScheduling = std::to_array<Names>({"sched_setparam", "sched_setscheduler"});

constexpr std::array kNamespaces = std::to_array<Names>(
    {"unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "sethostname", "setdomainname", "fsopen",
     "fsconfig", "fsmount", "fspick", "open_tree", "move_mount", "mount_setattr"});

constexpr std::array kForbidden = std::to_array<Names>({
    // into another process
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    "pidfd_getfd",
    // the kernel itself
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "syslog",
    "iopl",
    "ioperm",
    "acct",
    "quotactl",
    "quotactl_fd",
    "swapon",
    "swapoff",
    "vhangup",
    "lookup_dcookie",
    "fanotify_init",
    "fanotify_mark",
    // around the file system's walls
    "open_by_handle_at",
    "name_to_handle_at",
    // keyrings are not namespaced
    "keyctl",
    "add_key",
    "request_key",
    // the machine's clock
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    // other tasks' memory placement
    "move_pages",
    "migrate_pages",
});

}  // namespace

std::span<const SeccompGroup> allowedCalls() { return kGroups; }
std::span<const std::string_view> namespaceCalls() { return kNamespaces; }
std::span<const std::string_view> schedulingCalls() { return kScheduling; }
std::span<const std::string_view> forbiddenCalls() { return kForbidden; }

}  // namespace agentos::sandbox
