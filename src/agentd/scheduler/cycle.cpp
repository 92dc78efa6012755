// SPDX-License-Identifier: Apache-2.0
// One agent's cycle: is there work, and if so, the run that does it. Nothing costs nothing: without work no process is
// started, and why is recorded once.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "agentd/scheduler/scheduler.h"
#include "agentd/spawn_task.h"
#include "base/digest.h"
#include "company/context.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

constexpr Nanoseconds kRetryFirst = std::chrono::seconds(1);
constexpr Nanoseconds kRetryMost = std::chrono::minutes(5);

std::string_view wordOf(company::Idleness why) {
  return why == company::Idleness::kStarved ? "starved" : why == company::Idleness::kBlocked ? "blocked" : "idle";
}

// What no second try changes: only another contract, another machine or a person does.
bool isRefusal(const Error& error) {
  return error.code == ErrorCode::kContractUnmet || error.code == ErrorCode::kRefused ||
         error.code == ErrorCode::kPathEscapes || error.code == ErrorCode::kSandboxPolicy ||
         error.code == ErrorCode::kSandboxControllerMissing;
}

}  // namespace

// Round robin: whoever was served goes to the end, and an agent without work makes room at once.
void Scheduler::dispatch() {
  while (dispatching_ && !parts_.halted() && !ready_.empty() && active_ < limits_.concurrentCycles) {
    const AgentName name = std::move(ready_.front());
    ready_.pop_front();
    auto found = entries_.find(name);
    if (found == entries_.end() || !found->second.ready) continue;
    found->second.ready = false;
    dispatchOne(*found);
  }
}

void Scheduler::dispatchOne(Place& place) {
  auto& [name, entry] = place;
  auto next = parts_.queue.next(name);
  if (!next) return retryLater(place, next.error());
  if (!next->task) return setIdle(place, *next);
  if (hasLiveInstance(name)) {  // started by a person: one at a time
    entry.again = true;
    return;
  }
  spawnTask(parts_.io.get_executor(), "cycle of " + name.str(), runCycle(name, *next->task, beginAttempt(entry)));
}

bool Scheduler::hasLiveInstance(const AgentName& name) const {
  return std::ranges::any_of(parts_.supervisor.list(false), [&](const auto& view) { return view.agent == name; });
}

void Scheduler::setState(Place& place, std::string state, std::string detail) {
  auto& [name, entry] = place;
  if (entry.state == state && entry.detail == detail) return;
  entry.state = std::move(state);
  entry.detail = std::move(detail);
}

void Scheduler::setIdle(Place& place, const company::NextTask& next) {
  auto& [name, entry] = place;
  const std::string word(wordOf(next.why));
  entry.failures = 0;
  if (entry.retryAt != next.retryAt) {
    entry.retryAt = next.retryAt;
    setDue(place);
  }
  if (entry.state == word && entry.detail == next.detail) return;
  setState(place, word, next.detail);
  audit(name, "cycle." + word, "agentd", {{"detail", next.detail}}, false);
}

void Scheduler::retryLater(Place& place, const Error& error) {
  auto& [name, entry] = place;
  if (isRefusal(error)) {
    entry.refused = true;
    return setState(place, "refused", error.message());
  }
  Nanoseconds delay = kRetryFirst;
  for (int i = 0; i < entry.failures && delay < kRetryMost; ++i) delay *= 2;
  ++entry.failures;
  entry.retryAt = parts_.clock.now() + std::min(delay, kRetryMost);
  entry.again = true;
  setState(place, "failing", error.message());
  setDue(place);
}

Result<std::string> Scheduler::contextFor(const Entry& entry, const TaskId& task) const {
  company::ContextInput input;
  input.agent = entry.contract->name;
  input.role = entry.contract->identity.role;
  AGENTOS_TRY(input.task, parts_.queue.find(task));
  input.soulTokens = entry.contract->memory.soulTokens;
  input.workingTokens = entry.contract->memory.workingTokens;
  if (entry.contract->modelPolicy.maxContextTokens) input.maxTokens = *entry.contract->modelPolicy.maxContextTokens;
  AGENTOS_TRY(auto context, company::composeContext(parts_.company, input, parts_.clock.now()));
  return std::move(context.text);
}

std::uint64_t Scheduler::beginAttempt(Entry& entry) {
  ++active_;
  return entry.attempt = ++attempts_;
}

