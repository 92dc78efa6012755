// SPDX-License-Identifier: Apache-2.0
#include "agentd/recovery/recovery.h"

#include <spdlog/spdlog.h>

#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include "agentd/supervisor/launch_record.h"
#include "agentd/supervisor/settled_event.h"
#include "base/fault.h"
#include "base/files.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

// A run that the database has as not ended.
struct Open {
  InstancePtr instance;
  std::optional<LaunchRecord> launch;
};

class Recovery {
 public:
  explicit Recovery(RecoveryParts parts) : parts_(parts) {}
  asio::awaitable<Result<RecoveryReport>> run();

 private:
  Result<std::vector<Open>> loadRuns();
  Open openRun(RunRow row) const;
  asio::awaitable<bool> tryAdopt(const Open& open);
  asio::awaitable<void> sweepStrangers();
  void removeLeftovers(const std::string& directory, const char* what);
  void report();

  RecoveryParts parts_;
  RecoveryReport report_;
  std::map<InstanceId, sandbox::LiveRoom> rooms_;
  std::set<InstanceId> known_, closed_, adopted_;  // closed_: ended, and in the books
};

InstancePtr instanceOf(RunRow& row) {
  auto instance = std::make_shared<Instance>();
  instance->view = std::move(row.view);
  instance->claim = std::move(row.claim);
  instance->word = row.word;
  instance->cause = row.cause;
  instance->endedBy = row.cause == EndCause::kOwn ? "" : "agentd before its restart";
  instance->exitText = std::move(row.exitText);
  instance->timeLeft = row.timeLeft;
  instance->booked = instance->told = row.ended;
  return instance;
}

Open Recovery::openRun(RunRow row) const {
  const bool sameBoot = row.bootId == parts_.runs.bootId();
  if (row.deadline && sameBoot) row.timeLeft = std::max(Nanoseconds(1), *row.deadline - parts_.clock.bootNow());
  Open open{instanceOf(row), {}};
  const InstanceId& id = open.instance->id();
  auto launch = readLaunchRecord(parts_.supervisor.instancesDir(), id);
  if (launch) {
    open.launch = *std::move(launch);
    open.instance->contract = open.launch->contract;
    open.instance->view.process = open.launch->identity;
    open.instance->view.enforcement = open.launch->enforcement;
  } else if (launch.error().code != ErrorCode::kNotFound) {
    spdlog::error("{}: launch.jsonl: {}", id.str(), launch.error().message());
  }
  if (!open.instance->contract) {
    auto bare = std::make_shared<contract::Contract>();
    bare->name = open.instance->view.agent;
    open.instance->contract = std::move(bare);
  }
  return open;
}

Result<std::vector<Open>> Recovery::loadRuns() {
  AGENTOS_TRY(auto rows, parts_.runs.load());
  std::vector<Open> open;
  for (auto& row : rows) {
    known_.insert(row.view.id);
    if (row.ended) {
      closed_.insert(row.view.id);
      parts_.supervisor.remember(instanceOf(row));
    } else {
      open.push_back(openRun(std::move(row)));
    }
  }
  return open;
}

asio::awaitable<bool> Recovery::tryAdopt(const Open& open) {
  const InstanceId& id = open.instance->id();
  auto room = rooms_.find(id);
  if (!open.launch || room == rooms_.end() || room->second.initPid == 0) co_return false;
  const bool frozen = room->second.frozen;
  auto adopted = co_await parts_.spawner.adopt(id, open.launch->identity);
  if (!adopted) {
    spdlog::warn("{}: not adopted: {}", id.str(), adopted.error().message());
    co_return false;
  }
  if (!open.instance->view.started) open.instance->view.started = open.instance->view.created;
  parts_.supervisor.adopt(open.instance, *std::move(adopted), frozen);
  adopted_.insert(id);
  co_return true;
}

