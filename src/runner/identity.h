// SPDX-License-Identifier: Apache-2.0
// What GET /self and GET /self/task say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "runner/gateway_client.h"

namespace agentos::runner {

struct Identity {
  std::string id, agent;
  std::vector<std::string> capabilities;  // patterns
  std::optional<std::int64_t> maxTurns, maxContextTokens, leftMicroUsd;
  std::int64_t turnsUsed = 0;
  std::optional<Timestamp> deadline;
  bool mayUse(std::string_view tool) const;
};

struct OwnTask {
  std::string id, title;
};

Result<Identity> fetchIdentity(GatewayClient& gateway);
// None when this run has no task.
Result<std::optional<OwnTask>> fetchTask(GatewayClient& gateway);

}  // namespace agentos::runner
