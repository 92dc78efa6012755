// SPDX-License-Identifier: Apache-2.0
#include "sandbox/seccomp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace agentos::sandbox {
namespace {

constexpr std::uint64_t kInt = 0xffffffff;  // the kernel reads 32 bits of an int argument, whatever lies above
constexpr std::uint64_t kNamespaceFlags =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
constexpr std::uint64_t kAskPersonality = 0xffffffff;
constexpr std::uint64_t kWaitKillableRecv = 1
                                            << 5;  // SECCOMP_FILTER_FLAG_…, Linux 5.19; Debian 12's headers may lack it

// Adds rules until one fails, and then remembers why.
class RuleSet {
 public:
  explicit RuleSet(scmp_filter_ctx context) : context_(context) {}

  void rule(std::uint32_t action, std::string_view call, std::vector<scmp_arg_cmp> conditions = {}) {
    if (!problem_.empty()) return;
    std::string name(call);
    int number = seccomp_syscall_resolve_name(name.c_str());
    int error = number == __NR_SCMP_ERROR
                    ? -ENOENT
                    : seccomp_rule_add_array(context_, action, number, static_cast<unsigned>(conditions.size()),
                                             conditions.data());
    if (error == 0 || error == -EDOM) return;  // EDOM: the call does not exist on this architecture
    problem_ = "a rule for " + name;
    error_ = -error;
  }
  void allow(std::string_view call, std::vector<scmp_arg_cmp> conditions = {}) {
    rule(SCMP_ACT_ALLOW, call, std::move(conditions));
  }
  void refuse(int error, std::string_view call, std::vector<scmp_arg_cmp> conditions = {}) {
    rule(SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)), call, std::move(conditions));
  }
  Result<void> result() const {
    if (problem_.empty()) return {};
    return failErrno(error_, problem_, {}, ErrorCode::kSandboxSetup);
  }

 private:
  scmp_filter_ctx context_;
  std::string problem_;
  int error_ = 0;
};

scmp_arg_cmp is(unsigned argument, std::uint64_t value, std::uint64_t mask = kInt) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

// clone3 is not named: it gets the default, ENOSYS.
void addClone(RuleSet& rules, bool nestedUserns) {
  if (nestedUserns) return rules.allow("clone");
  rules.allow("clone", {is(0, 0, kNamespaceFlags)});
  for (std::uint64_t flag = 1; flag <= kNamespaceFlags; flag <<= 1) {
    if ((flag & kNamespaceFlags) != 0) rules.refuse(EPERM, "clone", {is(0, flag, flag)});
  }
}

void addSockets(RuleSet& rules) {
  rules.allow("socket", {is(0, AF_UNIX)});
  rules.allow("socketpair", {is(0, AF_UNIX)});
  for (int family : {AF_INET, AF_INET6}) {
    for (int protocol : {0, int{IPPROTO_TCP}, int{IPPROTO_UDP}}) {
      rules.allow("socket", {is(0, static_cast<std::uint64_t>(family)), is(2, static_cast<std::uint64_t>(protocol))});
    }
  }
  rules.allow("socket", {is(0, AF_NETLINK), is(2, 0 /* NETLINK_ROUTE */)});
}

constexpr std::uint64_t kSetId = S_ISUID | S_ISGID;

// `mode` is the place of the mode among the call's arguments.
void refuseSetId(RuleSet& rules, std::string_view call, unsigned mode) {
  for (std::uint64_t bit : {S_ISUID + 0U, S_ISGID + 0U}) rules.refuse(EPERM, call, {is(mode, bit, bit)});
}

