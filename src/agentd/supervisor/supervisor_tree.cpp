// SPDX-License-Identifier: Apache-2.0
// supervise, performed: children end with their parent, the last first; and start again by their strategy, in order.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ranges>
#include <utility>

#include "agentd/spawn_task.h"
#include "agentd/supervisor/supervisor_impl.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

TreeNode nodeOf(const Instance& instance) {
  TreeNode node{instance.id(), instance.view.agent, {}, {}, instance.view.created};
  if (!instance.contract || instance.contract->supervise.parent.empty()) return node;
  node.strategy = instance.contract->supervise.strategy;
  if (auto parent = AgentName::parse(instance.contract->supervise.parent)) node.parent = *parent;
  return node;
}

}  // namespace

Tree SupervisorImpl::tree() const {
  Tree live;
  for (const auto& [id, instance] : instances_)
    if (agentd::isLive(instance->view.state)) live.push_back(nodeOf(*instance));
  return live;
}

Result<void> SupervisorImpl::refuseWithoutParent(const contract::Contract& contract) const {
  if (contract.supervise.parent.empty()) return {};
  auto parent = AgentName::parse(contract.supervise.parent);
  const bool stands = parent && std::ranges::any_of(instances_, [&](const auto& one) {
                        const State state = one.second->view.state;
                        return one.second->view.agent == *parent && agentd::isLive(state) && state != State::kStopping;
                      });
  if (stands) return {};
  return fail(ErrorCode::kUnavailable,
              contract.name.str() + " is supervised by " + contract.supervise.parent + ", which does not run",
              "start " + contract.supervise.parent + " first, or remove supervise.parent");
}

// One after another, each to its end, so that nothing outlives what it may depend on.
asio::awaitable<void> SupervisorImpl::endDescendants(AgentName agent, EndCause cause, std::string actor) {
  for (const auto& id : descendantsToStop(tree(), agent)) {
    auto child = findLive(id);
    if (!child) continue;
    const Nanoseconds grace = (*child)->contract->run.stop.grace;
    const Event event = halt_ ? Event::kKill : Event::kStop;
    [[maybe_unused]] auto asked = co_await endRun(*child, event, cause, actor, grace);
    [[maybe_unused]] auto ended = co_await wait(id, std::nullopt);
  }
}

void SupervisorImpl::parentEnded(const Instance& parent) {
  if (descendantsToStop(tree(), parent.view.agent).empty()) return;
  spawnTask(parts_.io.get_executor(), "children of " + parent.id().str(),
            endDescendants(parent.view.agent, EndCause::kParentEnded, "parent " + parent.id().str()));
}

// Adopted without the parent that should be there: it ended while nobody looked, and its record is gone.
void SupervisorImpl::endOrphans() {
  for (const TreeNode& node : tree()) {
    if (node.parent == AgentName() || agentd::isLive(tree(), node.parent)) continue;
    auto work = [](SupervisorImpl* self, TreeNode orphan) -> asio::awaitable<void> {
      co_await self->endDescendants(orphan.agent, EndCause::kParentEnded, "agentd");
      auto live = self->findLive(orphan.id);
      if (!live) co_return;
      const Nanoseconds grace = (*live)->contract->run.stop.grace;
      [[maybe_unused]] auto done = co_await self->endRun(*live, Event::kStop, EndCause::kParentEnded, "agentd", grace);
    };
    spawnTask(parts_.io.get_executor(), "orphan " + node.id.str(), work(this, node));
  }
}

// The failed one and those that its strategy names, each with a place in the books first: an agentd that ends in the
// middle starts them again, too, in the same order.
bool SupervisorImpl::restartTogether(const InstancePtr& failed, BootTime due) {
  const auto siblings = siblingsToRestart(tree(), nodeOf(*failed));
  if (siblings.empty()) return false;
  std::vector<InstancePtr> group{failed};
  for (const auto& id : siblings) {
    const auto& one = instances_.at(id);
    if (one->contract->run.mode != contract::RunMode::kCycle) group.push_back(one);  // a cycle is its schedule's
  }
  if (group.size() == 1) return false;
  std::ranges::sort(group, {}, [](const InstancePtr& one) { return std::pair(one->view.created, one->id()); });
  BootTime at = due;
  for (const auto& one : group) {
    auto& known = restarts_[one->view.agent];
    parts_.alarms.cancel(std::exchange(known.pending, 0));
    known.waiting = RestartRow::Waiting{one->id(), at};
    at += Nanoseconds(1);
    known.together = true;
    keepRestarts(one->view.agent);
  }
  spawnTask(parts_.io.get_executor(), "restart with " + failed->id().str(),
            restartGroup(std::move(group), failed, due));
  return true;
}

void SupervisorImpl::endSupervised(const InstancePtr& instance) {
  if (instance->view.state == State::kStopping) return;  // its end starts it again (considerRestart)
  auto work = [](SupervisorImpl* self, InstancePtr held) -> asio::awaitable<void> {
    const Nanoseconds grace = held->contract->run.stop.grace;
    [[maybe_unused]] auto asked =
        co_await self->endRun(held, Event::kStop, EndCause::kSupervised, "supervision", grace);
  };
  spawnTask(parts_.io.get_executor(), "end of " + instance->id().str(), work(this, instance));
}

asio::awaitable<void> SupervisorImpl::restartGroup(std::vector<InstancePtr> group, InstancePtr failed, BootTime due) {
  for (const auto& one : group | std::views::reverse) {
    if (one == failed || !agentd::isLive(one->view.state)) continue;
    co_await endDescendants(one->view.agent, EndCause::kParentEnded, "supervision");
    const Nanoseconds grace = one->contract->run.stop.grace;
    [[maybe_unused]] auto asked = co_await endRun(one, Event::kStop, EndCause::kSupervised, "supervision", grace);
    [[maybe_unused]] auto ended = co_await wait(one->id(), std::nullopt);
  }
  if (due > parts_.clock.bootNow()) {
    auto bell = std::make_shared<asio::steady_timer>(parts_.io, asio::steady_timer::time_point::max());
    parts_.alarms.at(due, [bell] { bell->cancel(); });
    boost::system::error_code ignored;  // a bell rings by being cancelled
    co_await bell->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  for (const auto& one : group) {
    auto& known = restarts_[one->view.agent];
    known.together = false;
    // Cancelled meanwhile, by a stop say; or its parent has gone, with which it will come back.
    if (!known.waiting || known.waiting->ended != one->id()) continue;
    co_await restart(one);
  }
}

}  // namespace agentos::agentd
