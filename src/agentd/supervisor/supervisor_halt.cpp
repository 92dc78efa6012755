// SPDX-License-Identifier: Apache-2.0
// The global halt (kill switch): everything that runs is frozen or killed by one request to the spawner, and nothing
// starts until it is lifted.
#include <spdlog/spdlog.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <utility>

#include "agentd/spawn_task.h"
#include "agentd/supervisor/supervisor_impl.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

constexpr auto kKilledPatience = std::chrono::seconds(10);  // from the kill to agent-init's exit record

}  // namespace

Result<void> SupervisorImpl::loadHalt() {
  AGENTOS_TRY(haltTable_, HaltTable::open(parts_.runs.database()));
  AGENTOS_TRY(halt_, haltTable_->load());
  if (halt_) spdlog::warn("halted since {} by {}: {}", formatUtc(halt_->since), halt_->actor, halt_->reason);
  return {};
}

Result<void> SupervisorImpl::refuseWhileHalted(const std::string& what) const {
  if (!halt_) return {};
  return fail(
      ErrorCode::kUnavailable,
      what + ": everything is halted by " + halt_->actor + " since " + formatUtc(halt_->since) + ": " + halt_->reason,
      "agentctl system unhalt lifts it");
}

// The automaton's word for each; the kernel hears one for all.
void SupervisorImpl::markHalted(Instance& instance) {
  const bool kill = halt_->kill;
  if (!kill && instance.view.state != State::kRunning) return;
  if (kill && (instance.view.state == State::kStarting || !isLive(instance.view.state))) return;
  auto effects = happen(instance, kill ? Event::kKill : Event::kPause, halt_->actor);
  if (!effects) return;
  stopClocks(instance);
  if (kill) {
    if (instance.cause == EndCause::kOwn) instance.cause = EndCause::kHalted, instance.endedBy = halt_->actor;
    startGrace(instances_.at(instance.id()), Nanoseconds(kKilledPatience));
  } else {
    instance.view.reason = "halted: " + halt_->reason;
    halt_->holding.insert(instance.id());
  }
  if (auto kept = parts_.runs.updateSoon(instance); !kept)
    spdlog::error("{}: {}", instance.id().str(), kept.error().message());
}

// The request is on its way before the disk is asked: what runs is held first.
asio::awaitable<Result<void>> SupervisorImpl::holdAll() {
  using namespace asio::experimental::awaitable_operators;
  for (const auto& [id, instance] : instances_) markHalted(*instance);
  auto write = [](SupervisorImpl* self) -> asio::awaitable<Result<void>> {
    co_return self->haltTable_->save(*self->halt_);
  };
  auto [held, kept] = co_await (parts_.spawner.haltAll(halt_->kill) && write(this));
  if (!kept) co_return std::unexpected(std::move(kept).error().within("the halt holds, and would not outlive agentd"));
  co_return held;
}

asio::awaitable<Result<HaltReport>> SupervisorImpl::halt(bool kill, std::string reason, std::string actor) {
  if (!haltTable_) co_return fail(ErrorCode::kUnavailable, "agentd is starting", "ask again in a moment");
  const BootTime began = parts_.clock.bootNow();
  const std::size_t live = liveCount();
  if (halt_) {  // the first reason is the reason; a kill after a freeze is still a kill
    halt_->kill = halt_->kill || kill;
  } else {
    halt_ = Halt{parts_.clock.now(), actor, reason, kill, {}};
  }
  auto held = co_await holdAll();
  const HaltReport report{live, parts_.clock.bootNow() - began};
  govern::AuditEvent event{.kind = "agentd.halted", .actor = actor};
  event.data = {{"reason", reason}, {"kill", kill}, {"instances", live}, {"took_ns", report.took.count()}};
  if (!held) event.data["failed"] = held.error().message();
  auto told = parts_.events.record(std::move(event));
  if (!held) co_return std::unexpected(std::move(held).error());
  if (!told) co_return std::unexpected(std::move(told).error());
  co_return report;
}

// In force already when this agentd came: what an earlier one could not hold any more, or the machine's start undid.
asio::awaitable<void> SupervisorImpl::resumeHalt() {
  if (!halt_) co_return;
  auto held = co_await holdAll();
  if (!held) spdlog::error("halt: {}", held.error().message());
}

// A room that was in the making when the halt came.
void SupervisorImpl::haltNewcomer(const InstancePtr& instance) {
  if (!halt_ || instance->view.state != State::kRunning) return;
  markHalted(*instance);
  auto work = [](SupervisorImpl* self, InstancePtr held) -> asio::awaitable<void> {
    const bool kill = self->halt_ && self->halt_->kill;
    auto done =
        kill ? co_await self->parts_.spawner.kill(held->id()) : co_await self->parts_.spawner.freeze(held->id());
    if (!done) spdlog::error("{}: halt: {}", held->id().str(), done.error().message());
  };
  if (auto kept = haltTable_->save(*halt_); !kept) spdlog::error("halt: {}", kept.error().message());
  spawnTask(parts_.io.get_executor(), "halt of " + instance->id().str(), work(this, instance));
}

asio::awaitable<Result<void>> SupervisorImpl::unhalt(std::string actor) {
  if (!halt_) co_return fail(ErrorCode::kConflict, "nothing is halted");
  AGENTOS_CO_CHECK(haltTable_->clear());
  const Halt lifted = *std::exchange(halt_, std::nullopt);
  govern::AuditEvent event{.kind = "agentd.unhalted", .actor = actor};
  event.data = {{"reason", lifted.reason}, {"halted_by", lifted.actor}, {"resumed", lifted.holding.size()}};
  if (auto told = parts_.events.record(std::move(event)); !told) spdlog::error("audit: {}", told.error().message());
  Result<void> first;
  for (const auto& id : lifted.holding) {
    auto found = instances_.find(id);
    if (found == instances_.end() || found->second->view.state != State::kPaused) continue;
    auto resumed = co_await resume(id, actor);
    if (!resumed && first) first = std::unexpected(std::move(resumed).error());
    if (halt_) break;  // halted again meanwhile
  }
  resumeRestarts();
  co_return first;
}

}  // namespace agentos::agentd
