// SPDX-License-Identifier: Apache-2.0
// spawn, ps, status, inspect.
#include <unistd.h>

#include <memory>
#include <optional>

#include "agentctl/fields.h"
#include "agentctl/groups.h"
#include "base/files.h"
#include "client/client.h"
#include "contract/loader.h"

namespace agentos::agentctl {
namespace {

using client::pathOf;
using Kind = Column::Kind;

constexpr std::size_t kMaxContract = 1 << 20;

std::function<std::string(const Json&)> field(const std::string& path) {
  return [path](const Json& value) { return textOf(value, path); };
}

const std::vector<Column>& listColumns() {
  static const std::vector<Column> columns = {
      {"ID", field("id")},
      {"STATE", field("state"), Kind::kState},
      {"MODE", field("mode")},
      {"CLASS", field("class"), Kind::kWide},
      {"TASK", field("task")},
      {"AGE", [](const Json& v) { return ageOf(v, "created"); }, Kind::kNumber},
      {"CALLS", field("model_calls"), Kind::kNumber},
      {"COST", [](const Json& v) { return usdOf(v, "cost_micro_usd"); }, Kind::kNumber},
      {"RESTARTS", field("restarts"), Kind::kWide},
      {"PID", field("pid"), Kind::kWide},
      {"TRACE", field("trace"), Kind::kWide},
      {"REASON", field("reason"), Kind::kWide},
  };
  return columns;
}

std::string describeRun(const Json& value) {
  if (findField(value, "exit") == nullptr && textOf(value, "ended").empty()) return {};
  return describeEnd(value);
}

// "pids 12, memory_high 3"
std::string limitsMet(const Json& value) {
  std::string text;
  const Json* met = findField(value, "limits_met");
  if (met == nullptr || !met->is_object()) return text;
  for (const auto& one : met->items()) text += (text.empty() ? "" : ", ") + one.key() + " " + dumpJson(one.value());
  return text;
}

const std::vector<Column>& statusRows() {
  static const std::vector<Column> rows = {
      {"Instance", field("id")},
      {"Agent", field("agent")},
      {"State", field("state"), Kind::kState},
      {"Reason", field("reason")},
      {"Ended", describeRun},
      {"Mode", field("mode")},
      {"Class", field("class")},
      {"Task", field("task")},
      {"Contract", field("contract_digest")},
      {"Source", field("source")},
      {"Trace", field("trace")},
      {"PID", field("pid")},
      {"Created", [](const Json& v) { return timeOf(v, "created"); }},
      {"Started", [](const Json& v) { return timeOf(v, "started"); }},
      {"Finished", [](const Json& v) { return timeOf(v, "ended"); }},
      {"Restarts", field("restarts")},
      {"Model calls", field("model_calls")},
      {"Cost", [](const Json& v) { return usdOf(v, "cost_micro_usd"); }},
      {"Memory peak", [](const Json& v) { return bytesOf(v, "exit.memory_peak"); }},
      {"Adopted", [](const Json& v) { return isTrue(v, "adopted") ? "yes, found running by this agentd" : ""; }},
      {"Limits met", limitsMet},
      {"Open network", field("open_network")},
      {"Enforced", field("enforcement.enforced")},
      {"Substituted", field("enforcement.substituted")},
      {"Not enforced", field("enforcement.missing")},
  };
  return rows;
}

struct SpawnArgs {
  std::string contract, latency, name;
  bool wait = false;
};

Result<std::string> readContract(const std::string& path) {
  if (path == "-") return readAll(STDIN_FILENO, kMaxContract);
  return readPath(path, kMaxContract);
}

// Faults are found here, with the file's own name, before the daemon is troubled.
Result<std::string> checkedContract(const std::string& path) {
  AGENTOS_TRY(auto text, readContract(path));
  auto contract = contract::loadContract(text, path == "-" ? "stdin" : path);
  if (contract) return text;
  std::string all;
  for (const auto& problem : contract.error()) all += (all.empty() ? "" : "\n") + problem.message();
  return fail(contract.error().front().code, all);
}

Result<int> spawn(Session& session, const SpawnArgs& args) {
  AGENTOS_TRY(auto text, checkedContract(args.contract));
  Json body = {{"contract", text}, {"source", args.contract}};
  if (!args.name.empty()) body["name"] = args.name;
  if (!args.latency.empty()) body["class"] = args.latency;
  AGENTOS_TRY(auto made, session.post("/v1/agents", std::move(body)));
  auto id = textOf(made, "id");
  if (!args.wait) {
    session.out().record(made, id, "id");
    return 0;
  }
  session.out().say(id + " runs; waiting for its end");
  AGENTOS_TRY(auto ended, waitForEnd(session, id, std::nullopt));
  session.out().record(ended, id + " " + describeEnd(ended), "id");
  return statusOfEnd(ended);
}

struct ListArgs {
  bool all = false, watch = false;
};

Result<void> listOnce(Session& session, const ListArgs& args) {
  AGENTOS_TRY(auto items, session.list("/v1/agents", {{"all", args.all ? "1" : ""}}));
  if (args.watch && session.out().isTable() && ::isatty(STDOUT_FILENO) == 1) session.out().write("\033[H\033[J");
  session.out().list(items, listColumns(), "id",
                     args.all ? "no agent has run yet" : "no agents are running (ps --all shows those that ended)");
  return {};
}

Result<int> list(Session& session, const ListArgs& args) {
  AGENTOS_CHECK(listOnce(session, args));
  while (args.watch) {
    ::sleep(1);
    AGENTOS_CHECK(listOnce(session, args));
  }
  return 0;
}

Result<int> status(Session& session, const std::string& id) {
  AGENTOS_TRY(auto instance, session.get(pathOf("/v1/agents", {id})));
  session.out().thing(instance, statusRows(), "id");
  return 0;
}

Result<int> inspect(Session& session, const std::string& id) {
  AGENTOS_TRY(auto instance, session.get(pathOf("/v1/agents", {id, "inspect"})));
  session.out().document(instance);
  return 0;
}

}  // namespace

void addAgentCommands(Command& root) {
  auto args = std::make_shared<SpawnArgs>();
  root.verb("spawn", "Start an agent from a contract", [args](Session& session) { return spawn(session, *args); })
      .option("--contract,-c", args->contract, "the Agent Contract; - reads it from stdin", "FILE")
      .required("--contract")
      .choice("--class", args->latency, {"HRT", "SRT", "DT"}, "another latency class than the contract's")
      .option("--name", args->name, "another name than the contract's", "NAME")
      .flag("--wait", args->wait, "wait until it has ended; exit 0 only when it succeeded")
      .heading("Agents");
  auto listing = std::make_shared<ListArgs>();
  root.verb("ps", "List agents", [listing](Session& session) { return list(session, *listing); })
      .flag("-a,--all", listing->all, "also those that have ended")
      .flag("-w,--watch", listing->watch, "again every second, until interrupted")
      .alias("list")
      .heading("Agents");
  auto shown = std::make_shared<std::string>();
  root.verb(
          "status", "Show one agent", [shown](Session& session) { return status(session, *shown); }, Names::kAgents)
      .argument("ID", *shown, "an instance id, the beginning of one, or an agent's name")
      .heading("Agents");
  auto inspected = std::make_shared<std::string>();
  root.verb(
          "inspect", "Show everything about one agent, as JSON",
          [inspected](Session& session) { return inspect(session, *inspected); }, Names::kAgents)
      .argument("ID", *inspected, "an instance id, the beginning of one, or an agent's name")
      .heading("Agents");
}

}  // namespace agentos::agentctl
