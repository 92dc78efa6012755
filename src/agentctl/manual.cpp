// SPDX-License-Identifier: Apache-2.0
#include "agentctl/manual.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "agentctl/session.h"
#include "contract/schema.h"

namespace agentos::agentctl {
namespace {

constexpr std::string_view kAfterAll =
    "# ENVIRONMENT\n"
    "\n"
    "*AGENTD\\_SOCKET*\n"
    "\tThe daemon's socket, where neither *--socket* nor *--prefix* is given.\n"
    "\n"
    "*NO\\_COLOR*\n"
    "\tAny value: no colour.\n"
    "\n"
    "# EXIT STATUS\n"
    "\n"
    "*0* done, *1* failed, *2* usage or invalid input, *3* daemon unreachable, *4* refused, *5* not found, *6* timed\n"
    "out, *130* interrupted. A refusal says what would make it work.\n"
    "\n"
    "# FILES\n"
    "\n"
    "/run/agentd/agentd.sock\n"
    "\tThe daemon's socket. Members of group agentd may look and work the queue; root and members of agentd-admin may\n"
    "\tdo everything.\n"
    "\n";

// scdoc(5) takes these for its own.
std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (std::string_view("\\*_`#[]|<>").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::vector<const CLI::App*> childrenOf(const CLI::App& app) {
  std::vector<const CLI::App*> children;
  for (const auto* child : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!child->get_name().empty() && !child->get_name().starts_with("_")) children.push_back(child);
  }
  return children;
}

std::string nameOf(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : nameOf(*app.get_parent()) + " " + app.get_name();
}

bool isOption(const CLI::Option& option) { return !option.get_lnames().empty() || !option.get_snames().empty(); }

std::string valueOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return option.get_items_expected_max() == 0 || type.empty() ? "" : " _" + escaped(type) + "_";
}

std::string usageOf(const CLI::App& app) {
  std::string text = "*" + escaped(nameOf(app)) + "*";
  if (!childrenOf(app).empty()) return text + " _COMMAND_ …";
  text += " \\[_OPTION_…\\]";
  for (const auto* option : app.get_options()) {
    if (isOption(*option)) continue;
    std::string name = "_" + escaped(option->get_name()) + "_";
    if (option->get_items_expected_max() > 1) name += "…";
    text += option->get_required() ? " " + name : " \\[" + name + "\\]";
  }
  return text;
}

std::string namesOf(const CLI::Option& option) {
  if (!isOption(option)) return "_" + escaped(option.get_name()) + "_";
  std::string names;
  for (const auto& name : option.get_snames()) names += (names.empty() ? "*-" : ", *-") + escaped(name) + "*";
  for (const auto& name : option.get_lnames()) names += (names.empty() ? "*--" : ", *--") + escaped(name) + "*";
  return names + valueOf(option);
}

std::string optionsOf(const CLI::App& app) {
  std::string text;
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    text += namesOf(*option) + "\n\t" + escaped(option->get_description()) +
            (option->get_required() && isOption(*option) ? " (required)" : "") + "\n\n";
  }
  return text;
}

std::string footerOf(const CLI::App& app) {
  std::string footer = app.get_footer();
  if (footer.empty()) return {};
  return "```\n" + footer + (footer.ends_with('\n') ? "" : "\n") + "```\n\n";
}

std::string commandsOf(const CLI::App& group) {
  std::string text;
  for (const auto* verb : childrenOf(group)) {
    text += "## " + verb->get_name() + "\n\n" + usageOf(*verb) + "\n\n" + escaped(verb->get_description()) + ".\n\n" +
            optionsOf(*verb) + footerOf(*verb);
  }
  return text;
}

std::string headOf(const std::string& page, const CLI::App& app) {
  std::string first = app.get_description();
  while (first.ends_with('.')) first.pop_back();
  return page + "(1)\n\n# NAME\n\n" + page + " - " + escaped(first) + "\n\n# SYNOPSIS\n\n";
}

std::string rootPage(const CLI::App& root) {
  std::string text = headOf("agentctl", root) + usageOf(root) + "\n\n# COMMANDS\n\n";
  std::string also;
  for (const auto* child : childrenOf(root)) {
    text += "*" + escaped(child->get_name()) + "*\n\t" + escaped(child->get_description()) + ". See *agentctl-" +
            child->get_name() + "*(1).\n\n";
    also += "*agentctl-" + child->get_name() + "*(1), ";
  }
  return text + "# OPTIONS\n\n" + optionsOf(root) + std::string(kAfterAll) + "# SEE ALSO\n\n" + also +
         "*agentd*(8), *agentd.yaml*(5), *agent-contract*(5), *company*(7)\n";
}

