// SPDX-License-Identifier: Apache-2.0
// What root's policy lets a contract from a company grant. Root's own contracts are not asked.
#pragma once

#include "agentd/config/config.h"
#include "contract/contract.h"

namespace agentos::agentd {

// kRefused naming every grant that goes beyond, and the key of agentd.yaml that would allow it.
Result<void> checkCompanyGrants(const contract::Contract& contract, const PolicyConfig& policy);

}  // namespace agentos::agentd