asio::awaitable<void> Recovery::sweepStrangers() {
  for (const auto& [id, room] : rooms_) {
    // A closed one's room is here when agentd was killed after its books and before its sweep.
    const bool closed = closed_.contains(id);
    if (known_.contains(id) && !closed) continue;
    auto swept = co_await parts_.spawner.sweep(id);
    if (!swept) spdlog::error("{}: cannot be swept: {}", id.str(), swept.error().message());
    ++report_.swept;
    govern::AuditEvent event{
        .kind = "instance.swept", .actor = "agentd", .agent = std::string(agentOf(id)), .instance = id.str()};
    event.data = {{"reason", closed ? "a room whose run had ended" : "a room that no run knows"},
                  {"processes", room.processes}};
    if (auto kept = parts_.events.note(std::move(event)); !kept) spdlog::error("audit: {}", kept.error().message());
  }
}

// Directories of instances that never got a row, or whose row was pruned.
void Recovery::removeLeftovers(const std::string& directory, const char* what) {
  auto opened = openDirectory(directory);
  auto names = opened ? listDirectory(opened->get()) : std::unexpected(opened.error());
  if (!names) return spdlog::warn("{}: {}", directory, names.error().message());
  for (const auto& name : *names) {
    auto id = InstanceId::parse(name);
    if (!id || known_.contains(*id)) continue;
    std::error_code error;
    std::filesystem::remove_all(directory + "/" + name, error);
    if (error) spdlog::warn("cannot remove the left-over {} {}: {}", what, name, error.message());
    ++report_.leftovers;
  }
}

void Recovery::report() {
  govern::AuditEvent event{.kind = "agentd.recovered", .actor = "agentd"};
  event.data = {{"adopted", report_.adopted},
                {"settled", report_.settled},
                {"lost", report_.lost},
                {"swept", report_.swept},
                {"leftovers", report_.leftovers}};
  if (auto kept = parts_.events.record(std::move(event)); !kept) spdlog::error("audit: {}", kept.error().message());
}

asio::awaitable<Result<RecoveryReport>> Recovery::run() {
  AGENTOS_CO_CHECK(parts_.supervisor.loadRestarts());
  AGENTOS_CO_CHECK(parts_.supervisor.loadHalt());
  AGENTOS_CO_CHECK(parts_.supervisor.loadDead());
  AGENTOS_CO_TRY(auto open, loadRuns());
  AGENTOS_CO_TRY(auto rooms, co_await parts_.spawner.list());
  for (auto& room : rooms) rooms_.emplace(room.id, room);
  // No call outlives the agentd that carried it.
  AGENTOS_CO_TRY(const auto lost, parts_.ledger.settleOrphans(std::nullopt));
  for (const auto& call : lost) {
    if (auto kept = parts_.events.note(settledEvent(call)); !kept) spdlog::error("audit: {}", kept.error().message());
  }
  std::vector<Open> ended;
  for (auto& one : open) {
    const bool adopted = co_await tryAdopt(one);
    if (!adopted) ended.push_back(std::move(one));
  }
  report_.adopted = adopted_.size();
  faultPoint("recovery.adopted");
  // Half-made moves are mended first; the claims of runs that ended meanwhile are theirs until their end is honoured.
  if (parts_.queue != nullptr) {
    AGENTOS_CO_CHECK(parts_.queue->recover([this](const InstanceId& id) { return known_.contains(id); }));
  }
  for (auto& one : ended) {
    co_await parts_.supervisor.settle(one.instance, one.launch.has_value());
    ++report_.settled;
    if (one.instance->view.state == State::kLost) ++report_.lost;
    faultPoint("recovery.settled");
  }
  if (parts_.queue != nullptr) {
    AGENTOS_CO_CHECK(parts_.queue->recover([this](const InstanceId& id) { return adopted_.contains(id); }));
  }
  co_await sweepStrangers();
  removeLeftovers(parts_.supervisor.settings().paths.instances(), "record");
  removeLeftovers(parts_.supervisor.settings().paths.log(), "log");
  parts_.supervisor.prune();
  co_await parts_.supervisor.resumeHalt();
  parts_.supervisor.endOrphans();
  parts_.supervisor.resumeRestarts();
  report();
  co_return report_;
}

}  // namespace

asio::awaitable<Result<RecoveryReport>> recover(RecoveryParts parts) {
  Recovery recovery(parts);
  co_return co_await recovery.run();
}

}  // namespace agentos::agentd