std::string childPage(const CLI::App& app) {
  std::string text = headOf("agentctl-" + app.get_name(), app);
  const auto verbs = childrenOf(app);
  if (verbs.empty()) text += usageOf(app) + "\n\n# OPTIONS\n\n" + optionsOf(app) + footerOf(app);
  for (const auto* verb : verbs) text += usageOf(*verb) + "\n\n";
  if (!verbs.empty()) text += "# COMMANDS\n\n" + commandsOf(app) + footerOf(app);
  return text + "# SEE ALSO\n\n*agentctl*(1) has the options that every command takes, and the exit status.\n";
}

constexpr std::string_view kContractHead =
    "agent-contract(5)\n"
    "\n"
    "# NAME\n"
    "\n"
    "agent-contract - what an agent of agentd is, may do, spend and use\n"
    "\n"
    "# SYNOPSIS\n"
    "\n"
    "/etc/agents/NAME.yaml, COMPANY/agents/contracts/NAME.yaml\n"
    "\n"
    "# DESCRIPTION\n"
    "\n"
    "One YAML file an agent, checked whole before anything runs: *agentctl contract validate* says every fault with "
    "its\n"
    "line and column, *agentctl contract show* the contract with every default. Contracts in /etc/agents are root's "
    "and\n"
    "bound by the machine only; a company's are bound by _policy_ in *agentd.yaml*(5) too. This is enough:\n"
    "\n"
    "```\n"
    "apiVersion: agentos/v0.2\n"
    "kind: AgentContract\n"
    "name: tidy\n"
    "run: { command: [\"/bin/sh\", \"-c\", \"rm -f /workspace/\\*.tmp\"] }\n"
    "schedule: { every: 1h }\n"
    "```\n"
    "\n"
    "A field with a dot is written as a map: _compute.mem_ is *mem* below *compute*; _\\[\\]_ stands for each item of "
    "a\n"
    "list.\n"
    "\n"
    "# FIELDS\n"
    "\n";

std::string fallbackOf(const contract::Field& field) {
  if (field.required) return " Required.";
  const Json value = field.get == nullptr ? Json() : field.get(contract::Contract{});
  if (value.is_null()) return {};
  return " Default: " + escaped(value.is_string() ? value.get<std::string>() : dumpJson(value));
}

std::string sentence(std::string_view text) {
  std::string doc = escaped(text);
  return doc.empty() || doc.ends_with('.') ? doc : doc + ".";
}

}  // namespace

std::string contractManual() {
  std::string text(kContractHead);
  for (const auto& field : contract::fields()) {
    text += "*" + escaped(field.path) + "* (" + escaped(describe(field.shape)) + ")\n\t" + sentence(field.doc) +
            fallbackOf(field) + "\n\n";
  }
  return text + "# SEE ALSO\n\n*agentctl-contract*(1), *agentd.yaml*(5), *company*(7), *agentd*(8)\n";
}

std::vector<std::string> manualNames(const CLI::App& root) {
  std::vector<std::string> names;
  for (const auto* child : childrenOf(root)) names.push_back(child->get_name());
  return names;
}

Result<std::string> manualPage(const CLI::App& root, const std::string& command) {
  if (command.empty()) return rootPage(root);
  for (const auto* child : childrenOf(root)) {
    if (child->get_name() == command) return childPage(*child);
  }
  return fail(ErrorCode::kNotFound, "\"" + command + "\" is no command of agentctl", "agentctl --help lists them");
}

void addManualCommand(Command& root, const CLI::App& tree) {
  auto command = std::make_shared<std::string>();
  auto names = std::make_shared<bool>(false), ofContract = std::make_shared<bool>(false);
  root.verb("__manual", "Print a manual page in scdoc's form",
            [command, names, ofContract, &tree](Session& session) -> Result<int> {
              if (*names) {
                for (const auto& name : manualNames(tree)) session.out().line(name);
                return 0;
              }
              std::string page;
              if (*ofContract) {
                page = contractManual();
              } else {
                AGENTOS_TRY(page, manualPage(tree, *command));
              }
              session.out().write(page);
              return 0;
            })
      .argument("COMMAND", *command, "whose; agentctl(1) without one", false)
      .flag("--names", *names, "the names of all pages instead")
      .flag("--contract", *ofContract, "agent-contract(5) instead")
      .heading("");
}

}  // namespace agentos::agentctl
