// SPDX-License-Identifier: Apache-2.0
// What a new agentd finds of the one before: runs in agentd.db against the rooms that live under the keeper. Each run
// is adopted or settled, by its exit record when it left one; whatever nobody knows is swept. Nothing is lost, and each
// step is in the audit log.
#pragma once

#include "agentd/supervisor/supervisor_impl.h"

namespace agentos::agentd {

struct RecoveryParts {
  const Clock& clock;
  Events& events;
  RunTable& runs;
  sandbox::Spawner& spawner;
  models::Ledger& ledger;
  company::TaskQueue* queue = nullptr;
  SupervisorImpl& supervisor;
};

struct RecoveryReport {
  std::size_t adopted = 0, settled = 0, lost = 0, swept = 0, leftovers = 0;
};

// Before anything is dispatched or served.
boost::asio::awaitable<Result<RecoveryReport>> recover(RecoveryParts parts);

}  // namespace agentos::agentd
