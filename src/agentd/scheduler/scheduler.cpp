// SPDX-License-Identifier: Apache-2.0
// The clock's side: who is due, and when to look next.
#include "agentd/scheduler/scheduler.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace agentos::agentd {
namespace {

// A lost write costs one agent one more look at the queue, so the times of idle looks are written together.
constexpr auto kSaveAfter = std::chrono::seconds(30);

}  // namespace

Scheduler::Scheduler(Parts parts, SchedulerLimits limits) : parts_(parts), limits_(limits) {}

const std::string& Scheduler::zone() const { return parts_.company.settings().timezone; }

Result<void> Scheduler::start() {
  AGENTOS_TRY(table_, ScheduleTable::open(parts_.db));
  AGENTOS_TRY(const auto known, table_->load());
  for (const auto& [name, stored] : parts_.contracts.all()) {
    auto row = known.find(name);
    take(name, stored, row == known.end() ? ScheduleRow{} : row->second);
  }
  takeAdopted();
  parts_.alarms.onClockSet([this] { clockWasSet(); });
  dispatching_ = true;
  for (auto& place : entries_) {
    setDue(place);
    markReady(place, true);
  }
  dispatch();
  arm();
  return {};
}

void Scheduler::take(const AgentName& name, const StoredContract& stored, const ScheduleRow& known) {
  if (stored.contract->run.mode != contract::RunMode::kCycle) return;
  Entry entry;
  entry.contract = stored.contract;
  entry.source = stored.path;
  const Timestamp now = parts_.clock.now();
  entry.history = {now, known.lastRun};
  if (known.lastRun) entry.history.lastRun = std::min(*known.lastRun, now);
  entry.heldBy = known.heldBy;
  if (!known.heldBy.empty()) entry.state = "held";
  entries_.insert_or_assign(name, std::move(entry));
}

// Cycles that run and that no entry counts: of an earlier agentd, or of a contract that was away for a while.
void Scheduler::takeAdopted() {
  for (const auto& view : parts_.supervisor.list(false)) {
    auto found = entries_.find(view.agent);
    if (found == entries_.end() || found->second.busy() || view.mode != "cycle") continue;
    found->second.running = view.id;
    found->second.lastStarted = view.started;
    found->second.state = "running";
    ++active_;
  }
}

void Scheduler::applyContracts() {
  std::erase_if(entries_, [&](const Place& place) {
    const StoredContract* stored = parts_.contracts.find(place.first);
    const bool gone = stored == nullptr || stored->contract->run.mode != contract::RunMode::kCycle;
    if (gone) {
      due_.set(place.first, std::nullopt);
      if (place.second.busy()) leave();  // its run goes on; it is nobody's cycle any more
    }
    return gone;
  });
  for (const auto& [name, stored] : parts_.contracts.all()) {
    auto found = entries_.find(name);
    if (found == entries_.end()) {
      take(name, stored, {});
    } else if (found->second.contract->digest != stored.contract->digest) {
      found->second.contract = stored.contract;
      found->second.source = stored.path;
      found->second.history.since = parts_.clock.now();
      found->second.refused = false;
    }
  }
  takeAdopted();
  for (auto& place : entries_) {
    setDue(place);
    markReady(place, true);
  }
  dispatch();
  arm();
}

void Scheduler::changeLimits(SchedulerLimits limits) {
  limits_ = limits;
  for (auto& [name, entry] : entries_) entry.refused = false;
}

void Scheduler::setDue(Place& place) {
  auto& [name, entry] = place;
  const Timestamp now = parts_.clock.now();
  auto due = company::dueAt(entry.contract->schedule, name, entry.history, now, zone());
  if (!due) setState(place, "refused", due.error().message());
  entry.nextDue = due ? *due : std::nullopt;
  auto when = entry.nextDue;
  if (entry.retryAt && (!when || *entry.retryAt < *when)) when = entry.retryAt;
  due_.set(name, when);
}

void Scheduler::arm() {
  const auto earliest = due_.earliest();
  if (earliest == armedFor_ && alarm_ != 0) return;
  parts_.alarms.cancel(std::exchange(alarm_, 0));
  armedFor_ = earliest;
  if (!earliest || !dispatching_) return;
  alarm_ = parts_.alarms.atWall(*earliest, [this] {
    alarm_ = 0;
    tick();
  });
}

