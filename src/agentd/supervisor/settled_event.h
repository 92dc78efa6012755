// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "govern/audit_log.h"
#include "models/ledger.h"

namespace agentos::agentd {

// "model.settled" of a call, also of one that a crash cut ("lost": at what was reserved).
govern::AuditEvent settledEvent(const models::Ledger::Settlement& settlement);

}  // namespace agentos::agentd
