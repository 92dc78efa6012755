// SPDX-License-Identifier: Apache-2.0
// Latency classes, locked memory, pressure.
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "sandbox/examine.h"
#include "sandbox/remedies.h"

namespace agentos::sandbox {
namespace {

// sched_setattr(2); Debian 12's headers have no struct for it that programs may include.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;
};

const char* takeDeadline() {
  SchedulingAttributes wanted;
  wanted.policy = 6;  // SCHED_DEADLINE
  wanted.flags = 1;   // SCHED_FLAG_RESET_ON_FORK
  wanted.runtime = 200'000;
  wanted.deadline = wanted.period = 10'000'000;
  return ::syscall(SYS_sched_setattr, 0, &wanted, 0) == 0 ? nullptr : "sched_setattr(SCHED_DEADLINE)";
}

const char* takeBatch() {
  const sched_param none{};
  if (::sched_setscheduler(0, SCHED_BATCH, &none) != 0) return "SCHED_BATCH";
  return ::sched_setscheduler(0, SCHED_IDLE, &none) == 0 ? nullptr : "SCHED_IDLE";
}

const char* lockMemory() {
  constexpr std::size_t kBytes = 32 << 20;
  rlimit limit{kBytes, kBytes};
  if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) return "raising RLIMIT_MEMLOCK";
  void* block = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return block != MAP_FAILED && ::mlock(block, kBytes) == 0 ? nullptr : "mlock of 32 MiB";
}

const char* setTrigger(const char* path) {
  Fd file(::open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!file) return "opening it";
  constexpr char kTrigger[] = "some 200000 2000000";
  return ::write(file.get(), kTrigger, sizeof kTrigger) > 0 ? nullptr : "setting the trigger";
}

Trial examinePressure(const char* name, const char* path) {
  const std::string tried = std::string("a trigger was set on ") + path;
  auto outcome = tryInChild([path] { return setTrigger(path); });
  if (outcome.worked()) return {name, "ok", std::string(path) + " tells of pressure", tried, ""};
  return {name, "warning", "DT agents are not preempted under pressure (" + outcome.why() + ")", tried,
          remedyForPressure(outcome.error, readSetting)};
}

}  // namespace

std::vector<Trial> examineScheduling(const Policy&) {
  auto deadline = tryInChild(takeDeadline), batch = tryInChild(takeBatch), locked = tryInChild(lockMemory);
  std::vector<Trial> trials;
  trials.push_back(deadline.worked()
                       ? Trial{"deadline", "ok", "latency class HRT can be given", "0.2 of 10 ms were reserved", ""}
                       : Trial{"deadline", "warning", "latency class HRT cannot be given (" + deadline.why() + ")",
                               "0.2 of 10 ms were reserved", remedyForDeadline(deadline.error, readSetting)});
  trials.push_back(batch.worked()
                       ? Trial{"batch", "ok", "latency class DT can be given", "both classes were taken", ""}
                       : Trial{"batch", "warning", "latency class DT cannot be given (" + batch.why() + ")",
                               "both classes were taken", "run agentd where a process may lower its own priority"});
  trials.push_back(locked.worked()
                       ? Trial{"locked_memory", "ok", "HRT agents can lock their memory", "32 MiB were locked", ""}
                       : Trial{"locked_memory", "warning", "HRT agents cannot lock their memory (" + locked.why() + ")",
                               "32 MiB were to be locked",
                               "CAP_SYS_RESOURCE for agentd-spawner, or LimitMEMLOCK=infinity in its unit: systemctl "
                               "edit agentd-spawner.service"});
  trials.push_back(examinePressure("memory_pressure", "/proc/pressure/memory"));
  trials.push_back(examinePressure("cpu_pressure", "/proc/pressure/cpu"));
  return trials;
}

}  // namespace agentos::sandbox