// nosuid makes the bits idle in the room, and there only: in an idmapped mount they would lie on the host's disk, on a
// file of the host's owner. A directory inherits its parent's set-group-id bit all the same, since that is no argument
// of mkdir, and mkdir drops the bits of its own (inode_init_owner() and vfs_mkdir() of the kernel).
void addModes(RuleSet& rules) {
  struct Call {
    std::string_view name;
    unsigned mode;
  };
  for (auto [call, mode] : {Call{"chmod", 1}, Call{"fchmod", 1}, Call{"fchmodat", 2}, Call{"creat", 1}}) {
    rules.allow(call, {is(mode, 0, kSetId)});
    refuseSetId(rules, call, mode);
  }
  // The mode counts only where a file is made: else the register may hold anything. openat2 is not named, and gets
  // ENOSYS: its mode lies in memory that a filter cannot read.
  constexpr std::uint64_t kNew = O_CREAT, kUnnamed = O_TMPFILE & ~O_DIRECTORY;
  for (auto [call, mode] : {Call{"open", 2}, Call{"openat", 3}}) {
    const unsigned flags = mode - 1;
    rules.allow(call, {is(flags, 0, kNew | kUnnamed)});
    for (std::uint64_t making : {kNew, kUnnamed, kNew | kUnnamed}) {
      rules.allow(call, {is(flags, making, kNew | kUnnamed), is(mode, 0, kSetId)});
      for (std::uint64_t bits : {S_ISUID + 0UL, S_ISGID + 0UL, kSetId})
        rules.refuse(EPERM, call, {is(flags, making, kNew | kUnnamed), is(mode, bits, kSetId)});
    }
  }
}

void addNodes(RuleSet& rules) {
  for (std::uint64_t type : {0U, S_IFREG + 0U, S_IFIFO + 0U, S_IFSOCK + 0U}) {
    rules.allow("mknod", {is(1, type, S_IFMT | kSetId)});
    rules.allow("mknodat", {is(2, type, S_IFMT | kSetId)});
  }
  refuseSetId(rules, "mknod", 1);
  refuseSetId(rules, "mknodat", 2);
}

// A call that a notifier of this kind holds waits in a way that the freezer does not count as frozen: one process could
// keep its whole room from being paused. Refused as a kernel does that does not know the flag.
void addSelfRestraint(RuleSet& rules) {
  rules.allow("seccomp", {is(1, 0, kWaitKillableRecv)});
  rules.refuse(EINVAL, "seccomp", {is(1, kWaitKillableRecv, kWaitKillableRecv)});
}

void addAll(RuleSet& rules, bool nestedUserns, bool heldScheduling) {
  for (const SeccompGroup& group : allowedCalls()) {
    for (std::string_view call : group.calls) rules.allow(call);
  }
  for (std::string_view call : forbiddenCalls()) rules.refuse(EPERM, call);
  for (std::string_view call : namespaceCalls()) {
    rules.rule(nestedUserns ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), call);
  }
  for (std::string_view call : schedulingCalls()) {
    rules.rule(heldScheduling ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW, call);
  }
  addClone(rules, nestedUserns);
  addSockets(rules);
  addModes(rules);
  addNodes(rules);
  addSelfRestraint(rules);
  rules.allow("personality", {is(0, 0)});
  rules.allow("personality", {is(0, kAskPersonality)});
}

}  // namespace

Result<Fd> compileSeccomp(bool nestedUserns, bool heldScheduling) {
  std::unique_ptr<void, decltype(&seccomp_release)> context(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), seccomp_release);
  if (!context) return fail(ErrorCode::kSandboxSetup, "seccomp_init failed", "libseccomp 2.5 or newer");
  seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  // A binary tree instead of a chain: the last call of the list costs what the first does.
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  RuleSet rules(context.get());
  addAll(rules, nestedUserns, heldScheduling);
  AGENTOS_CHECK(rules.result());
  Fd program(memfd_create("seccomp", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!program) return failErrno(errno, "memfd_create for the seccomp program", {}, ErrorCode::kSandboxSetup);
  if (int error = seccomp_export_bpf(context.get(), program.get()); error != 0) {
    return failErrno(-error, "seccomp_export_bpf", {}, ErrorCode::kSandboxSetup);
  }
  if (fcntl(program.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    return failErrno(errno, "sealing the seccomp program", {}, ErrorCode::kSandboxSetup);
  }
  return program;
}

}  // namespace agentos::sandbox
