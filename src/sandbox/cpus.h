// SPDX-License-Identifier: Apache-2.0
// Which processors a room gets that asked for some of them: in turn, so that the rooms spread over all. Not a wall (an
// agent may ask for others again, and cpu.max holds in any case): it is what the room's programs count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace agentos::sandbox {

class CpuTurns {
 public:
  explicit CpuTurns(std::vector<int> cpus) : cpus_(std::move(cpus)) {}
  // Those that this process may run on.
  static CpuTurns ofThisProcess();
  // The next `count`, in order of number; empty when that is all of them.
  std::vector<int> take(std::size_t count);

 private:
  std::vector<int> cpus_;
  std::size_t next_ = 0;
};

bool runOn(std::int32_t pid, const std::vector<int>& cpus);  // with errno when it does not
std::string listed(const std::vector<int>& cpus);            // "0,2"

}  // namespace agentos::sandbox
