// SPDX-License-Identifier: Apache-2.0
// What is not started again any more: buried with its evidence, dug up by a person.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agentd/supervisor/launch_record.h"
#include "agentd/supervisor/supervisor_impl.h"
#include "base/files.h"
#include "base/text.h"
#include "contract/loader.h"

namespace agentos::agentd {
namespace {

constexpr off_t kLogTail = 4096;
constexpr std::size_t kRunsTold = 10;

// The end of what it printed; empty when it printed nothing, or its log is gone.
std::string tailOf(int logDir, const InstanceId& id) {
  auto file = openBeneath(logDir, id.str() + "/output.log", O_RDONLY | O_CLOEXEC);
  struct stat info{};
  if (!file || ::fstat(file->get(), &info) != 0) return {};
  std::string text(static_cast<std::size_t>(std::min<off_t>(info.st_size, kLogTail)), '\0');
  const ssize_t got = ::pread(file->get(), text.data(), text.size(), std::max<off_t>(0, info.st_size - kLogTail));
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

Json runOf(const InstanceView& view) {
  Json run = {{"id", view.id.str()},
              {"state", nameOf(view.state)},
              {"reason", view.reason},
              {"restarts", view.restarts},
              {"created", formatUtc(view.created)},
              {"ended", view.ended ? Json(formatUtc(*view.ended)) : Json(nullptr)}};
  if (view.exit && view.exit->code) run["code"] = *view.exit->code;
  if (view.exit && view.exit->signal) run["signal"] = *view.exit->signal;
  return run;
}

}  // namespace

Result<void> SupervisorImpl::loadDead() {
  AGENTOS_TRY(deadTable_, DeadTable::open(parts_.runs.database()));
  return {};
}

void SupervisorImpl::bury(const Instance& last, std::string kind, std::string reason) {
  if (!deadTable_ || !last.contract) return;
  DeadLetter letter{last.id(),
                    last.view.agent,
                    last.view.mode,
                    std::move(kind),
                    std::move(reason),
                    parts_.clock.now(),
                    last.view.source,
                    last.view.contractDigest,
                    {},
                    {}};
  letter.contract = {{"contract", contract::toJson(*last.contract)},
                     {"contract_demands", last.contract->demands},
                     {"contract_digest", last.contract->digest}};
  std::vector<const InstanceView*> runs;
  for (const auto& [id, instance] : instances_)
    if (instance->view.agent == last.view.agent) runs.push_back(&instance->view);
  std::ranges::sort(runs, [](const auto* a, const auto* b) { return a->created > b->created; });
  runs.resize(std::min(runs.size(), kRunsTold));
  letter.evidence = {{"runs", Json::array()}, {"log", tailOf(logDir_.get(), last.id())}};
  for (const auto* run : runs) letter.evidence["runs"].push_back(runOf(*run));
  if (auto kept = deadTable_->add(letter); !kept)
    return spdlog::error("{}: its dead letter: {}", last.id().str(), kept.error().message());
  audit(last, "instance.failed", "agentd", {{"reason", letter.reason}, {"kind", letter.kind}}, true);
}

// A service that runs again is not dead any more.
void SupervisorImpl::unbury(const Instance& started) {
  if (!deadTable_ || started.view.mode != "service") return;
  auto letter = deadTable_->serviceOf(started.view.agent);
  if (!letter || !*letter) return;
  if (auto gone = deadTable_->remove((*letter)->id); !gone)
    spdlog::warn("{}: its dead letter: {}", started.id().str(), gone.error().message());
}

Result<std::vector<DeadLetter>> SupervisorImpl::dead() {
  if (!deadTable_) return fail(ErrorCode::kUnavailable, "agentd is starting", "ask again in a moment");
  return deadTable_->list();
}

bool SupervisorImpl::isDead(const AgentName& agent, const std::string& digest) {
  if (!deadTable_) return false;
  auto letter = deadTable_->serviceOf(agent);
  return letter && *letter && (*letter)->digest == digest;
}

Result<void> SupervisorImpl::dropDead(const InstanceId& id, const std::string& actor) {
  if (!deadTable_) return fail(ErrorCode::kUnavailable, "agentd is starting", "ask again in a moment");
  AGENTOS_TRY(const auto letter, deadTable_->find(id));
  AGENTOS_CHECK(deadTable_->remove(id));
  govern::AuditEvent event{.kind = "instance.dropped", .actor = actor, .agent = letter.agent.str()};
  event.instance = id.str();
  event.data = {{"reason", letter.reason}};
  AGENTOS_CHECK(parts_.events.record(std::move(event)));
  return {};
}

boost::asio::awaitable<Result<InstanceId>> SupervisorImpl::retryDead(InstanceId id, std::string actor) {
  if (!deadTable_) co_return fail(ErrorCode::kUnavailable, "agentd is starting", "ask again in a moment");
  AGENTOS_CO_TRY(const auto letter, deadTable_->find(id));
  AGENTOS_CO_TRY(auto contract, contractOfRecord(letter.contract));
  SpawnRequest again{.contract = std::move(contract), .source = letter.source, .actor = std::move(actor)};
  if (again.contract->name != letter.agent) again.name = letter.agent;
  restarts_[letter.agent].earlier.clear();  // its limit begins anew
  keepRestarts(letter.agent);
  AGENTOS_CO_TRY(auto fresh, co_await spawn(std::move(again)));
  AGENTOS_CO_CHECK(deadTable_->remove(id));
  co_return fresh;
}

}  // namespace agentos::agentd
