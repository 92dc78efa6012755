// SPDX-License-Identifier: Apache-2.0
// launch.jsonl in an instance's directory: agentd's line (what was asked for, with the contract as it was) and the
// spawner's (who the process is, what the kernel holds). Durable before the payload executes; what re-adoption goes by.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agentd/supervisor/instance.h"
#include "base/json.h"

namespace agentos::agentd {

// Agentd's line, without a line break.
std::string launchLine(const Instance& instance);

struct LaunchRecord {
  std::shared_ptr<const contract::Contract> contract;
  sandbox::ProcessIdentity identity;
  sandbox::Enforcement enforcement;
};
// kNotFound when nothing was launched.
// The contract that a record holds: its "contract", "contract_demands" and "contract_digest".
Result<std::shared_ptr<const contract::Contract>> contractOfRecord(const Json& json);

Result<LaunchRecord> readLaunchRecord(int instancesDir, const InstanceId& id);

}  // namespace agentos::agentd