void Scheduler::tick() {
  const Timestamp now = parts_.clock.now();
  for (const auto& name : due_.takeDue(now)) {
    auto& place = *entries_.find(name);
    Entry& entry = place.second;
    const bool byClock = entry.nextDue && *entry.nextDue <= now;
    if (byClock) {
      entry.history.lastRun = now;
      saveSoon(name);
    }
    entry.retryAt.reset();
    setDue(place);
    markReady(place, !byClock);
  }
  dispatch();
  arm();
}

// Set back, the clock leaves times of what was that are yet to come, and next times that follow from them: an agent
// would wait for as long as the clock was set back.
void Scheduler::clockWasSet() {
  const Timestamp now = parts_.clock.now();
  for (auto& place : entries_) {
    auto& history = place.second.history;
    history.since = std::min(history.since, now);
    if (history.lastRun && *history.lastRun > now) {
      history.lastRun = now;
      saveSoon(place.first);
    }
    if (std::exchange(place.second.retryAt, std::nullopt)) place.second.again = true;
    setDue(place);
    markReady(place, true);
  }
  dispatch();
  arm();
}

void Scheduler::markReady(Place& place, bool byTask) {
  auto& [name, entry] = place;
  if (!dispatching_ || entry.ready || !entry.heldBy.empty()) return;
  if (byTask && (!entry.onTask() || entry.refused) && !entry.again) return;
  if (entry.busy()) {
    entry.again = true;
    return;
  }
  if (byTask) {
    const Timestamp now = parts_.clock.now();
    auto open = company::openFrom(entry.contract->schedule, now, zone());
    if (open && *open > now) {  // its hours begin later: looked at then
      entry.retryAt = *open;
      return setDue(place);
    }
  }
  entry.ready = true;
  entry.again = false;
  ready_.push_back(name);
}

void Scheduler::taskChanged() {
  if (!dispatching_) return;
  for (auto& place : entries_) markReady(place, true);
  dispatch();
  arm();
}

void Scheduler::saveSoon(const AgentName& name) {
  unsaved_.insert(name);
  if (saveAlarm_ != 0) return;
  saveAlarm_ = parts_.alarms.after(kSaveAfter, [this] {
    saveAlarm_ = 0;
    if (auto saved = save(); !saved) spdlog::warn("schedule: {}", saved.error().message());
  });
}

Result<void> Scheduler::save() {
  std::map<AgentName, ScheduleRow> rows;
  for (const auto& name : unsaved_) {
    if (auto found = entries_.find(name); found != entries_.end()) {
      rows[name] = {found->second.history.lastRun, found->second.heldBy};
    }
  }
  parts_.alarms.cancel(std::exchange(saveAlarm_, 0));
  AGENTOS_CHECK(table_->save(rows));
  unsaved_.clear();
  return {};
}

void Scheduler::stopDispatching() {
  dispatching_ = false;
  parts_.alarms.cancel(std::exchange(alarm_, 0));
  if (table_ == nullptr) return;
  if (auto saved = save(); !saved) spdlog::warn("schedule: {}", saved.error().message());
}

Result<void> Scheduler::hold(const AgentName& agent, const std::string& actor) {
  auto found = entries_.find(agent);
  if (found == entries_.end()) return fail(ErrorCode::kNotFound, "no agent with cycles is called " + agent.str());
  found->second.heldBy = actor;
  unsaved_.insert(agent);
  AGENTOS_CHECK(save());
  setState(*found, "held", "by " + actor);
  audit(agent, "cycle.held", actor, Json::object(), true);
  return {};
}

Result<void> Scheduler::release(const AgentName& agent, const std::string& actor) {
  auto found = entries_.find(agent);
  if (found == entries_.end()) return fail(ErrorCode::kNotFound, "no agent with cycles is called " + agent.str());
  if (found->second.heldBy.empty()) return {};
  found->second.heldBy.clear();
  unsaved_.insert(agent);
  AGENTOS_CHECK(save());
  audit(agent, "cycle.released", actor, Json::object(), true);
  setState(*found, found->second.busy() ? "running" : "new", "");
  setDue(*found);
  markReady(*found, true);
  dispatch();
  arm();
  return {};
}

std::vector<AgentSchedule> Scheduler::schedule() const {
  std::vector<AgentSchedule> rows;
  for (const auto& [name, entry] : entries_) {
    AgentSchedule row;
    row.agent = name;
    row.nextDue = entry.nextDue;
    row.lastStarted = entry.lastStarted;
    row.onTask = entry.onTask();
    row.held = !entry.heldBy.empty();
    row.waiting = entry.ready;
    row.state = entry.state;
    row.detail = entry.detail;
    row.running = entry.running;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace agentos::agentd
