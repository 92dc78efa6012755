// SPDX-License-Identifier: Apache-2.0
// contract: validate and schema work without a daemon.
#include <unistd.h>

#include <memory>

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
