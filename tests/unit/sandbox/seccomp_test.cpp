// SPDX-License-Identifier: Apache-2.0
#include "sandbox/seccomp.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

namespace agentos::sandbox {
namespace {

std::set<std::string> allowed() {
  std::set<std::string> names;
  for (const SeccompGroup& group : allowedCalls()) {
    for (std::string_view call : group.calls) {
      EXPECT_TRUE(names.emplace(call).second) << call << " is listed twice";
    }
  }
  return names;
}

TEST(SeccompList, NamesCallsOnceAndOnOneSide) {
  std::set<std::string> names = allowed();
  EXPECT_GE(names.size(), 124U);  // what five real agents were seen to call
  for (auto list : {forbiddenCalls(), namespaceCalls()}) {
    for (std::string_view call : list) {
      EXPECT_TRUE(names.emplace(call).second) << call << " is on two lists";
    }
  }
}

TEST(SeccompList, NamesNothingThatLibseccompDoesNotKnow) {
  std::set<std::string> names = allowed();
  for (auto list : {forbiddenCalls(), namespaceCalls()}) names.insert(list.begin(), list.end());
  for (const std::string& name : names) {
    EXPECT_NE(seccomp_syscall_resolve_name(name.c_str()), __NR_SCMP_ERROR) << name;
  }
}

TEST(SeccompList, HoldsNoneOfTheDangerous) {
  std::set<std::string> names = allowed();
  for (const char* call : {"clone",
                           "clone3",
                           "open",
                           "openat",
                           "openat2",
                           "creat",
                           "chmod",
                           "fchmod",
                           "fchmodat",
                           "fchmodat2",
                           "socket",
                           "socketpair",
                           "mknod",
                           "mknodat",
                           "personality",
                           "io_uring_setup",
                           "io_uring_enter",
                           "io_uring_register",
                           "bpf",
                           "ptrace",
                           "process_vm_readv",
                           "process_vm_writev",
                           "keyctl",
                           "add_key",
                           "request_key",
                           "mount",
                           "umount2",
                           "pivot_root",
                           "chroot",
                           "move_mount",
                           "open_tree",
                           "fsopen",
                           "fsmount",
                           "fsconfig",
                           "mount_setattr",
                           "userfaultfd",
                           "perf_event_open",
                           "kexec_load",
                           "kexec_file_load",
                           "init_module",
                           "finit_module",
                           "delete_module",
                           "setns",
                           "unshare",
                           "open_by_handle_at",
                           "reboot",
                           "swapon",
                           "iopl",
                           "ioperm",
                           "modify_ldt",
                           "uselib",
                           "vm86",
                           "clock_settime",
                           "settimeofday",
                           "pidfd_getfd",
                           "fanotify_init",
                           "sync"}) {
    EXPECT_FALSE(names.contains(call)) << call;
  }
}

TEST(SeccompProgram, FitsTheKernelAndCannotBeChanged) {
  for (bool nested : {false, true}) {
    auto program = compileSeccomp(nested);
    ASSERT_TRUE(program) << program.error().message();
    struct stat status{};
    ASSERT_EQ(fstat(program->get(), &status), 0);
    EXPECT_GT(status.st_size, 100L * static_cast<long>(sizeof(sock_filter)));
    EXPECT_LE(status.st_size, 4096L * static_cast<long>(sizeof(sock_filter)));
    EXPECT_EQ(fcntl(program->get(), F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  }
}

// In a child that wears the room's filter: may it put on one of its own with these flags? 0, or the errno.
int ownFilterWith(unsigned flags) {
  auto program = compileSeccomp(false);
  if (!program) return -1;
  struct stat status{};
  fstat(program->get(), &status);
  std::vector<sock_filter> code(static_cast<std::size_t>(status.st_size) / sizeof(sock_filter));
  if (pread(program->get(), code.data(), code.size() * sizeof(sock_filter), 0) != status.st_size) return -1;
  pid_t child = fork();
  if (child == 0) {
    sock_fprog room{static_cast<unsigned short>(code.size()), code.data()};
    sock_filter allowAll[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    sock_fprog own{1, allowAll};
    bool worn =
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &room) == 0;
    if (!worn) _exit(255);
    _exit(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &own) < 0 ? errno : 0);
  }
  int result = 0;
  waitpid(child, &result, 0);
  return WEXITSTATUS(result);
}

// With that flag a held call keeps its room from being paused.
TEST(SeccompProgram, LetsNobodyEscapeThePauseByANotifierOfItsOwn) {
  constexpr unsigned kNewListener = 1 << 3, kWaitKillableRecv = 1 << 5;
  EXPECT_EQ(ownFilterWith(0), 0);
  EXPECT_EQ(ownFilterWith(kNewListener), 0);
  EXPECT_EQ(ownFilterWith(kNewListener | kWaitKillableRecv), EINVAL);
}

}  // namespace
}  // namespace agentos::sandbox
