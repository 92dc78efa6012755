// SPDX-License-Identifier: Apache-2.0
// /run/agent/limits.json: what a room is told of its own limits. The figures that are enforced, as they were read back,
// and of each that is not, why.
#pragma once

#include <string>

#include "sandbox/policy.h"
#include "sandbox/room.h"

namespace agentos::sandbox {

inline constexpr std::size_t kMaxLimitsFile = 3584;  // fits beside the letters in the child's message

struct OtherLimits {
  Bytes tmp, shm;
  std::uint64_t openFiles = 0;
};

// One JSON object; empty when it would be longer than kMaxLimitsFile.
std::string formatLimitsFile(const Limits& limits, const OtherLimits& others, const Enforcement& said);

}  // namespace agentos::sandbox
