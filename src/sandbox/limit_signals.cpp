// SPDX-License-Identifier: Apache-2.0
#include "sandbox/limit_signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <string_view>

#include "base/text.h"
#include "sandbox/cgroup.h"

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

}  // namespace

Result<std::vector<LimitSignal>> openLimitSignals(Host& host, const InstanceId& id) {
  AGENTOS_TRY(auto groups, openInstanceGroups(host.keeper.get(), id));
  const int pay = groups.pay.get();
  std::vector<LimitSignal> signals;
  if (isSet(pay, "cpu.max", "max")) addTrigger(pay, "cpu.pressure", kCpuTrigger, LimitSignal::Kind::kCpu, signals);
  if (isSet(pay, "io.max", "max")) addTrigger(pay, "io.pressure", kIoTrigger, LimitSignal::Kind::kIo, signals);
  return signals;
}

}  // namespace agentos::sandbox
