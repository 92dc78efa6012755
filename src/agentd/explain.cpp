// SPDX-License-Identifier: Apache-2.0
#include "agentd/explain.h"

#include <algorithm>
#include <utility>

#include "agentd/gateway/gateway.h"
#include "contract/admission.h"

namespace agentos::agentd {
namespace {

Explanation because(std::string code, std::string reason, std::string remedy = {}) {
  return {std::move(code), std::move(reason), std::move(remedy), {}, Json::object()};
}

Explanation ofRunning(const InstanceView& view) {
  if (view.misses > 0) {
    auto told = because("unhealthy", "it runs, and has missed " + std::to_string(view.misses) + " in a row",
                        "see its log; at health.misses it is ended and started again");
    told.details["misses"] = view.misses;
    return told;
  }
  if (!view.ready) return because("not_ready", "it runs, and has not been heard of yet", "its first heartbeat");
  return because("running", "it runs");
}

// One of contract::RunMode's words as views carry them.
bool isCycle(const StoredContract* stored, const std::optional<InstanceView>& instance) {
  if (stored != nullptr) return stored->contract->run.mode == contract::RunMode::kCycle;
  return instance && instance->mode == "cycle";
}

}  // namespace

Result<Explainer::Subject> Explainer::subjectOf(const std::string& text) const {
  Subject subject;
  if (auto id = parts_.supervisor.resolve(text)) {
    AGENTOS_TRY(auto view, parts_.supervisor.view(*id));
    subject.agent = view.agent;
    subject.instance = std::move(view);
  } else {
    auto name = AgentName::parse(text);
    const StoredContract* stored = name ? parts_.contracts.find(*name) : nullptr;
    if (stored == nullptr) return std::unexpected(std::move(id).error());
    subject.agent = *name;
  }
  subject.stored = parts_.contracts.find(subject.agent);
  return subject;
}

std::optional<Explanation> Explainer::byLife(const Subject& subject) const {
  if (!subject.instance || !isLive(subject.instance->state)) return std::nullopt;
  const InstanceView& view = *subject.instance;
  const auto& halt = parts_.supervisor.halted();
  switch (view.state) {
    case State::kRunning:
      return ofRunning(view);
    case State::kPaused:
      if (halt && halt->holding.contains(view.id)) return byHalt();
      if (view.preempted)
        return because("preempted", view.reason,
                       "it goes on by itself, or at once by agentctl resume " + view.id.str());
      return because("paused", view.reason.empty() ? "paused" : view.reason, "agentctl resume " + view.id.str());
    case State::kStopping:
      return because("stopping", "it has been told to end", "its stop.grace, then it is killed");
    default:
      return because("starting", "its room is being made");
  }
}

std::optional<Explanation> Explainer::byHalt() const {
  const auto& halt = parts_.supervisor.halted();
  if (!halt) return std::nullopt;
  auto told =
      because("halted", "everything is halted by " + halt->actor + ": " + halt->reason, "agentctl system unhalt");
  told.details = {{"since", formatUtc(halt->since)}, {"actor", halt->actor}, {"kill", halt->kill}};
  return told;
}

std::optional<Explanation> Explainer::byRestart(const Subject& subject) const {
  const auto due = parts_.supervisor.restartDue(subject.agent);
  if (!due) return std::nullopt;
  auto told =
      because("backing_off",
              "it ended and is started again after a pause" + (subject.instance ? ": " + subject.instance->reason : ""),
              "agentctl restart " + subject.agent.str() + " starts it now");
  told.until = parts_.clock.now() + (*due - parts_.clock.bootNow());
  if (subject.instance) told.details["restarts"] = subject.instance->restarts;
  return told;
}

std::optional<Explanation> Explainer::byDeath(const Subject& subject) const {
  auto letters = parts_.supervisor.dead();
  if (!letters) return std::nullopt;
  for (const auto& letter : *letters) {
    const bool meant = subject.instance && subject.instance->id == letter.id;
    if (!meant && (letter.agent != subject.agent || letter.mode != "service")) continue;
    auto told = because(letter.kind, letter.reason,
                        "agentctl dead show " + letter.id.str() + ", then agentctl dead retry " + letter.id.str());
    told.details = {{"dead_letter", letter.id.str()}, {"since", formatUtc(letter.since)}};
    return told;
  }
  return std::nullopt;
}

std::optional<Explanation> Explainer::byContract(const Subject& subject) const {
  if (subject.stored == nullptr) return std::nullopt;
  const contract::Contract& contract = *subject.stored->contract;
  if (!contract.supervise.parent.empty()) {
    auto parent = parts_.supervisor.resolve(contract.supervise.parent);
    auto view = parent ? parts_.supervisor.view(*parent) : std::unexpected(parent.error());
    if (!view || !isLive(view->state)) {
      auto told = because("dependency", "it is supervised by " + contract.supervise.parent + ", which does not run",
                          "agentctl explain " + contract.supervise.parent);
      told.details["parent"] = contract.supervise.parent;
      return told;
    }
  }
  const auto table = contract::admit(contract, parts_.supervisor.settings().machine());
  if (table.admitted()) return std::nullopt;
  auto told = because("refused", contract::refusalOf(contract, table).what, "the remedy of each row that is unmet");
  told.details["admission"] = contract::toJson(table);
  return told;
}

std::optional<Explanation> Explainer::byBudget(const Subject& subject) const {
  if (subject.stored == nullptr) return std::nullopt;
  auto caps = parts_.ledger.left({.agent = subject.agent.str(), .instance = {}, .task = {}},
                                 capsOf(*subject.stored->contract, parts_.company));
  if (!caps) return std::nullopt;
  for (const auto& cap : *caps) {
    if (cap.left().count > 0) continue;
    auto told = because("budget_exhausted", "nothing is left of " + cap.name,
                        "a higher cap in the contract or in company.yaml, or the next period");
    told.details = {{"cap", cap.name}, {"limit", cap.cap.count}, {"used", cap.used.count}};
    return told;
  }
  return std::nullopt;
}

std::optional<Explanation> Explainer::bySchedule(const Subject& subject) const {
  if (parts_.scheduler == nullptr || !isCycle(subject.stored, subject.instance)) return std::nullopt;
  const auto rows = parts_.scheduler->schedule();
  auto row = std::ranges::find(rows, subject.agent, &AgentSchedule::agent);
  if (row == rows.end()) return std::nullopt;
  if (row->held) return because("held", "held " + row->detail, "agentctl cycle release " + subject.agent.str());
  if (row->waiting)
    return because("queued", "it is due, and as many cycles run as may at once", "a higher cycles.concurrent");
  if (row->state == "refused" || row->state == "failing") {
    return because(row->state, row->detail,
                   row->state == "refused" ? "mend the contract, then agentctl system reload" : "it is tried again");
  }
  std::string why = row->detail.empty() ? "" : ": " + row->detail;
  if (row->state == "starved")
    return because("starved", "there is work, and it is for others" + why, "assign it a task");
  if (row->state == "blocked") return because("blocked", "its work waits for other work" + why, "agentctl task list");
  Explanation told;
  if (row->nextDue && *row->nextDue > parts_.clock.now()) {
    told = because("not_due", "it is not due by its schedule" + why, "agentctl cycle run " + subject.agent.str());
    told.until = row->nextDue;
  } else {
    told = because("idle", "it has no work" + why, "agentctl task add");
  }
  if (row->lastStarted) told.details["last_started"] = formatUtc(*row->lastStarted);
  return told;
}

Explanation Explainer::byEnd(const Subject& subject) const {
  if (!subject.instance) {
    return because("not_started", "nobody has started it", "agentctl spawn --contract " + subject.stored->path);
  }
  const InstanceView& view = *subject.instance;
  const bool well = view.exit && view.exit->code == 0;
  const std::string word = view.state == State::kLost                                                      ? "lost"
                           : view.state == State::kRefused                                                 ? "refused"
                           : view.reason.starts_with("stopped by") || view.reason.starts_with("killed by") ? "stopped"
                           : well                                                                          ? "done"
                                                                                                           : "ended";
  auto told = because(word, view.reason, well ? "" : "agentctl restart " + view.id.str());
  if (view.ended) told.details["ended"] = formatUtc(*view.ended);
  return told;
}

Explanation Explainer::answer(const Subject& subject) const {
  if (auto told = byLife(subject)) return *std::move(told);
  if (auto told = byHalt()) return *std::move(told);
  if (auto told = byRestart(subject)) return *std::move(told);
  if (auto told = byDeath(subject)) return *std::move(told);
  if (auto told = byContract(subject)) return *std::move(told);
  if (auto told = byBudget(subject)) return *std::move(told);
  if (auto told = bySchedule(subject)) return *std::move(told);
  return byEnd(subject);
}

Result<Json> Explainer::explain(const std::string& text) const {
  AGENTOS_TRY(const auto subject, subjectOf(text));
  const Explanation told = answer(subject);
  Json json = {{"agent", subject.agent.str()},
               {"instance", subject.instance ? Json(subject.instance->id.str()) : Json(nullptr)},
               {"state", subject.instance ? Json(nameOf(subject.instance->state)) : Json(nullptr)},
               {"code", told.code},
               {"reason", told.reason},
               {"remedy", told.remedy.empty() ? Json(nullptr) : Json(told.remedy)},
               {"until", told.until ? Json(formatUtc(*told.until)) : Json(nullptr)},
               {"details", told.details}};
  if (subject.stored != nullptr && !subject.stored->problems.empty())
    json["details"]["broken_contract"] = subject.stored->problems;
  return json;
}

}  // namespace agentos::agentd
