// SPDX-License-Identifier: Apache-2.0
// company: init and doctor work on the directory itself, status asks the daemon.
#include <memory>

#include "agentctl/company_init.h"
#include "agentctl/company_use.h"
#include "agentctl/doctor.h"
#include "agentctl/fields.h"
#include "agentctl/groups.h"

namespace agentos::agentctl {
namespace {

Result<int> init(Session& session, const NewCompany& wanted) {
  AGENTOS_CHECK(makeCompany(wanted));
  session.out().line(wanted.directory);
  session.out().say("contracts go into " + wanted.directory + "/agents/contracts");
  session.out().say("make it the service's: agentctl company use " + wanted.directory +
                    (wanted.example ? " --scripted-model" : ""));
  return 0;
}

struct UseArgs {
  CompanyInUse company;
  bool noRestart = false;
};

// A private instance has its own agentd.yaml, and whoever started it restarts it.
Result<int> use(Session& session, UseArgs args) {
  const std::string& prefix = session.prefix();
  if (args.company.configFile.empty()) args.company.configFile = prefix + "/etc/agentd/agentd.yaml";
  AGENTOS_CHECK(useCompany(args.company));
  session.out().line(args.company.configFile);
  if (args.noRestart || !prefix.empty()) {
    session.out().say("agentd takes it up when it is restarted");
    return 0;
  }
  AGENTOS_TRY(const bool restarted, restartService());
  session.out().say(restarted ? "agentd was restarted and serves " + args.company.directory
                              : "no systemd runs here: restart agentd yourself");
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
      .flag("--example", args->example, "with the five agents and the tasks of the demonstration")
      .footer(
          "A server in five minutes:\n"
          "  sudo agentctl company init /srv/acme --example\n"
          "  sudo agentctl company use /srv/acme --scripted-model\n"
          "  agentctl task list");
  auto inUse = std::make_shared<UseArgs>();
  group
      .verb("use", "Make agentd serve this company: says so in agentd.yaml and restarts the service, not its agents",
            [inUse](Session& session) { return use(session, *inUse); })
      .argument("DIR", inUse->company.directory, "a company, as `company init` makes one")
      .flag("--scripted-model", inUse->company.scriptedModel,
            "where agentd.yaml names no models: the example's, which needs no key and no network")
      .option("--config", inUse->company.configFile, "the file to change (default PREFIX/etc/agentd/agentd.yaml)",
              "FILE")
      .flag("--no-restart", inUse->noRestart, "change the file only")
      .footer(
          "A real model is named in agentd.yaml, then `systemctl reload agentd`:\n"
          "  models:\n"
          "    - { driver: openai, base_url: \"https://api.example.com/v1\", key_file: credential:key_api,\n"
          "        models: [\"house/small=name-there\"] }\n"
          "with its key in /etc/agentd/keys/api (root's, mode 0600).");
  group.verb("status", "Show the company that agentd serves", [](Session& session) { return status(session); });
  auto directory = std::make_shared<std::string>();
  group
      .verb("doctor", "Find what is wrong in the directory, and how to mend it",
            [directory](Session& session) { return doctor(session, *directory); })
      .argument("DIR", *directory, "default: the company that agentd serves", false);
}

}  // namespace agentos::agentctl
