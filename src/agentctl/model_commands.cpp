// SPDX-License-Identifier: Apache-2.0
// model and cost.
#include <memory>

#include "agentctl/fields.h"
#include "agentctl/groups.h"

namespace agentos::agentctl {
namespace {

using Kind = Column::Kind;

std::function<std::string(const Json&)> field(const std::string& path) {
  return [path](const Json& value) { return textOf(value, path); };
}
std::function<std::string(const Json&)> money(const std::string& path) {
  return [path](const Json& value) { return usdOf(value, path); };
}

Result<int> listModels(Session& session) {
  static const std::vector<Column> columns = {
      {"MODEL", field("name")},
      {"UPSTREAM", field("upstream")},
      {"MAX OUTPUT", field("max_output_tokens"), Kind::kNumber},
      {"$/M INPUT", money("price_micro_usd_per_million.input"), Kind::kNumber},
      {"$/M OUTPUT", money("price_micro_usd_per_million.output"), Kind::kNumber},
      {"$/M CACHED", money("price_micro_usd_per_million.cached_input"), Kind::kWide},
  };
  AGENTOS_TRY(auto items, session.list("/v1/models"));
  session.out().list(items, columns, "name", "no models are configured (models: in agentd.yaml)");
  return 0;
}

void sayCaps(Session& session, const Json& costs) {
  const Json* caps = findField(costs, "caps");
  if (caps == nullptr || !caps->is_array() || !session.out().isTable()) return;
  for (const auto& cap : *caps) {
    session.out().say(textOf(cap, "name") + ": " + usdOf(cap, "used") + " used and " + usdOf(cap, "reserved") +
                      " reserved of " + usdOf(cap, "cap"));
  }
}

Result<int> showCosts(Session& session, const std::string& by, const std::string& sinceText) {
  AGENTOS_TRY(auto since, timeArgument(sinceText));
  AGENTOS_TRY(auto costs, session.get("/v1/costs", {{"by", by}, {"since", since}}));
  const std::vector<Column> columns = {
      {by == "agent"   ? "AGENT"
       : by == "model" ? "MODEL"
       : by == "task"  ? "TASK"
                       : "DAY",
       field("key")},
      {"CALLS", field("calls"), Kind::kNumber},
      {"INPUT TOKENS", field("input_tokens"), Kind::kNumber},
      {"OUTPUT TOKENS", field("output_tokens"), Kind::kNumber},
      {"COST", money("cost_micro_usd"), Kind::kNumber},
  };
  if (!session.out().isTable() && session.out().format() != Format::kName) {
    session.out().document(costs);
    return 0;
  }
  const Json* items = findField(costs, "items");
  session.out().list(items == nullptr ? Json::array() : *items, columns, "key", "nothing has been spent");
  if (session.out().isTable()) session.out().say("total " + usdOf(costs, "total_micro_usd"));
  sayCaps(session, costs);
  return 0;
}

Result<int> exportCosts(Session& session, bool rebuild) {
  AGENTOS_TRY(auto done, session.post("/v1/costs/export", {{"rebuild", rebuild}}));
  if (!session.out().isTable()) {
    session.out().document(done);
  } else {
    session.out().say(textOf(done, "written") + (rebuild ? " lines written anew" : " lines appended") +
                      " in finance/costs");
  }
  return 0;
}

}  // namespace

void addModelCommands(Command& root) {
  auto models = root.group("model", "Models and what they were used for");
  models.verb("list", "List the models that contracts may name", [](Session& session) { return listModels(session); });
  auto usedSince = std::make_shared<std::string>();
  models
      .verb("usage", "Calls, tokens and cost by model",
            [usedSince](Session& session) { return showCosts(session, "model", *usedSince); })
      .option("--since", *usedSince, "only what is newer: 10m, or an RFC 3339 time", "TIME");

  auto costs = root.group("cost", "What was spent");
  struct Args {
    std::string by = "agent", since;
  };
  auto args = std::make_shared<Args>();
  costs
      .verb("show", "Cost by agent, model, task or day",
            [args](Session& session) { return showCosts(session, args->by, args->since); })
      .choice("--by", args->by, {"agent", "model", "task", "day"}, "default agent")
      .option("--since", args->since, "only what is newer: 10m, or an RFC 3339 time", "TIME");
  auto rebuild = std::make_shared<bool>(false);
  costs
      .verb("export", "Append to finance/costs what it lacks",
            [rebuild](Session& session) { return exportCosts(session, *rebuild); })
      .flag("--rebuild", *rebuild, "write every day's file again from the ledger; lines of others stay");
}

}  // namespace agentos::agentctl
