// SPDX-License-Identifier: Apache-2.0
// explain, dead, system halt and unhalt: what holds agents back.
#include <memory>

#include "agentctl/fields.h"
#include "agentctl/groups.h"
#include "client/client.h"

namespace agentos::agentctl {
namespace {

using client::pathOf;
using Kind = Column::Kind;

std::function<std::string(const Json&)> field(const std::string& path) {
  return [path](const Json& value) { return textOf(value, path); };
}

// The rows of an admission that refuse, one below the other.
std::string unmetOf(const Json& told) {
  std::string text;
  const Json* rows = findField(told, "details.admission.rows");
  if (rows == nullptr || !rows->is_array()) return text;
  for (const Json& row : *rows) {
    if (textOf(row, "verdict") != "unmet") continue;
    text += (text.empty() ? "" : "; ") + textOf(row, "path") + ": " + textOf(row, "why") + " (" +
            textOf(row, "remedy") + ")";
  }
  return text;
}

Result<int> explain(Session& session, const std::string& id) {
  AGENTOS_TRY(auto told, session.get(pathOf("/v1/agents", {id, "explain"})));
  static const std::vector<Column> rows = {
      {"Agent", field("agent")},
      {"Instance", field("instance")},
      {"State", field("state"), Kind::kState},
      {"Code", field("code")},
      {"Why", field("reason")},
      {"Unmet", unmetOf},
      {"Until", [](const Json& v) { return timeOf(v, "until"); }},
      {"What would help", field("remedy")},
      {"Dead letter", field("details.dead_letter")},
      {"Broken contract", field("details.broken_contract")},
  };
  session.out().thing(told, rows, "code");
  return 0;
}

struct HaltArgs {
  bool kill = false;
  std::string reason;
};

Result<int> halt(Session& session, const HaltArgs& args) {
  AGENTOS_TRY(auto done, session.post("/v1/system/halt", {{"kill", args.kill}, {"reason", args.reason}}));
  session.out().record(done,
                       (args.kill ? "agents killed: " : "agents frozen: ") + textOf(done, "instances") +
                           "; nothing starts until agentctl system unhalt",
                       "halted");
  return 0;
}

Result<int> unhalt(Session& session) {
  AGENTOS_TRY(auto done, session.post("/v1/system/unhalt"));
  session.out().record(done, "agents go on", "halted");
  return 0;
}

const std::vector<Column>& deadColumns() {
  static const std::vector<Column> columns = {
      {"ID", field("id")},
      {"MODE", field("mode")},
      {"KIND", field("kind")},
      {"SINCE", [](const Json& v) { return timeOf(v, "since"); }},
      {"SOURCE", field("source"), Kind::kWide},
      {"REASON", field("reason")},
  };
  return columns;
}

Result<int> listDead(Session& session) {
  AGENTOS_TRY(auto items, session.list("/v1/dead"));
  session.out().list(items, deadColumns(), "id", "nothing has failed for good");
  return 0;
}

Result<int> showDead(Session& session, const std::string& id) {
  AGENTOS_TRY(auto letter, session.get(pathOf("/v1/dead", {id})));
  static const std::vector<Column> rows = {
      {"Instance", field("id")},
      {"Agent", field("agent")},
      {"Mode", field("mode")},
      {"Kind", field("kind")},
      {"Reason", field("reason")},
      {"Since", [](const Json& v) { return timeOf(v, "since"); }},
      {"Source", field("source")},
      {"Contract", field("contract_digest")},
      {"Last output", field("evidence.log")},
  };
  session.out().thing(letter, rows, "id");
  return 0;
}

Result<int> retryDead(Session& session, const std::string& id) {
  AGENTOS_TRY(auto made, session.post(pathOf("/v1/dead", {id, "retry"})));
  session.out().record(made, textOf(made, "id"), "id");
  return 0;
}

Result<int> dropDead(Session& session, const std::string& id) {
  AGENTOS_TRY(auto gone, session.post(pathOf("/v1/dead", {id, "drop"})));
  session.out().record(gone, textOf(gone, "id") + " dropped", "id");
  return 0;
}

}  // namespace

void addHaltVerbs(Command& group) {
  auto args = std::make_shared<HaltArgs>();
  group
      .verb("halt", "Freeze every agent at once; nothing starts until unhalt",
            [args](Session& session) { return halt(session, *args); })
      .flag("--kill", args->kill, "end them instead of freezing them")
      .option("--reason", args->reason, "why, for the audit log and for whoever asks", "TEXT")
      .required("--reason");
  group.verb("unhalt", "Lift the halt: what it froze goes on", [](Session& session) { return unhalt(session); });
}

void addSupervisionCommands(Command& root) {
  auto id = std::make_shared<std::string>();
  root.verb(
          "explain", "Say why an agent does not run, and what would help",
          [id](Session& session) { return explain(session, *id); }, Names::kAgents)
      .argument("ID", *id, "an instance id, the beginning of one, or an agent's name")
      .heading("Agents");
  auto dead = root.group("dead", "Jobs and services that failed for good");
  dead.verb("list", "List them", [](Session& session) { return listDead(session); });
  auto addOne = [&](const std::string& verb, const std::string& help,
                    Result<int> (*work)(Session&, const std::string&)) {
    auto one = std::make_shared<std::string>();
    dead.verb(verb, help, [one, work](Session& session) { return work(session, *one); })
        .argument("ID", *one, "the instance that failed last, as dead list shows it");
  };
  addOne("show", "Show one with its evidence: its last runs, its contract, the end of its output", showDead);
  addOne("retry", "Start it again, by the contract that it had", retryDead);
  addOne("drop", "Forget it", dropDead);
}

}  // namespace agentos::agentctl
