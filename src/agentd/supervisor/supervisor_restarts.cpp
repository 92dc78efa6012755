// SPDX-License-Identifier: Apache-2.0
// What ended is started again, after a back-off that outlives agentd.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <utility>

#include "agentd/spawn_task.h"
#include "agentd/supervisor/launch_record.h"
#include "agentd/supervisor/restarts.h"
#include "agentd/supervisor/supervisor_impl.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

constexpr auto kRestartRetry = std::chrono::seconds(10);

// Not the agent's fault, and over some time: a full disk, a spawner that is being started again.
bool mayPass(const Error& error) {
  return error.code == ErrorCode::kDiskFull || error.code == ErrorCode::kReadOnly ||
         error.code == ErrorCode::kUnreachable || error.code == ErrorCode::kUnavailable;
}

double randomShare() {
  static std::minstd_rand generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

}  // namespace

void SupervisorImpl::considerRestart(const InstancePtr& instance) {
  if (refusing_ || !instance->contract || instance->contract->run.mode == contract::RunMode::kCycle) return;
  auto& known = restarts_[instance->view.agent];
  if (known.together) return;
  const BootTime now = parts_.clock.bootNow();
  std::erase_if(known.earlier, [&](BootTime at) { return now - at > instance->contract->restart.within; });
  const auto decision = decideRestart(*instance->contract, *instance, known.earlier, now, randomShare());
  // Asked to end for a sibling's sake by an agentd that is gone.
  if (instance->cause == EndCause::kSupervised) return restartAt(instance, now);
  if (!decision.delay) {
    audit(*instance, "instance.not_restarted", "agentd", {{"reason", decision.why}}, false);
    const bool neverRan = decision.kind == RestartKind::kRefused && instance->view.restarts == 0;
    if (isDeadEnd(decision, *instance->contract) && !neverRan)
      bury(*instance, decision.kind == RestartKind::kStartLimit ? "start_limit" : "failed",
           decision.why + "; the last run: " + instance->view.reason);
    return;
  }
  audit(*instance, "instance.restarting", "agentd", {{"why", decision.why}, {"delay_ns", decision.delay->count()}},
        false);
  if (!restartTogether(instance, now + *decision.delay)) restartAt(instance, now + *decision.delay);
}

void SupervisorImpl::restartAt(const InstancePtr& ended, BootTime due) {
  const AgentName& agent = ended->view.agent;
  auto& known = restarts_[agent];
  known.waiting = RestartRow::Waiting{ended->id(), due};
  keepRestarts(agent);
  parts_.alarms.cancel(std::exchange(known.pending, 0));
  known.pending = parts_.alarms.at(due, [this, ended] {
    restarts_[ended->view.agent].pending = 0;
    spawnTask(parts_.io.get_executor(), "restart of " + ended->view.agent.str(), restart(ended));
  });
}

// It counts before it is tried: an agentd that falls over with it finds it counted.
asio::awaitable<void> SupervisorImpl::restart(InstancePtr ended) {
  const AgentName agent = ended->view.agent;
  if (halt_ || refusing_) co_return;  // it waits on: resumeRestarts
  const BootTime tried = parts_.clock.bootNow();
  if (auto stands = refuseWithoutParent(*ended->contract); !stands) {  // it comes back with its parent
    restarts_[agent].waiting.reset();
    keepRestarts(agent);
    audit(*ended, "instance.not_restarted", "agentd", {{"reason", stands.error().what}}, false);
    co_return;
  }
  if (ended->cause != EndCause::kSupervised) restarts_[agent].earlier.push_back(tried);
  keepRestarts(agent);
  SpawnRequest again{.contract = ended->contract, .source = ended->view.source, .trace = ended->view.trace};
  again.restarts = ended->view.restarts + 1;
  auto spawned = co_await spawn(std::move(again));
  auto& known = restarts_[agent];
  if (!spawned) spdlog::error("restart: {}", spawned.error().message());
  if (!spawned && !refusing_ && mayPass(spawned.error())) {
    // Not the last: another run of the agent may have ended meanwhile, and have cleared what is long past.
    if (auto counted = std::ranges::find(known.earlier, tried); counted != known.earlier.end())
      known.earlier.erase(counted);
    co_return restartAt(ended, parts_.clock.bootNow() + kRestartRetry);
  }
  if (known.waiting && known.waiting->ended == ended->id()) known.waiting.reset();  // else: of the new run, which ended
  keepRestarts(agent);
  if (!spawned && !refusing_ && !halt_)
    bury(*ended, "refused", "cannot be started again: " + spawned.error().message());
}

bool SupervisorImpl::cancelRestart(const InstanceId& id) {
  auto found = instances_.find(id);
  if (found == instances_.end()) return false;
  auto known = restarts_.find(found->second->view.agent);
  if (known == restarts_.end() || !known->second.waiting) return false;
  parts_.alarms.cancel(std::exchange(known->second.pending, 0));
  known->second.waiting.reset();
  keepRestarts(known->first);
  audit(*found->second, "instance.not_restarted", "agentd", {{"reason", "stopped while it waited to start again"}},
        true);
  return true;
}

void SupervisorImpl::keepRestarts(const AgentName& agent) {
  if (!restartTable_) return;
  if (auto kept = restartTable_->save(agent, restarts_[agent]); !kept)
    spdlog::error("{}: its restarts: {}", agent.str(), kept.error().message());
}

bool SupervisorImpl::waitsForRestart(const AgentName& agent) const {
  auto known = restarts_.find(agent);
  return known != restarts_.end() && known->second.waiting.has_value();
}

std::optional<BootTime> SupervisorImpl::restartDue(const AgentName& agent) const {
  auto known = restarts_.find(agent);
  if (known == restarts_.end() || !known->second.waiting) return std::nullopt;
  return known->second.waiting->due;
}

Result<void> SupervisorImpl::loadRestarts() {
  AGENTOS_TRY(restartTable_, RestartTable::open(parts_.runs.database(), parts_.clock, parts_.runs.bootId()));
  AGENTOS_TRY(healthTable_, HealthTable::open(parts_.runs.database(), parts_.clock, parts_.runs.bootId()));
  AGENTOS_TRY(auto rows, restartTable_->load());
  for (auto& [agent, row] : rows) static_cast<RestartRow&>(restarts_[agent]) = std::move(row);
  return {};
}

// A run that came after the one that waits is its restart, or somebody's own: agentd ended before it could say so.
void SupervisorImpl::resumeRestarts() {
  if (halt_) return;
  for (auto& [agent, known] : restarts_) {
    if (!known.waiting || known.pending != 0 || known.together) continue;
    const auto waiting = *std::exchange(known.waiting, std::nullopt);
    auto last = resolve(agent.str());
    auto ended = instances_.find(waiting.ended);
    if (!last || *last != waiting.ended || ended == instances_.end()) continue;
    if (isLive(ended->second->view.state)) {  // its sibling failed, and agentd ended before this one was stopped
      endSupervised(ended->second);
      continue;
    }
    if (!ended->second->contract) {
      auto launch = readLaunchRecord(instancesDir_.get(), waiting.ended);
      if (!launch) {
        spdlog::error("{}: not started again: {}", agent.str(), launch.error().message());
        continue;
      }
      ended->second->contract = launch->contract;
    }
    restartAt(ended->second, waiting.due);
  }
}

}  // namespace agentos::agentd
