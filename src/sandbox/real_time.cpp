// SPDX-License-Identifier: Apache-2.0
#include "sandbox/real_time.h"

#include <linux/sched.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <thread>

#include "base/files.h"
#include "base/text.h"

namespace agentos::sandbox {
namespace {

// The kernel's struct sched_attr in its first form (sched_setattr(2)); glibc has none before 2.41.
struct Attributes {
  std::uint32_t size = sizeof(Attributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;
};
static_assert(sizeof(Attributes) == 48);

constexpr std::uint64_t kResetOnFork = 1;  // SCHED_FLAG_RESET_ON_FORK
constexpr std::int64_t kWhole = 1'000'000;

int setAttributes(std::int32_t pid, const Reservation& wanted) {
  Attributes attributes;
  attributes.policy = SCHED_DEADLINE;
  attributes.flags = kResetOnFork;
  attributes.runtime = static_cast<std::uint64_t>(wanted.runtimeNs);
  attributes.deadline = static_cast<std::uint64_t>(wanted.deadlineNs);
  attributes.period = static_cast<std::uint64_t>(wanted.periodNs);
  return ::syscall(SYS_sched_setattr, pid, &attributes, 0) == 0 ? 0 : errno;
}

std::string remedyOf(int error) {
  if (error == EBUSY) return "less class.slo.runtime_us, or stop another program with SCHED_DEADLINE";
  if (error == EPERM)
    return "CAP_SYS_NICE for the spawner, and every processor of its cpuset (no CPUAffinity=): a thread that is pinned "
           "cannot have a deadline";
  return "a reservation that the kernel takes: runtime at most deadline at most period, 100 us to 4 s";
}

std::optional<std::int64_t> numberIn(const char* path) {
  auto text = readPath(path);
  if (!text) return std::nullopt;
  const std::string_view digits = trim(*text);
  std::int64_t value = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc()) return std::nullopt;
  return value;
}

// Of each processor, by the kernel's own bound and by root's.
std::int64_t sharePpm(const Policy& policy) {
  const std::int64_t root = policy.ceilings.realTimePercent * (kWhole / 100);
  const auto runtime = numberIn("/proc/sys/kernel/sched_rt_runtime_us");
  const auto period = numberIn("/proc/sys/kernel/sched_rt_period_us");
  if (!runtime || !period || *runtime < 0 || *period <= 0) return root;
  return std::min(root, *runtime * kWhole / *period);
}

// "0-3,7" is five.
std::int64_t countCpus(std::string_view list) {
  std::int64_t count = 0;
  for (auto part : split(trim(list), ',')) {
    std::int64_t first = 0, last = 0;
    auto [end, problem] = std::from_chars(part.data(), part.data() + part.size(), first);
    if (problem != std::errc()) continue;
    const std::string_view rest(end, static_cast<std::size_t>(part.data() + part.size() - end));
    last = first;
    if (rest.starts_with('-')) std::from_chars(rest.data() + 1, rest.data() + rest.size(), last);
    count += std::max<std::int64_t>(0, last - first + 1);
  }
  return count;
}

std::int64_t cpusOf(int keeper) {
  if (auto text = readGroupFile(keeper, "cpuset.cpus.effective")) {
    if (const std::int64_t count = countCpus(*text); count > 0) return count;
  }
  return ::sysconf(_SC_NPROCESSORS_ONLN);
}

std::int64_t utilisationPpm(const Reservation& one) {
  return one.periodNs <= 0 ? kWhole : (one.runtimeNs * kWhole + one.periodNs - 1) / one.periodNs;
}

// By asking the kernel of every process of every room: nothing that is remembered can be wrong after a restart.
std::int64_t reservedPpm(int keeper) {
  std::int64_t sum = 0;
  auto ids = listInstances(keeper);
  if (!ids) return kWhole * kWhole;  // nobody knows: nothing is left
  for (const auto& id : *ids) {
    auto groups = openInstanceGroups(keeper, id);
    auto pids = groups ? pidsOf(groups->pay.get()) : Result<std::vector<std::int32_t>>();
    if (!pids) continue;  // ended meanwhile
    for (const std::int32_t pid : *pids) {
      if (auto one = reservationOf(pid)) sum += utilisationPpm(*one);
    }
  }
  return sum;
}

std::string percent(std::int64_t ppm) { return std::to_string((ppm + 9'999) / 10'000) + " %"; }

}  // namespace

RealTimeReport reportRealTime(const Policy& policy, int keeper) {
  RealTimeReport report;
  report.sharePpm = sharePpm(policy);
  if (report.sharePpm == 0) {
    report.why = "root's spawner.limits.real_time, or kernel.sched_rt_runtime_us, is 0";
    return report;
  }
  // A thread's own scheduling, and it ends: nothing of this process is changed.
  int error = 0;
  std::thread([&error] { error = setAttributes(0, {1'000'000, 100'000'000, 100'000'000}); }).join();
  if (error == 0 || error == EBUSY) {  // all of it taken now: admission asks again at each spawn
    report.cpus = cpusOf(keeper);
  } else {
    report.why = "sched_setattr: " + std::string(std::strerror(error)) + " (" + remedyOf(error) + ")";
  }
  return report;
}

std::optional<Reservation> reservationOf(std::int32_t pid) {
  Attributes attributes;
  if (::syscall(SYS_sched_getattr, pid, &attributes, sizeof attributes, 0) != 0) return std::nullopt;
  if (attributes.policy != SCHED_DEADLINE) return std::nullopt;
  return Reservation{static_cast<std::int64_t>(attributes.runtime), static_cast<std::int64_t>(attributes.deadline),
                     static_cast<std::int64_t>(attributes.period)};
}

Result<void> reserve(std::int32_t pid, const Reservation& wanted) {
  const int error = setAttributes(pid, wanted);
  if (error == 0) return {};
  return failErrno(error, "the kernel refuses SCHED_DEADLINE " + formatReservation(wanted), remedyOf(error),
                   ErrorCode::kSandboxSetup);
}

Result<void> giveRealTime(const Policy& policy, int keeper, const InstanceGroups& groups, const Reservation& wanted) {
  const std::int64_t most = sharePpm(policy) * cpusOf(keeper), before = reservedPpm(keeper);
  if (before + utilisationPpm(wanted) > most) {
    return fail(ErrorCode::kSandboxPolicy,
                percent(utilisationPpm(wanted)) + " of a processor in real time, with " + percent(before) +
                    " reserved by other rooms: more than root's " + percent(most),
                "less class.slo.runtime_us, stop another HRT agent, or raise spawner.limits.real_time");
  }
  AGENTOS_TRY(auto pids, pidsOf(groups.pay.get()));
  if (pids.size() != 1) {
    return fail(ErrorCode::kSandboxSetup,
                "pay/ holds " + std::to_string(pids.size()) + " processes before its program runs, not one");
  }
  AGENTOS_CHECK(reserve(pids.front(), wanted));
  AGENTOS_TRY(auto still, pidsOf(groups.pay.get()));
  if (still != pids) return fail(ErrorCode::kSandboxSetup, "the payload ended before its program ran");
  return {};
}

std::optional<std::uint64_t> lockedMemoryOf(const RoomPlan& plan) {
  if (!plan.realTime || !plan.limits.memory) return std::nullopt;
  return plan.limits.memory->count;
}

bool letLockMemory(std::int32_t pid, std::uint64_t bytes) {
  const rlimit limit{bytes, bytes};
  return ::prlimit(pid, RLIMIT_MEMLOCK, &limit, nullptr) == 0;
}

}  // namespace agentos::sandbox
