// SPDX-License-Identifier: Apache-2.0
// diff, commit, discard: what a run changed in trees of mode overlay.
#include <chrono>
#include <map>
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

const std::vector<Column>& columns() {
  static const std::vector<Column> all = {{"CHANGE", field("change"), Kind::kState},
                                          {"TYPE", field("type")},
                                          {"SIZE", field("size"), Kind::kNumber},
                                          {"PATH", field("path")},
                                          {"NOTE", field("note")},
                                          {"SHA256", field("sha256"), Kind::kWide},
                                          {"BASE", field("base_sha256"), Kind::kWide}};
  return all;
}

// One line a change, under the path that the agent saw; what would keep it from being committed beside it.
Json linesOf(const Json& answer) {
  Json lines = Json::array();
  for (const auto& mount : answer.value("mounts", Json::array())) {
    const std::string at = textOf(mount, "target") + "/";
    std::map<std::string, std::string> notes;
    for (const auto& conflict : mount.value("conflicts", Json::array()))
      notes[textOf(conflict, "path")] = "conflict: " + textOf(conflict, "why");
    for (auto change : mount.value("changes", Json::array())) {
      change["note"] = notes[textOf(change, "path")];
      change["path"] = at + textOf(change, "path");
      lines.push_back(std::move(change));
    }
    for (const auto& refused : mount.value("refused", Json::array())) {
      lines.push_back(
          {{"change", "refused"}, {"path", at + textOf(refused, "path")}, {"note", textOf(refused, "why")}});
    }
  }
  return lines;
}

Result<int> commit(Session& session, const std::string& id) {
  session.extendTimeout(std::chrono::minutes(10));
  AGENTOS_TRY(auto done, session.post(pathOf("/v1/agents", {id, "commit"}), Json::object()));
  session.out().record(done, textOf(done, "id") + " committed, changes: " + textOf(done, "changes"), "id");
  return 0;
}

Result<int> discard(Session& session, const std::string& id) {
  AGENTOS_TRY(auto done, session.post(pathOf("/v1/agents", {id, "discard"}), Json::object()));
  session.out().record(done, textOf(done, "id") + " discarded", "id");
  return 0;
}

void addVerb(Command& root, const std::string& verb, const std::string& help,
             Result<int> (*work)(Session&, const std::string&)) {
  auto id = std::make_shared<std::string>();
  root.verb(
          verb, help, [id, work](Session& session) { return work(session, *id); }, Names::kAgents)
      .argument("ID", *id, "the run: its id, the beginning of it, or its agent's name")
      .heading("Agents");
}

Result<int> diffOfRun(Session& session, const std::string& id) {
  return showChanges(session, pathOf("/v1/agents", {id, "changes"}));
}

}  // namespace

Result<int> showChanges(Session& session, const std::string& path) {
  session.extendTimeout(std::chrono::minutes(10));
  AGENTOS_TRY(auto answer, session.get(path));
  session.out().list(linesOf(answer), columns(), "path", textOf(answer, "id") + " changed nothing");
  return 0;
}

void addChangeCommands(Command& root) {
  addVerb(root, "diff", "What a run changed in its overlays", diffOfRun);
  addVerb(root, "commit", "Put what a run changed in its overlays into the live trees", commit);
  addVerb(root, "discard", "Throw away what a run changed in its overlays", discard);
}

}  // namespace agentos::agentctl
