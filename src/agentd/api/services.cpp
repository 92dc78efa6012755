// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/services.h"

namespace agentos::agentd {

CycleControl controlOf(Scheduler& scheduler) {
  return {
      .schedule = [&scheduler] { return scheduler.schedule(); },
      .run = [&scheduler](AgentName agent,
                          std::string actor) { return scheduler.runNow(std::move(agent), std::move(actor)); },
      .hold = [&scheduler](const AgentName& agent, const std::string& actor) { return scheduler.hold(agent, actor); },
      .release = [&scheduler](const AgentName& agent,
                              const std::string& actor) { return scheduler.release(agent, actor); }};
}

}  // namespace agentos::agentd
