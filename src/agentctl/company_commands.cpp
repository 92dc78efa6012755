// SPDX-License-Identifier: Apache-2.0
// company: init and doctor work on the directory itself, status asks the daemon.
#include <memory>

#include "agentctl/company_init.h"
#include "agentctl/doctor.h"
#include "agentctl/fields.h"
#include "agentctl/groups.h"

namespace agentos::agentctl {
namespace {

Result<int> init(Session& session, const NewCompany& wanted) {
  AGENTOS_CHECK(makeCompany(wanted));
  session.out().line(wanted.directory);
  session.out().say("contracts go into " + wanted.directory + "/agents/contracts; then: agentd --company " +
                    wanted.directory + (wanted.user.empty() ? "" : " --user " + wanted.user));
  if (wanted.example) {
    session.out().say(
        "the example's agents want a model house/*: name one in agentd.yaml, or copy demo/agentd.yaml and "
        "demo/model.yaml into PREFIX/etc/agentd");
  }
  return 0;
}

Result<int> status(Session& session) {
  std::vector<Column> rows = {
      {"Company", [](const Json& v) { return textOf(v, "name"); }},
      {"Path", [](const Json& v) { return textOf(v, "path"); }},
      {"Time zone", [](const Json& v) { return textOf(v, "timezone"); }},
      {"Cap a day", [](const Json& v) { return usdOf(v, "per_day_micro_usd"); }},
      {"Cap a month", [](const Json& v) { return usdOf(v, "per_month_micro_usd"); }},
  };
  for (std::string word : {"backlog", "queued", "in-progress", "in-review", "done", "failed", "declined"}) {
    rows.push_back({"Tasks " + word, [word](const Json& v) { return textOf(v, "tasks." + word); }});
  }
  AGENTOS_TRY(auto company, session.get("/v1/company"));
  session.out().thing(company, rows, "name");
  return 0;
}

Result<int> doctor(Session& session, std::string directory) {
  if (directory.empty()) {
    AGENTOS_TRY(auto company, session.get("/v1/company"));
    directory = textOf(company, "path");
  }
  AGENTOS_TRY(auto findings, examineCompany(directory));
  return showFindings(session, findings, directory + " is in order");
}

}  // namespace

void addCompanyCommands(Command& root) {
  auto group = root.group("company", "The company directory");
  auto args = std::make_shared<NewCompany>();
  group
      .verb("init", "Make a new company in an empty or absent directory",
            [args](Session& session) { return init(session, *args); })
      .argument("DIR", args->directory, "where")
      .option("--name", args->name, "its name (default: the directory's)")
      .option("--timezone", args->timezone, "for times of people and days of caps (default UTC)", "ZONE")
      .option("--user", args->user,
              "whose it is to be: the user that agentd runs as (default: yours; as root: agentd, if there is one)",
              "NAME")
      .flag("--example", args->example, "with the five agents and the tasks of the demonstration");
  group.verb("status", "Show the company that agentd serves", [](Session& session) { return status(session); });
  auto directory = std::make_shared<std::string>();
  group
      .verb("doctor", "Find what is wrong in the directory, and how to mend it",
            [directory](Session& session) { return doctor(session, *directory); })
      .argument("DIR", *directory, "default: the company that agentd serves", false);
}

}  // namespace agentos::agentctl
