// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/restarts.h"

#include <algorithm>

namespace agentos::agentd {
namespace {

bool wentWell(const Instance& ended) {
  return ended.cause == EndCause::kOwn && ended.view.state == State::kExited && ended.view.exit &&
         ended.view.exit->code == 0;
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
  if (contract.run.mode == contract::RunMode::kCycle)
    return {std::nullopt, "a cycle is started by its schedule", RestartKind::kCycle};
  if (ended.cause == EndCause::kParentEnded)
    return {std::nullopt, "it comes back with its parent", RestartKind::kRequested};
  if (!isOwnFailure(ended.cause)) return {std::nullopt, "ended on request", RestartKind::kRequested};
  if (ended.view.state == State::kRefused) return {std::nullopt, "it was refused", RestartKind::kRefused};
  const bool well = wentWell(ended);
  if (policy.policy == RestartPolicy::kOnFailure && well) return {std::nullopt, "it ended well", RestartKind::kDone};
  if (contract.run.mode == contract::RunMode::kJob && well)
    return {std::nullopt, "the job is done", RestartKind::kDone};
  if (policy.policy == RestartPolicy::kNo)
    return {std::nullopt, "restart.policy is no", well ? RestartKind::kDone : RestartKind::kPolicy};
  const auto recent = std::ranges::count_if(earlier, [&](BootTime at) { return now - at <= policy.within; });
  if (recent >= policy.max) {
    return {std::nullopt,
            "gave up after " + std::to_string(recent) + " restarts within " + formatDuration(policy.within),
            RestartKind::kStartLimit};
  }
  return {backoff(policy, recent, random),
          "restart " + std::to_string(recent + 1) + " of " + std::to_string(policy.max), RestartKind::kAgain};
}

// A job is work that somebody waits for. A service with no restarts ended as its contract says.
bool isDeadEnd(const RestartDecision& decision, const contract::Contract& contract) {
  if (decision.kind == RestartKind::kStartLimit) return true;
  const bool failed = decision.kind == RestartKind::kPolicy || decision.kind == RestartKind::kRefused;
  return failed && contract.run.mode == contract::RunMode::kJob;
}

}  // namespace agentos::agentd
