// SPDX-License-Identifier: Apache-2.0
// cycle: when agents are due, and now.
#include <algorithm>
#include <memory>

#include "agentctl/fields.h"
#include "agentctl/groups.h"
#include "client/client.h"

namespace agentos::agentctl {
namespace {

using client::pathOf;
using Kind = Column::Kind;

std::string dueOf(const Json& agent) {
  auto clock = ageOf(agent, "next_due");
  bool passed = !clock.empty() && !clock.starts_with("in ");
  if (passed) clock = "now";
  if (!isTrue(agent, "on_task")) return clock;
  return clock.empty() ? "on work" : clock + ", on work";
}

std::string whyOf(const Json& agent) {
  auto detail = textOf(agent, "detail");
  auto state = textOf(agent, "state");
  if (!detail.empty()) return detail;
  if (state == "starved") return "the work that waits is for others";
  return state == "idle" ? "no work waits" : "";
}

const std::vector<Column>& columns() {
  auto field = [](const char* path) { return [path](const Json& value) { return textOf(value, path); }; };
  static const std::vector<Column> all = {
      {"AGENT", field("agent")},
      {"STATE", [](const Json& v) { return isTrue(v, "held") ? "held" : textOf(v, "state"); }, Kind::kState},
      {"DUE", dueOf},
      {"LAST", [](const Json& v) { return ageOf(v, "last_started"); }, Kind::kNumber},
      {"RUNNING", field("running")},
      {"WHY", whyOf},
  };
  return all;
}

Result<int> schedule(Session& session) {
  AGENTOS_TRY(auto items, session.list("/v1/cycles"));
  session.out().list(items, columns(), "agent", "no contract has a schedule");
  return 0;
}

// Those whose time has come, or that wait behind others.
Result<int> due(Session& session) {
  AGENTOS_TRY(auto items, session.list("/v1/cycles"));
  Json now = Json::array();
  for (const auto& agent : items) {
    auto time = parseTimestamp(textOf(agent, "next_due"));
    bool passed = time && *time <= SystemClock().now();
    if (!isTrue(agent, "held") && (passed || isTrue(agent, "waiting"))) now.push_back(agent);
  }
  session.out().list(now, columns(), "agent", "no agent is due (cycle schedule shows when they are)");
  return 0;
}

Result<int> run(Session& session, const std::string& agent) {
  AGENTOS_TRY(auto start, session.post(pathOf("/v1/cycles", {agent, "run"})));
  auto instance = textOf(start, "instance");
  auto state = textOf(start, "idle");
  auto detail = whyOf({{"state", state}, {"detail", textOf(start, "detail")}});
  std::string idle = agent + " " + state + (detail.empty() ? "" : ": " + detail);
  session.out().record(start, instance.empty() ? idle : instance, "instance");
  return 0;
}

Result<int> setHeld(Session& session, const std::string& verb, const std::vector<std::string>& agents) {
  for (const auto& agent : agents) {
    AGENTOS_TRY(auto answer, session.post(pathOf("/v1/cycles", {agent, verb})));
    session.out().record(answer, agent + (verb == "hold" ? " held" : " released"), "agent");
  }
  return 0;
}

void addHolding(Command& group, const std::string& verb, const std::string& help) {
  auto agents = std::make_shared<std::vector<std::string>>();
  group
      .verb(
          verb, help, [agents, verb](Session& session) { return setHeld(session, verb, *agents); }, Names::kContracts)
      .arguments("AGENT", *agents, "agents' names");
}

}  // namespace

void addCycleCommands(Command& root) {
  auto group = root.group("cycle", "When agents wake, and now");
  auto agent = std::make_shared<std::string>();
  group
      .verb(
          "run", "Give an agent a cycle now; prints the instance, or why there is none",
          [agent](Session& session) { return run(session, *agent); }, Names::kContracts)
      .argument("AGENT", *agent, "its name");
  group.verb("due", "List the agents that are due now", [](Session& session) { return due(session); });
  group.verb("schedule", "List all agents with their next time", [](Session& session) { return schedule(session); });
  addHolding(group, "hold", "No cycles for these agents until released");
  addHolding(group, "release", "Cycles again");
}

}  // namespace agentos::agentctl
