// SPDX-License-Identifier: Apache-2.0
#include "agentctl/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <span>

#include "agentctl/completion.h"
#include "agentctl/fields.h"
#include "agentctl/groups.h"
#include "agentctl/manual.h"
#include "agentctl/refusal.h"
#include "agentctl/version.h"
#include "base/text.h"

namespace agentos::agentctl {
namespace {

constexpr int kUsage = 2;

void addGlobalOptions(CLI::App& app, GlobalOptions& options) {
  app.add_option("--socket", options.socket, "agentd's socket (else --prefix, else AGENTD_SOCKET)")->type_name("PATH");
  app.add_option("--prefix", options.prefix, "the root of a private instance: DIR/run/agentd/agentd.sock")
      ->type_name("DIR");
  const std::vector<std::string> formats = {"table", "wide", "json", "yaml", "name"};
  auto* format = app.add_option("-o,--output", options.format, "table (default), wide, json, yaml or name");
  offerWords(*format->type_name("FORMAT")->check(CLI::IsMember(formats).description("")), formats);
  app.add_option("--request-timeout", options.requestTimeout, "how long one answer may take (30s)")->type_name("30s");
  app.add_flag("--no-color", options.noColour, "no colour, even on a terminal (NO_COLOR says the same)");
  app.add_flag("-q,--quiet", options.quiet, "no messages but errors");
}

void addCommands(CLI::App& app, Handler& chosen) {
  Command root(app, chosen);
  addAgentCommands(root);
  addAgentControlCommands(root);
  addSupervisionCommands(root);
  addLogCommands(root);
  addContractCommands(root);
  addCompanyCommands(root);
  addChangeCommands(root);
  addTaskCommands(root);
  addMessageCommands(root);
  addCycleCommands(root);
  addModelCommands(root);
  addAuditCommands(root);
  addSystemCommands(root);
  addCompletionCommands(root, app);
  addManualCommand(root, app);
}

// The command that parsing got to.
const CLI::App& deepest(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : deepest(*parsed.front());
}

std::string nameOf(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : nameOf(*app.get_parent()) + " " + app.get_name();
}

// "agentctl task lst" got as far as task: which of its verbs was meant?
std::string unknownVerb(const CLI::App& at, const std::string& word) {
  std::vector<std::string> names;
  for (const auto* child : at.get_subcommands([](const CLI::App*) { return true; })) names.push_back(child->get_name());
  std::vector<std::string_view> views(names.begin(), names.end());
  auto meant = didYouMean(word, views);
  std::string what = "\"" + word + "\" is no command of " + nameOf(at) + "; ";
  return what + (meant ? "did you mean \"" + *meant + "\"?" : nameOf(at) + " --help lists them");
}

// "agentctl task list --statsu": which option was meant?
std::string unknownOption(const CLI::App& at, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* app = &at; app != nullptr; app = app->get_parent()) {
    for (const auto* option : app->get_options()) {
      for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  std::vector<std::string_view> views(names.begin(), names.end());
  auto meant = didYouMean(word.substr(0, word.find('=')), views);
  std::string what = "\"" + word + "\" is no option of " + nameOf(at) + "; ";
  return what + (meant ? "did you mean \"" + *meant + "\"?" : nameOf(at) + " --help lists them");
}

// "agentctl tsk list" is understood as `list`, the alias of ps, with tsk as an argument too many: what came before the
// command is the mistake.
bool standsBefore(const std::string& word, const CLI::App& app, std::span<char*> words) {
  const auto parsed = app.get_subcommands();
  if (parsed.empty()) return false;
  auto isCommand = [&](std::string_view text) {
    const auto& aliases = parsed.front()->get_aliases();
    return text == parsed.front()->get_name() || std::ranges::find(aliases, text) != aliases.end();
  };
  auto first = std::ranges::find_if(words, [&](std::string_view text) { return text == word || isCommand(text); });
  return first != words.end() && *first == word;
}

int explain(const CLI::App& app, const CLI::ParseError& error, std::span<char*> words) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  const CLI::App& at = deepest(app);
  auto extras = app.remaining(true);
  auto word = std::ranges::find_if(extras, [](const std::string& text) { return !text.starts_with("-"); });
  auto option = std::ranges::find_if(extras, [](const std::string& text) { return text.starts_with("--"); });
  bool needsVerb = !at.get_subcommands([](const CLI::App*) { return true; }).empty();
  if (word != extras.end() && standsBefore(*word, app, words)) {
    complain(unknownVerb(app, *word));
  } else if (needsVerb && word != extras.end()) {
    complain(unknownVerb(at, *word));
  } else if (option != extras.end() && option->size() > 2) {
    complain(unknownOption(at, *option));
  } else if (needsVerb && extras.empty()) {
    std::fputs(at.help(at.get_parent() == nullptr ? "" : nameOf(*at.get_parent())).c_str(), stderr);
  } else {
    complain(std::string(error.what()) + "; " + nameOf(at) + " --help shows what it takes");
  }
  return kUsage;
}

int perform(const GlobalOptions& options, const Handler& handler) {
  auto timeout = durationArgument("--request-timeout", options.requestTimeout);
  Result<int> outcome = 0;
  if (!timeout) {
    outcome = std::unexpected(timeout.error());
  } else {
    Session session(options, *timeout);
    outcome = handler(session);
  }
  if (outcome) return *outcome;
  complain(describeError(outcome.error()));
  return infoOf(outcome.error().code).exitStatus;
}

}  // namespace

int runCli(int argc, char** argv) {
  CLI::App app("Drives agentd, which runs AI agents on this machine the way systemd runs services.", "agentctl");
  app.footer(
      "Exit status: 0 done, 1 failed, 2 usage or invalid input, 3 daemon unreachable, 4 refused, 5 not found, 6 timed "
      "out.");
  app.set_version_flag("--version", std::string("agentctl ") + kVersion);
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);
  GlobalOptions options;
  Handler chosen;
  addGlobalOptions(app, options);
  addCommands(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return explain(app, error, std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
  }
  return perform(options, chosen);
}

}  // namespace agentos::agentctl
