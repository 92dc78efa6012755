// SPDX-License-Identifier: Apache-2.0
#include "sandbox/init/payload.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "sandbox/breach.h"
#include "sandbox/landlock.h"

namespace agentos::sandbox {
namespace {

// The child's end of the gate, in the place of the plan, which has been read.
constexpr int kGate = kInitPlanFd;

std::unexpected<Error> failStep(std::string step) {
  return failErrno(errno, std::move(step), {}, ErrorCode::kSandboxSetup);
}

struct Pipe {
  Fd readEnd, writeEnd;
};

// Owned by the payload, so that it may open /dev/stdout and /proc/self/fd/1 like any other file.
Result<Pipe> makePipe(const InitPlan& plan) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return failStep("pipe2");
  Pipe made{Fd(ends[0]), Fd(ends[1])};
  if (fchown(ends[0], plan.uid, plan.gid) != 0) return failStep("fchown of the output pipe");
  if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return failStep("fcntl of the output pipe");
  return made;
}

// `sets` in both words: effective and permitted; nothing inheritable.
bool setCapabilities(std::uint64_t sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  auto low = static_cast<std::uint32_t>(sets), high = static_cast<std::uint32_t>(sets >> 32);
  std::array<__user_cap_data_struct, 2> data{{{low, low, 0}, {high, high, 0}}};
  return syscall(SYS_capset, &header, data.data()) == 0;
}

struct Child {
  pid_t pid = -1;
  bool inPay = false;
};

// Born in pay/: to enter it later by cgroup.procs waits for a grace period of RCU, which is many milliseconds on a
// quiet machine. The spawner has made the two files that the kernel asks about writable for the room's root.
Child forkIntoPay() {
  clone_args arguments{};
  arguments.flags = CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = kInitPayDirFd;
  auto pid = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid >= 0) return {pid, true};
  return {fork(), false};
}

Result<void> enterPayGroup(bool inPay) {
  if (!inPay && write(kInitPayProcsFd, "0", 1) != 1) return failStep("entering the pay group");
  if (!isDown("cgroupns") && unshare(CLONE_NEWCGROUP) != 0) return failStep("unshare(CLONE_NEWCGROUP)");
  return {};
}

Result<void> applyLimits(const InitPlan& plan) {
  for (const InitRlimit& wanted : plan.rlimits) {
    auto resource = static_cast<__rlimit_resource>(wanted.resource);
    rlimit now{};
    std::string name = "the resource limit " + std::to_string(wanted.resource);
    if (getrlimit(resource, &now) != 0) return failStep(name);
    // Raising needs CAP_SYS_RESOURCE in the first user namespace, which nothing in a room has.
    rlimit limit{std::min<rlim_t>(wanted.soft, now.rlim_max), std::min<rlim_t>(wanted.hard, now.rlim_max)};
    if (setrlimit(resource, &limit) != 0) return failStep(name);
  }
  return {};
}

// Before the filter, which lets nobody leave it.
Result<void> takeClass(const InitPlan& plan) {
  if (!plan.batch) return {};
  const sched_param none{};
  if (sched_setscheduler(0, SCHED_BATCH, &none) != 0) return failStep("SCHED_BATCH");
  return {};
}

Result<void> becomeUser(const InitPlan& plan) {
  if (isDown("user")) return {};
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return failStep("clearing ambient capabilities");
  for (unsigned long capability = 0; capability < 64; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      if (errno == EINVAL) break;  // one past the last that this kernel has
      return failStep("dropping the capability bounding set");
    }
  }
  if (setgroups(0, nullptr) != 0) return failStep("setgroups");
  if (setresgid(plan.gid, plan.gid, plan.gid) != 0) return failStep("setresgid " + std::to_string(plan.gid));
  if (setresuid(plan.uid, plan.uid, plan.uid) != 0) return failStep("setresuid " + std::to_string(plan.uid));
  if (!setCapabilities(0)) return failStep("capset");
  return {};
}

