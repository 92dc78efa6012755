// SPDX-License-Identifier: Apache-2.0
// What admission holds a contract against: this machine, as the spawner reported it, and root's policy.
#pragma once

#include "agentd/config/config.h"
#include "contract/admission.h"
#include "models/registry.h"
#include "sandbox/spawner.h"

namespace agentos::agentd {

contract::Machine machineOf(const sandbox::PlatformReport& platform, const models::ModelRegistry& models,
                            const PolicyConfig& policy);

// What an agent that lives has been promised is not left for the next.
void promise(contract::Machine& machine, const contract::Contract& contract);

}  // namespace agentos::agentd
