// SPDX-License-Identifier: Apache-2.0
#include "sandbox/limit_signals.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <string_view>

#include "base/text.h"
#include "sandbox/cgroup.h"
#include "sandbox/room_parts.h"

namespace agentos::sandbox {
namespace {

// Held up for a second of ten as a whole: no program of it runs, which at cpu.max means that it is throttled.
constexpr std::string_view kCpuTrigger = "full 1000000 10000000";
// Some program of it waits for the disk for 300 ms of two seconds: then its rate is worth a look.
constexpr std::string_view kIoTrigger = "some 300000 2000000";

bool isSet(int group, const char* file, std::string_view unlimited) {
  auto text = readGroupFile(group, file);
  return text && !trim(*text).empty() && !text->starts_with(unlimited);
}

void addTrigger(int group, const char* file, std::string_view trigger, LimitSignal::Kind kind,
                std::vector<LimitSignal>& signals) {
  Fd pressure(::openat(group, file, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  // Ignoring a failure: a kernel without PSI, or one that was booted with psi=0.
  if (!pressure || ::write(pressure.get(), trigger.data(), trigger.size()) < 0) return;
  signals.push_back({kind, std::move(pressure)});
}

// The scratch of the room, when it is a file system of its own: seen through agent-init, over a restart of the spawner
// too. Its root is read-only there, so that nothing else can be put in its place.
void addVolume(const Host& host, int sup, std::vector<LimitSignal>& signals) {
  auto pids = pidsOf(sup);
  if (!pids || pids->empty()) return;
  const std::string path = "/proc/" + std::to_string(pids->front()) + "/root" + kHomeTarget;
  Fd home(::open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat inside{}, outside{};
  if (!home || ::fstat(home.get(), &inside) != 0 || ::stat(host.policy.stateDir.c_str(), &outside) != 0) return;
  struct statfs system{};
  if (inside.st_dev == outside.st_dev || ::fstatfs(home.get(), &system) != 0 || system.f_type != EXT4_SUPER_MAGIC)
    return;
  signals.push_back({LimitSignal::Kind::kVolume, std::move(home)});
}

}  // namespace

Result<std::vector<LimitSignal>> openLimitSignals(Host& host, const InstanceId& id) {
  AGENTOS_TRY(auto groups, openInstanceGroups(host.keeper.get(), id));
  const int pay = groups.pay.get();
  std::vector<LimitSignal> signals;
  if (isSet(pay, "cpu.max", "max")) addTrigger(pay, "cpu.pressure", kCpuTrigger, LimitSignal::Kind::kCpu, signals);
  if (isSet(pay, "io.max", "max")) addTrigger(pay, "io.pressure", kIoTrigger, LimitSignal::Kind::kIo, signals);
  addVolume(host, groups.sup.get(), signals);
  return signals;
}

}  // namespace agentos::sandbox