// Signals as a fresh process has them: the spawner's ignored ones are inherited over execve otherwise. By the kernel's
// own call: glibc's refuses 32 and 33, which it uses itself, and whoever started agentd may have ignored those, too.
void resetSignals() {
  constexpr std::size_t kMaskBytes = 8;               // of the kernel's sigset_t
  constexpr std::array<unsigned long, 4> kDefault{};  // its struct sigaction: SIG_DFL, no flags, nothing masked
  for (int number = 1; number < NSIG; ++number) syscall(SYS_rt_sigaction, number, kDefault.data(), nullptr, kMaskBytes);
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

// Standard input is /dev/null already.
Result<void> keepOnlyOutput(int output, int errors) {
  if (dup2(output, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0) return failStep("dup2");
  if (!isDown("descriptors") && close_range(kGate + 1, ~0U, 0) != 0) return failStep("close_range");
  return {};
}

struct Filter {
  void* program = nullptr;
  std::size_t bytes = 0;
};

Result<Filter> mapFilter() {
  struct stat status{};
  if (fstat(kInitSeccompFd, &status) != 0) return failStep("the seccomp program");
  auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0 || size % sizeof(sock_filter) != 0 || size / sizeof(sock_filter) > BPF_MAXINSNS) {
    return fail(ErrorCode::kSandboxSetup, "a seccomp program of " + std::to_string(size) + " bytes",
                "1 to 4096 instructions of 8 bytes");
  }
  void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, kInitSeccompFd, 0);
  if (mapped == MAP_FAILED) return failStep("mapping the seccomp program");
  return Filter{mapped, size};
}

Result<void> installFilter(const Filter& filter) {
  sock_fprog program{static_cast<unsigned short>(filter.bytes / sizeof(sock_filter)),
                     static_cast<sock_filter*>(filter.program)};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) return failStep("installing the seccomp filter");
  return {};
}

std::vector<char*> pointersTo(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  // execve takes char* and writes nothing through it.
  for (const std::string& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

Result<void> putOnWalls(const InitPlan& plan, bool inPay, int output, int errors) {
  if (setsid() < 0) return failStep("setsid");
  AGENTOS_CHECK(enterPayGroup(inPay));
  AGENTOS_CHECK(applyLimits(plan));
  AGENTOS_CHECK(takeClass(plan));
  Filter filter;
  if (plan.seccomp) {
    AGENTOS_TRY(filter, mapFilter());
  }
  AGENTOS_CHECK(keepOnlyOutput(output, errors));
  AGENTOS_CHECK(becomeUser(plan));
  // As the user: a directory that is closed to it is closed.
  if (chdir(plan.workDir.c_str()) != 0) return failStep("the working directory " + plan.workDir);
  umask(022);
  resetSignals();
  if (!isDown("no_new_privs") && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failStep("no_new_privs");
  AGENTOS_CHECK(restrictToRoom({plan.readable, plan.writable}));
  return plan.seccomp ? installFilter(filter) : Result<void>{};
}

// In the child, to the gate and beyond. Returns only with the reason why there is no payload.
Error becomePayload(const InitPlan& plan, bool inPay, int output, int errors) {
  auto argv = pointersTo(plan.argv), env = pointersTo(plan.env);
  if (auto walled = putOnWalls(plan, inPay, output, errors); !walled) return std::move(walled).error();
  char go = 0;
  if (read(kGate, &go, 1) != 1) _exit(0);
  execve(argv.front(), argv.data(), env.data());
  return failStep("execve " + plan.argv.front()).error();
}

}  // namespace

Result<Payload> forkPayload(const InitPlan& plan) {
  AGENTOS_TRY(Pipe output, makePipe(plan));
  AGENTOS_TRY(Pipe errors, makePipe(plan));
  std::array<int, 2> gate{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate.data()) != 0) return failStep("socketpair");
  Fd ours(gate[0]), theirs(gate[1]);
  auto [pid, inPay] = forkIntoPay();
  if (pid < 0) return failStep("fork");
  if (pid == 0) {
    if (dup3(theirs.get(), kGate, O_CLOEXEC) < 0) _exit(127);
    std::string why = becomePayload(plan, inPay, output.writeEnd.get(), errors.writeEnd.get()).message();
    [[maybe_unused]] ssize_t ignored = write(kGate, why.data(), why.size());  // status 127 tells nearly as much
    _exit(127);
  }
  return Payload{pid, std::move(output.readEnd), std::move(errors.readEnd), std::move(ours)};
}

Result<void> dropOwnPrivileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failStep("no_new_privs");
  if (!setCapabilities(1ULL << CAP_KILL)) return failStep("capset");
  return {};
}

}  // namespace agentos::sandbox
