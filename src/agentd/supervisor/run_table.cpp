// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/run_table.h"

#include <utility>

#include "sandbox/exit_record.h"

namespace agentos::agentd {
namespace {

// States and causes are written by name or number that is fixed here: they reach disk.
constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS runs(
  id TEXT PRIMARY KEY, agent TEXT NOT NULL, mode TEXT NOT NULL, latency TEXT NOT NULL, digest TEXT NOT NULL,
  source TEXT NOT NULL, task TEXT NOT NULL, epoch INTEGER NOT NULL, trace TEXT NOT NULL, state TEXT NOT NULL,
  reason TEXT NOT NULL, cause INTEGER NOT NULL, word INTEGER NOT NULL, created INTEGER NOT NULL, started INTEGER NOT NULL,
  ended INTEGER NOT NULL, boot_id TEXT NOT NULL, deadline INTEGER NOT NULL, time_left INTEGER NOT NULL, restarts INTEGER NOT NULL,
  cost INTEGER NOT NULL, calls INTEGER NOT NULL, exit TEXT NOT NULL, booked INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS runs_open ON runs(booked) WHERE booked = 0;
)sql";

constexpr const char* kWrite =
    "INSERT OR REPLACE INTO runs "
    "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24)";
constexpr const char* kRead = "SELECT * FROM runs ORDER BY created DESC, id";

State stateNamed(std::string_view name) {
  for (auto state : {State::kPending, State::kStarting, State::kRunning, State::kPaused, State::kStopping,
                     State::kExited, State::kLost, State::kRefused}) {
    if (nameOf(state) == name) return state;
  }
  return State::kLost;
}

std::int64_t nanosecondsOf(Timestamp time) { return time.time_since_epoch().count(); }
Timestamp timestampOf(std::int64_t ns) { return Timestamp(Nanoseconds(ns)); }

// 0 stands for "not yet".
std::optional<Timestamp> timeIn(const SqlStatement& row, int column) {
  if (row.integer(column) == 0) return std::nullopt;
  return timestampOf(row.integer(column));
}

Result<RunRow> readRow(const SqlStatement& row) {
  RunRow run;
  InstanceView& view = run.view;
  AGENTOS_TRY(view.id, InstanceId::parse(row.text(0)));
  AGENTOS_TRY(view.agent, AgentName::parse(row.text(1)));
  view.mode = row.text(2);
  view.latency = row.text(3);
  view.contractDigest = row.text(4);
  view.source = row.text(5);
  view.task = row.text(6);
  if (auto task = TaskId::parse(view.task)) run.claim = company::Claim{*task, view.id, row.integer(7)};
  view.trace = row.text(8);
  view.state = stateNamed(row.text(9));
  view.reason = row.text(10);
  run.cause = static_cast<EndCause>(row.integer(11));
  run.word = static_cast<Verdict::Word>(row.integer(12));
  view.created = timestampOf(row.integer(13));
  view.started = timeIn(row, 14);
  view.ended = timeIn(row, 15);
  run.bootId = row.text(16);
  if (row.integer(17) != 0) run.deadline = BootTime(Nanoseconds(row.integer(17)));
  run.timeLeft = Nanoseconds(row.integer(18));
  view.restarts = row.integer(19);
  view.cost = {row.integer(20)};
  view.modelCalls = row.integer(21);
  run.exitText = row.text(22);
  if (auto record = sandbox::parseExitRecord(run.exitText); record && !run.exitText.empty()) view.exit = *record;
  run.ended = row.integer(23) != 0;
  return run;
}

}  // namespace

Result<std::unique_ptr<RunTable>> RunTable::open(Database& db, std::string bootId) {
  AGENTOS_CHECK(db.execute(kSchema));
  AGENTOS_TRY(auto write, db.prepare(kWrite));
  AGENTOS_TRY(auto erase, db.prepare("DELETE FROM runs WHERE id = ?1"));
  return std::unique_ptr<RunTable>(new RunTable(db, std::move(bootId), std::move(write), std::move(erase)));
}

Result<void> RunTable::updateSoon(const Instance& instance) {
  RelaxedCommits relaxed(db_);
  return update(instance);
}

Result<void> RunTable::update(const Instance& instance) {
  const InstanceView& view = instance.view;
  const auto countOf = [](const auto& time) { return time ? time->time_since_epoch().count() : std::int64_t{0}; };
  write_.with(view.id.str(), view.agent.str(), view.mode, view.latency, view.contractDigest, view.source, view.task,
              instance.claim ? instance.claim->epoch : std::int64_t{0}, view.trace,
              std::string(nameOf(view.preempted && view.state == State::kPaused ? State::kRunning : view.state)),
              view.reason, static_cast<std::int64_t>(instance.cause), static_cast<std::int64_t>(instance.word),
              nanosecondsOf(view.created), countOf(view.started), countOf(view.ended), bootId_,
              countOf(instance.deadline), instance.timeLeft.count(), view.restarts, view.cost.count, view.modelCalls,
              instance.exitText, std::int64_t{instance.booked ? 1 : 0});
  return write_.run();
}

Result<void> RunTable::removeSoon(const InstanceId& id) {
  RelaxedCommits relaxed(db_);
  return erase_.with(id.str()).run();
}

Result<std::vector<RunRow>> RunTable::load() {
  AGENTOS_TRY(auto read, db_.prepare(kRead));
  std::vector<RunRow> rows;
  while (true) {
    AGENTOS_TRY(const bool more, read.step());
    if (!more) return rows;
    AGENTOS_TRY(auto row, readRow(read));
    rows.push_back(std::move(row));
  }
}

}  // namespace agentos::agentd
