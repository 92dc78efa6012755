// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/restarts.h"

#include <algorithm>

namespace agentos::agentd {
namespace {

bool wentWell(const Instance& ended) {
  return ended.view.state == State::kExited && ended.view.exit && ended.view.exit->code == 0;
}

Nanoseconds backoff(const contract::Restart& policy, std::int64_t restarts, double random) {
  Nanoseconds delay = policy.backoffMin;
  for (std::int64_t i = 0; i < restarts && delay < policy.backoffMax; ++i) delay *= 2;
  delay = std::min(delay, policy.backoffMax);
  return delay - Nanoseconds(static_cast<std::int64_t>(random * 0.25 * static_cast<double>(delay.count())));
}

}  // namespace

RestartDecision decideRestart(const contract::Contract& contract, const Instance& ended,
                              const std::vector<BootTime>& earlier, BootTime now, double random) {
  using contract::RestartPolicy;
  const auto& policy = contract.restart;
  if (contract.run.mode == contract::RunMode::kCycle) return {std::nullopt, "a cycle is started by its schedule"};
  if (ended.cause != EndCause::kOwn && ended.cause != EndCause::kTimedOut) return {std::nullopt, "ended on request"};
  if (ended.view.state == State::kRefused) return {std::nullopt, "it was refused"};
  if (policy.policy == RestartPolicy::kNo) return {std::nullopt, "restart.policy is no"};
  if (policy.policy == RestartPolicy::kOnFailure && wentWell(ended)) return {std::nullopt, "it ended well"};
  if (contract.run.mode == contract::RunMode::kJob && wentWell(ended)) return {std::nullopt, "the job is done"};
  const auto recent = std::ranges::count_if(earlier, [&](BootTime at) { return now - at <= policy.within; });
  if (recent >= policy.max) {
    return {std::nullopt,
            "gave up after " + std::to_string(recent) + " restarts within " + formatDuration(policy.within)};
  }
  return {backoff(policy, recent, random),
          "restart " + std::to_string(recent + 1) + " of " + std::to_string(policy.max)};
}

}  // namespace agentos::agentd