// Null when the contract went meanwhile, and its place in active_ with it. An entry that was put back meanwhile is
// another one: it counts what runs (takeAdopted), and the end of this attempt is not its end.
Scheduler::Place* Scheduler::endAttempt(const AgentName& name, std::uint64_t attempt, const Result<InstanceId>& started,
                                        const TaskId& task) {
  auto found = entries_.find(name);
  if (found == entries_.end()) return nullptr;
  Entry& entry = found->second;
  const bool own = entry.attempt == attempt, counted = started && entry.running == *started;
  if (!own && !counted) return nullptr;
  if (own) {
    entry.attempt = 0;
    if (!started) leave();
  }
  if (started) {
    entry.running = *started;
    entry.lastStarted = parts_.clock.now();
    entry.failures = 0;
    setState(*found, "running", task.str());
  }
  return &*found;
}

asio::awaitable<Result<InstanceId>> Scheduler::startCycle(AgentName name, TaskId task, std::uint64_t attempt,
                                                          std::string actor) {
  auto found = entries_.find(name);
  if (found == entries_.end() || found->second.attempt != attempt)
    co_return fail(ErrorCode::kNotFound, "the contract of " + name.str() + " is gone");
  if (unsaved_.contains(name)) AGENTOS_CO_CHECK(save());  // a cycle that the clock started is not started twice
  SpawnRequest request{.contract = found->second.contract, .source = found->second.source};
  AGENTOS_CO_TRY(request.contextText, contextFor(found->second, task));
  request.task = task;
  request.actor = std::move(actor);
  request.trace = sha256(randomToken(26)).substr(0, 32);
  if (request.contract->budget.perRun) request.budgetForRun = *request.contract->budget.perRun;
  co_return co_await parts_.supervisor.spawn(std::move(request));
}

asio::awaitable<void> Scheduler::runCycle(AgentName name, TaskId task, std::uint64_t attempt) {
  auto started = co_await startCycle(name, task, attempt, "agentd");
  Place* place = endAttempt(name, attempt, started, task);
  if (place != nullptr && !started) {
    if (started.error().code == ErrorCode::kConflict) {  // somebody took the task: there may be another
      place->second.again = true;
      markReady(*place, true);
    } else {
      spdlog::warn("{}: no cycle for {}: {}", name.str(), task.str(), started.error().message());
      retryLater(*place, started.error());
    }
  }
  dispatch();
  arm();
}

void Scheduler::instanceEnded(const InstanceId& id) {
  auto name = AgentName::parse(agentOf(id));
  if (!name) return;
  auto found = entries_.find(*name);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  if (entry.running == id) {
    entry.running.reset();
    leave();
    setState(*found, entry.heldBy.empty() ? "ready" : "held", "");
  }
  if (!entry.busy()) markReady(*found, true);
  dispatch();
  arm();
}

asio::awaitable<Result<CycleStart>> Scheduler::runNow(AgentName agent, std::string actor) {
  if (!dispatching_) co_return fail(ErrorCode::kUnavailable, "agentd is stopping");
  auto found = entries_.find(agent);
  if (found == entries_.end()) {
    co_return fail(ErrorCode::kNotFound, "no agent with cycles is called " + agent.str(),
                   "agentctl cycle schedule lists them");
  }
  if (found->second.busy() || hasLiveInstance(agent)) {
    co_return fail(ErrorCode::kConflict, agent.str() + " runs already", "wait for it, or stop it");
  }
  AGENTOS_CO_TRY(const auto next, parts_.queue.next(agent));
  if (!next.task) {
    setIdle(*found, next);
    co_return CycleStart{std::nullopt, std::string(wordOf(next.why)), next.detail};
  }
  const std::uint64_t attempt = beginAttempt(found->second);
  auto started = co_await startCycle(agent, *next.task, attempt, std::move(actor));
  Place* place = endAttempt(agent, attempt, started, *next.task);
  if (place != nullptr && started) place->second.refused = false;
  if (!started) co_return std::unexpected(std::move(started).error());
  co_return CycleStart{*started, "", ""};
}

void Scheduler::audit(const AgentName& agent, std::string kind, const std::string& actor, Json data, bool durable) {
  govern::AuditEvent event{.kind = std::move(kind), .actor = actor, .agent = agent.str()};
  event.data = std::move(data);
  auto kept = durable ? parts_.events.record(std::move(event)) : parts_.events.note(std::move(event));
  if (!kept) spdlog::error("audit: {}", kept.error().message());
}

}  // namespace agentos::agentd
