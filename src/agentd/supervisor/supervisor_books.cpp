// SPDX-License-Identifier: Apache-2.0
// The end of a run: ledger, task, row, audit, whoever waits, and whether it is started again.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "agentd/spawn_task.h"
#include "agentd/supervisor/end_of_run.h"
#include "agentd/supervisor/settled_event.h"
#include "agentd/supervisor/supervisor_impl.h"
#include "base/fault.h"
#include "base/files.h"
#include "sandbox/exit_record.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

constexpr auto kBooksRetry = std::chrono::seconds(5);

// Passes by itself when there is room again; anything else would fail the same way for ever.
bool isTransient(const Error& error) {
  return error.code == ErrorCode::kDiskFull || error.code == ErrorCode::kIo || error.code == ErrorCode::kReadOnly;
}

Json describe(const sandbox::ExitRecord& exit) {
  Json json = {{"ran_ns", exit.ranNs},
               {"cpu_usec", exit.cpuUsec},
               {"memory_peak", exit.memoryPeak},
               {"oom_kills", exit.oomKills}};
  if (exit.memoryHigh > 0) json["memory_high"] = exit.memoryHigh;
  if (exit.pidsRefused > 0) json["pids_refused"] = exit.pidsRefused;
  if (exit.throttledUsec > 0) json["throttled_usec"] = exit.throttledUsec;
  if (exit.code) json["code"] = *exit.code;
  if (exit.signal) json["signal"] = *exit.signal;
  if (exit.execFailed) json["exec_failed"] = exit.detail;
  return json;
}

std::string_view kindOf(State state) {
  return state == State::kRefused ? "instance.refused" : state == State::kLost ? "instance.lost" : "instance.ended";
}

}  // namespace

void SupervisorImpl::readExitRecord(Instance& instance) const {
  auto text = readFile(instancesDir_.get(), instance.id().str() + "/exit.json");
  if (!text) return;
  auto record = sandbox::parseExitRecord(*text);
  if (!record) return spdlog::error("{}: exit.json: {}", instance.id().str(), record.error().message());
  instance.exitText = *std::move(text);
  instance.view.exit = *std::move(record);
  if (instance.view.exit->endedNs > 0) instance.view.ended = Timestamp(Nanoseconds(instance.view.exit->endedNs));
  if (instance.view.exit->startedNs > 0) instance.view.started = Timestamp(Nanoseconds(instance.view.exit->startedNs));
}

Result<void> SupervisorImpl::performVerdict(const Instance& instance, const Verdict& verdict) {
  const company::Claim& claim = *instance.claim;
  const bool reviewed = instance.contract && instance.contract->review.required;
  switch (verdict.word) {
    case Verdict::Word::kNone:
      return {};
    case Verdict::Word::kComplete:
      if (reviewed) return parts_.queue->submit(claim, verdict.handoff, verdict.artifacts);
      return parts_.queue->complete(claim, verdict.outcome.empty() ? "success" : verdict.outcome, verdict.handoff,
                                    verdict.artifacts);
    case Verdict::Word::kSubmit:
      return parts_.queue->submit(claim, verdict.handoff, verdict.artifacts);
    case Verdict::Word::kRelease:
      return parts_.queue->release(claim, verdict.reason, verdict.handoff);
    case Verdict::Word::kFail: {
      auto failed = parts_.queue->failAttempt(claim, verdict.reason, verdict.handoff);
      if (!failed) return std::unexpected(std::move(failed).error());
      return {};
    }
  }
  return {};
}

// Transient failures come back; a claim that is no longer ours (a person moved the file) is said and left.
Result<void> SupervisorImpl::tellTask(Instance& instance) {
  if (!instance.claim || instance.word != Verdict::Word::kNone || parts_.queue == nullptr) return {};
  Verdict verdict = verdictOfEnd(instance);
  if (verdict.word == Verdict::Word::kComplete && instance.changesHeld) {
    verdict.word = Verdict::Word::kSubmit;
    verdict.handoff.remains = *instance.changesHeld;
  }
  auto done = performVerdict(instance, verdict);
  if (!done && isTransient(done.error())) return done;
  if (done) {
    instance.word = verdict.word;
  } else {
    audit(instance, "task.verdict_ignored", "agentd", {{"reason", done.error().message()}}, true);
  }
  return {};
}

// Calls whose settlement failed when they ended, on a full disk say.
void SupervisorImpl::tellOrphans(const std::string& id) {
  auto lost = parts_.ledger.settleOrphans(id);
  if (!lost) return spdlog::warn("{}: ledger: {}", id, lost.error().message());
  for (const auto& call : *lost) {
    if (auto kept = parts_.events.note(settledEvent(call)); !kept) spdlog::error("audit: {}", kept.error().message());
  }
}

