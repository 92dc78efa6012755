// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/settled_event.h"

namespace agentos::agentd {

govern::AuditEvent settledEvent(const models::Ledger::Settlement& settlement) {
  govern::AuditEvent event{
      .kind = "model.settled", .actor = "agent:" + settlement.account.instance, .agent = settlement.account.agent};
  event.instance = settlement.account.instance;
  event.task = settlement.account.task;
  event.data = {{"settlement", settlement.id},
                {"model", settlement.model},
                {"outcome", settlement.outcome},
                {"input_tokens", settlement.usage.inputTokens},
                {"output_tokens", settlement.usage.outputTokens},
                {"cost_micro_usd", settlement.cost.count}};
  return event;
}

}  // namespace agentos::agentd
