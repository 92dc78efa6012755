// SPDX-License-Identifier: Apache-2.0
// system: the daemon itself.
#include <algorithm>

#include "agentctl/doctor.h"
#include "agentctl/fields.h"
#include "agentctl/groups.h"
#include "agentctl/version.h"

namespace agentos::agentctl {
namespace {

// Whatever the daemon tells about itself, as "path: value" lines, a line for each item of a list.
void flatten(const Json& value, const std::string& path, std::vector<Column>& rows) {
  if (value.is_array() && value.size() > 1) {
    for (const auto& item : value) flatten(item, path, rows);
    return;
  }
  if (!value.is_object()) {
    rows.push_back({path, [text = textOf({{"v", value}}, "v")](const Json&) { return text; }});
    return;
  }
  for (const auto& member : value.items())
    flatten(member.value(), path.empty() ? member.key() : path + "." + member.key(), rows);
}

Result<int> info(Session& session) {
  AGENTOS_TRY(auto system, session.get("/v1/system"));
  std::vector<Column> rows;
  flatten(system, "", rows);
  session.out().thing(system, rows, "version");
  return 0;
}

// A broken file keeps what was in force before it: said, and a failure for scripts.
Result<int> reload(Session& session) {
  AGENTOS_TRY(auto report, session.post("/v1/system/reload"));
  static const std::vector<Column> rows = {
      {"Added", [](const Json& v) { return textOf(v, "added"); }},
      {"Changed", [](const Json& v) { return textOf(v, "changed"); }},
      {"Removed", [](const Json& v) { return textOf(v, "removed"); }},
      {"Configuration", [](const Json& v) { return textOf(v, "configuration.changed"); }},
      {"Needs a restart", [](const Json& v) { return textOf(v, "configuration.needs_restart"); }},
  };
  session.out().thing(report, rows, "version");
  bool changed = std::ranges::any_of(rows, [&](const Column& row) { return !row.text(report).empty(); });
  const Json* problems = findField(report, "problems");
  if (problems == nullptr || !problems->is_array() || problems->empty()) {
    if (!changed) session.out().say("nothing has changed");
    return 0;
  }
  for (const auto& problem : *problems)
    Output::sayAlways(problem.is_string() ? problem.get<std::string>() : dumpJson(problem));
  complain("what was in force before stays in force for the files named above");
  return 1;
}

Result<int> version(Session& session) {
  auto system = session.get("/v1/system");
  Json versions = {{"agentctl", kVersion}, {"agentd", system ? Json(textOf(*system, "version")) : Json(nullptr)}};
  static const std::vector<Column> rows = {
      {"agentctl", [](const Json& v) { return textOf(v, "agentctl"); }},
      {"agentd", [](const Json& v) { return textOf(v, "agentd"); }},
  };
  session.out().thing(versions, rows, "agentctl");
  if (!system) session.out().say(system.error().message());
  return 0;
}

Result<int> doctor(Session& session) {
  auto findings = examineMachine(session.prefix());
  std::ranges::move(examineDaemon(session), std::back_inserter(findings));
  return showFindings(session, findings, "all is well");
}

}  // namespace

void addSystemCommands(Command& root) {
  auto group = root.group("system", "The daemon itself");
  group.verb("info", "Show the daemon: version, paths, platform, counts",
             [](Session& session) { return info(session); });
  group.verb("doctor", "Try each wall and limit of this machine, and check the daemon; exit 1 when something failed",
             [](Session& session) { return doctor(session); });
  addEventsVerb(group);
  addHaltVerbs(group);
  group.verb("reload", "Read configuration and contracts again; what is broken stays as it was",
             [](Session& session) { return reload(session); });
  group.verb("version", "Show the versions of agentctl and agentd", [](Session& session) { return version(session); });
}

}  // namespace agentos::agentctl
