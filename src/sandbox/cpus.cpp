// SPDX-License-Identifier: Apache-2.0
#include "sandbox/cpus.h"

#include <sched.h>

#include <algorithm>

namespace agentos::sandbox {

CpuTurns CpuTurns::ofThisProcess() {
  std::vector<int> cpus;
  cpu_set_t set;
  CPU_ZERO(&set);
  // Beyond 1,024 processors the kernel refuses the short set; then no room is bound to any.
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) cpus.push_back(cpu);
    }
  }
  return CpuTurns(std::move(cpus));
}

std::vector<int> CpuTurns::take(std::size_t count) {
  std::vector<int> taken;
  if (count == 0 || count >= cpus_.size()) return taken;
  for (std::size_t i = 0; i < count; ++i) taken.push_back(cpus_[(next_ + i) % cpus_.size()]);
  next_ = (next_ + count) % cpus_.size();
  std::ranges::sort(taken);
  return taken;
}

bool runOn(std::int32_t pid, const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int cpu : cpus) CPU_SET(static_cast<std::size_t>(cpu), &set);
  return ::sched_setaffinity(pid, sizeof set, &set) == 0;
}

std::string listed(const std::vector<int>& cpus) {
  std::string text;
  for (int cpu : cpus) text += (text.empty() ? "" : ",") + std::to_string(cpu);
  return text;
}

}  // namespace agentos::sandbox
