// SPDX-License-Identifier: Apache-2.0
// What becomes of the changes that a run made in trees of mode overlay: committed when its work is accepted, thrown
// away when the attempt failed, held where somebody is to decide.
#include <spdlog/spdlog.h>

#include <utility>

#include "agentd/supervisor/end_of_run.h"
#include "agentd/supervisor/room_plan.h"
#include "agentd/supervisor/supervisor_impl.h"
#include "base/fault.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;
using Word = Verdict::Word;

constexpr std::size_t kNamed = 5;  // paths in a message; `agentctl diff` has them all

std::string listOf(const Json& entries) {
  std::string text;
  for (std::size_t i = 0; i < entries.size() && i < kNamed; ++i)
    text += (i == 0 ? "" : ", ") + entries[i].value("path", "") + " (" + entries[i].value("why", "") + ")";
  return entries.size() > kNamed ? text + " and " + std::to_string(entries.size() - kNamed) + " more" : text;
}

Error refusalOf(const InstanceId& id, const Overlays::Committed& outcome) {
  const bool forbidden = !outcome.refused.empty();
  std::string what = forbidden ? "changes that are never committed: " + listOf(outcome.refused)
                               : "changed by somebody else meanwhile: " + listOf(outcome.conflicts);
  return fail(forbidden ? ErrorCode::kRefused : ErrorCode::kConflict,
              "nothing of " + id.str() + " was committed: " + what,
              "agentctl diff " + id.str() + " shows all; agentctl discard " + id.str() + " throws them away")
      .error();
}

enum class Fate : std::uint8_t { kCommit, kHold, kDiscard };

Fate fateOf(const Instance& ended) {
  if (ended.view.state == State::kRefused) return Fate::kDiscard;
  if (!ended.claim) return Fate::kHold;  // nobody's task: its operator decides
  const Word word = ended.word != Word::kNone ? ended.word : verdictOfEnd(ended).word;
  const bool reviewed = ended.contract && ended.contract->review.required;
  if (word == Word::kComplete && !reviewed) return Fate::kCommit;
  return word == Word::kComplete || word == Word::kSubmit ? Fate::kHold : Fate::kDiscard;
}

}  // namespace

asio::awaitable<Result<void>> SupervisorImpl::makeOverlays(InstancePtr instance) {
  if (!wantsOverlays(*instance->contract)) co_return Result<void>();
  // Substituted by a read-only mount, where the contract is flexible.
  if (!settings_.machine().features.contains(contract::Feature::kOverlayMounts)) co_return Result<void>();
  AGENTOS_CO_TRY(auto trees, overlayTrees(*instance->contract, parts_.company));
  if (parts_.overlays == nullptr) co_return fail(ErrorCode::kUnavailable, "there is nobody to keep overlays");
  auto made = co_await parts_.overlays->make(instance->id(), instance->view.task, std::move(trees));
  if (!made) co_return std::unexpected(std::move(made).error());
  audit(*instance, "overlay.made", "agentd", {{"snapshots", *made}}, false);
  co_return Result<void>();
}

// Before the task hears of the run's end: a task is not done whose changes could not be committed.
asio::awaitable<void> SupervisorImpl::settleOverlays(InstancePtr instance) {
  Overlays* overlays = parts_.overlays;
  const InstanceId id = instance->id();
  if (overlays == nullptr || !overlays->has(id) || instance->changesHeld) co_return;
  co_await overlays->idle(id);  // somebody may be looking at the diff of a run that just ends
  if (!overlays->has(id)) co_return;
  auto fate = fateOf(*instance);
  if (overlays->stateOf(id) == Overlays::State::kAccepted) fate = Fate::kCommit;  // an earlier agentd had begun
  if (fate == Fate::kDiscard) {
    if (auto gone = discardNow(*instance, "agentd"); !gone) spdlog::error("{}", gone.error().message());
    co_return;
  }
  if (fate == Fate::kCommit) {
    auto done = co_await commitNow(instance, "agentd");
    if (done) co_return;
    instance->changesHeld = done.error().message();
  }
  auto held = overlays->hold(id);
  if (!held) co_return spdlog::error("{}: {}", id.str(), held.error().message());
  if (*held) audit(*instance, "overlay.held", "agentd", {{"reason", instance->changesHeld.value_or("")}}, true);
}

asio::awaitable<Result<Json>> SupervisorImpl::commitNow(InstancePtr instance, std::string actor) {
  const InstanceId id = instance->id();
  auto outcome = co_await parts_.overlays->commit(id);
  auto refused = outcome ? refusalOf(id, *outcome) : outcome.error();
  if (outcome && outcome->done) {
    audit(*instance, "overlay.committed", actor, {{"changes", outcome->changes}}, true);
    faultPoint("overlay.told");
    co_return Json{{"id", id.str()}, {"committed", true}, {"changes", outcome->changes}};
  }
  Json data = {{"reason", refused.message()}};
  if (outcome) data["refused"] = outcome->refused.size(), data["conflicts"] = outcome->conflicts.size();
  audit(*instance, "overlay.refused", actor, std::move(data), true);
  co_return std::unexpected(std::move(refused));
}

Result<void> SupervisorImpl::discardNow(const Instance& instance, const std::string& actor) {
  AGENTOS_CHECK(parts_.overlays->discard(instance.id()));
  audit(instance, "overlay.discarded", actor, Json::object(), true);
  return {};
}

Result<InstancePtr> SupervisorImpl::decided(const InstanceId& id) const {
  auto found = instances_.find(id);
  if (found == instances_.end() || parts_.overlays == nullptr || !parts_.overlays->has(id)) {
    return fail(ErrorCode::kNotFound, id.str() + " has no changes that are kept apart",
                "a mount of mode overlay makes such, until they are committed or discarded");
  }
  if (!found->second->told)
    return fail(ErrorCode::kConflict, id.str() + " still runs", "wait for its end, or agentctl stop " + id.str());
  return found->second;
}

asio::awaitable<Result<Json>> SupervisorImpl::commitChanges(InstanceId id, std::string actor) {
  AGENTOS_CO_TRY(auto instance, decided(id));
  co_return co_await commitNow(instance, std::move(actor));
}

Result<void> SupervisorImpl::discardChanges(const InstanceId& id, const std::string& actor) {
  AGENTOS_TRY(auto instance, decided(id));
  return discardNow(*instance, actor);
}

// At start, when everybody who lives is known.
asio::awaitable<void> SupervisorImpl::tidyOverlays() {
  if (parts_.overlays == nullptr) co_return;
  for (const auto& id : parts_.overlays->all()) {
    auto found = instances_.find(id);
    if (found == instances_.end()) {
      if (auto gone = parts_.overlays->discard(id); !gone) spdlog::warn("{}", gone.error().message());
    } else if (found->second->told && parts_.overlays->stateOf(id) == Overlays::State::kAccepted) {
      [[maybe_unused]] auto done = co_await commitNow(found->second, "agentd");
    } else if (found->second->told && parts_.overlays->stateOf(id) == Overlays::State::kOpen) {
      if (auto held = parts_.overlays->hold(id); !held) spdlog::warn("{}", held.error().message());
    }
  }
}

}  // namespace agentos::agentd
