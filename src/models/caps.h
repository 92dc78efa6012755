// SPDX-License-Identifier: Apache-2.0
// Which caps bind a call, and what is said when one of them is reached. Pure: the ledger brings the sums.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/ledger.h"
#include "models/period.h"

namespace agentos::models {

enum class CapScope : std::uint8_t { kRun, kAgent, kCompany };

struct BoundCap {
  const char* name;
  CapScope scope;
  Period period;
  bool tokens;  // counts tokens, not money
  std::int64_t cap;
};

// The caps that are set, narrowest first.
std::vector<BoundCap> boundCaps(const Caps& caps);

// kBudgetExhausted for a call of `worstCase` against this cap; `resets` is empty for a run's.
Error exhausted(const BoundCap& cap, const CapLeft& left, const Account& account, std::int64_t worstCase,
                const std::string& resets);

}  // namespace agentos::models
