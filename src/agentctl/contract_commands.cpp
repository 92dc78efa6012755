// SPDX-License-Identifier: Apache-2.0
// contract: validate and schema work without a daemon.
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <system_error>

#include "agentctl/fields.h"
#include "agentctl/groups.h"
#include "base/files.h"
#include "client/client.h"
#include "contract/loader.h"

namespace agentos::agentctl {
namespace {

using Loaded = std::expected<contract::Contract, std::vector<YamlProblem>>;

Loaded load(const std::string& path) {
  if (path != "-") return contract::loadContractFile(path);
  auto text = readAll(STDIN_FILENO, 1 << 20);
  if (text) return contract::loadContract(*text, "stdin");
  return std::unexpected(std::vector<YamlProblem>{{.file = "stdin",
                                                   .mark = {},
                                                   .path = {},
                                                   .code = text.error().code,
                                                   .what = text.error().message(),
                                                   .remedy = {}}});
}

Json viewOf(const YamlProblem& problem) {
  return {{"file", problem.file},    {"line", problem.mark.line},         {"column", problem.mark.column},
          {"path", problem.path},    {"code", infoOf(problem.code).name}, {"what", problem.what},
          {"remedy", problem.remedy}};
}

Json viewOf(const std::string& path, const Loaded& loaded) {
  Json view = {{"file", path}, {"valid", loaded.has_value()}, {"problems", Json::array()}};
  if (loaded) {
    view["name"] = loaded->name.str();
    view["digest"] = loaded->digest;
  } else {
    for (const auto& problem : loaded.error()) view["problems"].push_back(viewOf(problem));
  }
  return view;
}

// All faults of all files; status 2 when there is one.
Result<int> validate(Session& session, const std::vector<std::string>& paths) {
  Json items = Json::array();
  std::size_t broken = 0;
  for (const auto& path : paths) {
    auto loaded = load(path);
    items.push_back(viewOf(path, loaded));
    if (loaded) {
      if (session.out().isTable())
        session.out().line(path + ": valid (" + loaded->name.str() + ", sha256:" + loaded->digest.substr(0, 12) + ")");
      continue;
    }
    ++broken;
    if (!session.out().isTable()) continue;
    for (const auto& problem : loaded.error()) session.out().sayAlways(problem.message());
  }
  if (!session.out().isTable()) session.out().list(items, {}, "file", "");
  return broken == 0 ? 0 : infoOf(ErrorCode::kInvalidArgument).exitStatus;
}

struct ExplainArgs {
  std::string file, latency;
};

std::string absolutePath(const std::string& file) {
  std::error_code ignored;
  auto path = std::filesystem::absolute(file, ignored);
  return file == "-" || ignored ? file : path.lexically_normal().string();
}

bool isFile(const std::string& name) {
  return name.find('/') != std::string::npos || name.ends_with(".yaml") || name.ends_with(".yml");
}

Result<int> show(Session& session, const std::string& name) {
  if (!isFile(name)) {
    AGENTOS_TRY(auto stored, session.get(client::pathOf("/v1/contracts", {name})));
    session.out().document(stored);
    return 0;
  }
  auto loaded = load(name);
  if (!loaded) return validate(session, {name});
  session.out().document(contract::toJson(*loaded));
  return 0;
}

// A note is a wish that the machine does not give: told, and no reason to refuse.
Json rowsOf(const Json& table) {
  Json rows = Json::array();
  for (const char* part : {"rows", "notes"}) {
    if (!table.contains(part) || !table[part].is_array()) continue;
    for (Json row : table[part]) {
      if (part == std::string_view("notes")) row["verdict"] = "note";
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

// Status 4, as the spawn would have it, when a demand is unmet.
Result<int> explain(Session& session, const ExplainArgs& args) {
  auto loaded = load(args.file);
  if (!loaded) return validate(session, {args.file});
  AGENTOS_TRY(auto text, args.file == "-" ? Result<std::string>(dumpJson(contract::toJson(*loaded)))
                                          : readPath(args.file, 1 << 20));
  Json body = {{"contract", text}, {"source", absolutePath(args.file)}};
  if (!args.latency.empty()) body["class"] = args.latency;
  AGENTOS_TRY(auto table, session.post("/v1/contracts/explain", std::move(body)));
  auto field = [](const char* path) { return [path](const Json& value) { return textOf(value, path); }; };
  static const std::vector<Column> columns = {
      {"DEMAND", field("path")}, {"WANTED", field("demand")}, {"VERDICT", field("verdict"), Column::Kind::kState},
      {"BY", field("by")},       {"WHY", field("why")},       {"REMEDY", field("remedy"), Column::Kind::kWide},
  };
  if (session.out().isTable()) {
    session.out().list(rowsOf(table), columns, "path", "the contract demands nothing");
  } else {
    session.out().document(table);
  }
  const bool admitted = table.value("admitted", false);
  session.out().say(admitted ? "it would be admitted" : "it would be refused");
  return admitted ? 0 : infoOf(ErrorCode::kContractUnmet).exitStatus;
}

Result<int> list(Session& session) {
  auto field = [](const char* path) { return [path](const Json& value) { return textOf(value, path); }; };
  static const std::vector<Column> columns = {
      {"NAME", field("name")},
      {"VERSION", field("version")},
      {"MODE", field("mode")},
      {"CLASS", field("class")},
      {"BINDING", field("binding")},
      {"OWNER", field("owner")},
      {"DIGEST", [](const Json& v) { return textOf(v, "digest").substr(0, 12); }},
      {"SOURCE", field("source"), Column::Kind::kWide},
      {"PROBLEMS", field("problems"), Column::Kind::kWide},
  };
  AGENTOS_TRY(auto items, session.list("/v1/contracts"));
  session.out().list(items, columns, "name",
                     "no contracts are in force (put one into agents/contracts/ of the company, or /etc/agents)");
  return 0;
}

}  // namespace

void addContractCommands(Command& root) {
  auto group = root.group("contract", "Agent Contracts: what an agent may do");
  auto paths = std::make_shared<std::vector<std::string>>();
  group
      .verb("validate", "Check contract files; changes nothing; exit 2 when one is wrong",
            [paths](Session& session) { return validate(session, *paths); })
      .arguments("FILE", *paths, "contract files; - reads stdin");
  auto asked = std::make_shared<ExplainArgs>();
  group
      .verb("explain",
            "Say for each demand of a contract whether a spawn would have it; starts nothing; exit 4 when not",
            [asked](Session& session) { return explain(session, *asked); })
      .argument("FILE", asked->file, "a contract file; - reads stdin")
      .choice("--class", asked->latency, {"HRT", "SRT", "DT"}, "another latency class than the contract's");
  auto name = std::make_shared<std::string>();
  group
      .verb(
          "show", "Show a contract with every default filled in",
          [name](Session& session) { return show(session, *name); }, Names::kContracts)
      .argument("NAME", *name, "the name of one in force, or a file");
  group.verb("list", "List the contracts in force", [](Session& session) { return list(session); });
  group.verb("schema", "Print the JSON Schema of the contract format", [](Session& session) -> Result<int> {
    session.out().document(contract::contractSchema());
    return 0;
  });
}

}  // namespace agentos::agentctl