asio::awaitable<void> SupervisorImpl::book(InstancePtr instance) {
  if (instance->booked) co_return;
  co_await rooms_->closeRoom(instance->id());
  const std::string id = instance->id().str();
  tellOrphans(id);
  if (auto cost = parts_.ledger.costOfRun(id)) instance->view.cost = *cost;
  faultPoint("supervisor.books");
  co_await settleOverlays(instance);
  if (auto told = tellTask(*instance); !told) co_return retryBooks(instance, told.error());
  faultPoint("supervisor.task_told");
  instance->booked = true;
  auto kept = parts_.runs.updateSoon(*instance);
  if (kept) {
    auditEnd(*instance);
    kept = co_await parts_.commits.durable();
  }
  if (kept) co_return;
  instance->booked = false;
  retryBooks(instance, kept.error());
}

void SupervisorImpl::auditEnd(Instance& instance) {
  if (std::exchange(instance.audited, true)) return;
  Json data = {{"reason", instance.view.reason},
               {"cost_micro_usd", instance.view.cost.count},
               {"model_calls", instance.view.modelCalls},
               {"while_away", instance.view.adopted && !instance.pidfd}};
  if (instance.view.exit) data["exit"] = describe(*instance.view.exit);
  if (instance.cause == EndCause::kTimedOut) data["limit"] = "run.timeout";
  if (instance.cause == EndCause::kNoProgress) data["limit"] = "run.no_progress";
  if (instance.cause == EndCause::kHung) data["limit"] = "health";
  audit(instance, std::string(kindOf(instance.view.state)), "agentd", std::move(data), false);
}

void SupervisorImpl::retryBooks(const InstancePtr& instance, const Error& error) {
  spdlog::error("{}: its end is not in the books yet, again in {}: {}", instance->id().str(),
                formatDuration(kBooksRetry), error.message());
  parts_.alarms.after(kBooksRetry, [this, instance] {
    spawnTask(parts_.io.get_executor(), "books of " + instance->id().str(), book(instance));
  });
}

void SupervisorImpl::notify(const InstancePtr& instance) {
  instance->told = true;
  for (const auto& bell : std::exchange(instance->waiters, {})) bell->cancel();
  if (healthTable_) {
    if (auto gone = healthTable_->remove(instance->id()); !gone) spdlog::warn("{}", gone.error().message());
  }
  parentEnded(*instance);
  considerRestart(instance);
  if (told_) told_(instance->id());
  prune();
}

void SupervisorImpl::removeRecords(const Paths& paths, const InstanceId& id) {
  std::error_code ignored;  // what cannot be removed now is found as a leftover at the next start
  std::filesystem::remove_all(paths.instance(id), ignored);
  std::filesystem::remove_all(paths.instanceLog(id), ignored);
}

// Ended records beyond the bound go, oldest first: directory, log, row. What is not in the books stays.
void SupervisorImpl::prune() {
  std::vector<std::pair<Timestamp, InstanceId>> ended;
  for (const auto& [id, instance] : instances_) {
    const bool held = parts_.overlays != nullptr && parts_.overlays->has(id);
    if (instance->told && instance->booked && !held) ended.emplace_back(instance->view.created, id);
  }
  if (ended.size() <= settings_.recordsKept) return;
  std::ranges::sort(ended);
  ended.resize(ended.size() - settings_.recordsKept);
  for (const auto& [created, id] : ended) {
    remover_.post([paths = settings_.paths, id] { removeRecords(paths, id); });
    // A row that a crash brings back is pruned again.
    if (auto gone = parts_.runs.removeSoon(id); !gone) spdlog::warn("{}: {}", id.str(), gone.error().message());
    instances_.erase(id);
  }
}

govern::AuditEvent SupervisorImpl::eventOf(const Instance& instance, std::string kind, const std::string& actor,
                                           Json data) {
  govern::AuditEvent event{.kind = std::move(kind), .actor = actor, .agent = instance.view.agent.str()};
  event.instance = instance.id().str();
  event.task = instance.view.task;
  event.contract = instance.view.contractDigest;
  event.trace = instance.view.trace;
  event.data = std::move(data);
  return event;
}

void SupervisorImpl::audit(const Instance& instance, std::string kind, const std::string& actor, Json data,
                           bool durable) {
  auto event = eventOf(instance, std::move(kind), actor, std::move(data));
  auto kept = durable ? parts_.events.record(std::move(event)) : parts_.events.note(std::move(event));
  if (!kept) spdlog::error("audit: {}", kept.error().message());
}

}  // namespace agentos::agentd
