// SPDX-License-Identifier: Apache-2.0
#include "agentctl/completion.h"

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "agentctl/fields.h"

namespace agentos::agentctl {
namespace {

constexpr const char* kBash = R"sh(# bash completion for agentctl: source <(agentctl completion bash)
_agentctl() {
  local IFS=$'\n'
  COMPREPLY=($(compgen -W "$(agentctl __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _agentctl agentctl
)sh";

constexpr const char* kZsh = R"sh(#compdef agentctl
# zsh completion for agentctl: source <(agentctl completion zsh)
_agentctl() {
  local -a offers
  offers=("${(@f)$(agentctl __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n "${offers[1]}" ]] && compadd -a offers || _files
}
compdef _agentctl agentctl
)sh";

constexpr const char* kFish = R"sh(# fish completion for agentctl: agentctl completion fish | source
complete -c agentctl -a '(agentctl __complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
)sh";

std::map<const CLI::App*, Names>& namesOffered() {
  static std::map<const CLI::App*, Names> offered;
  return offered;
}

std::map<const CLI::Option*, std::vector<std::string>>& wordsOffered() {
  static std::map<const CLI::Option*, std::vector<std::string>> offered;
  return offered;
}

const CLI::App* findChild(const CLI::App& parent, const std::string& word) {
  for (const auto* child : parent.get_subcommands([](const CLI::App*) { return true; })) {
    if (child->check_name(word)) return child;
  }
  return nullptr;
}

void addOptions(const CLI::App* app, std::vector<std::string>& offers) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const auto* option : app->get_options()) {
      for (const auto& name : option->get_lnames()) offers.push_back("--" + name);
    }
  }
}

void addChildren(const CLI::App& app, std::vector<std::string>& offers) {
  for (const auto* child : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!child->get_name().starts_with("_")) offers.push_back(child->get_name());
  }
}

// Names from the daemon; none when it does not answer: a completion says no errors.
void addNames(Names names, Session& session, std::vector<std::string>& offers) {
  const char* path = names == Names::kAgents ? "/v1/agents" : names == Names::kTasks ? "/v1/tasks" : "/v1/contracts";
  auto items = session.client().list({.path = path, .timeout = std::chrono::milliseconds(700)});
  if (!items) return;
  for (const auto& item : *items) offers.push_back(textOf(item, names == Names::kContracts ? "name" : "id"));
}

// The option that the value being typed is for: `--priority h`, not `--priority=h`, which shells hand over as one word.
const CLI::Option* findAwaiting(const CLI::App* app, const std::vector<std::string>& words) {
  if (words.size() < 2 || !words[words.size() - 2].starts_with("-")) return nullptr;
  for (; app != nullptr; app = app->get_parent()) {
    const auto* option = app->get_option_no_throw(words[words.size() - 2]);
    if (option != nullptr) return option->get_items_expected_max() > 0 ? option : nullptr;
  }
  return nullptr;
}

// The words of an option or an argument that has a choice.
bool addWords(const CLI::Option* option, std::vector<std::string>& offers) {
  const auto words = wordsOffered().find(option);
  if (words == wordsOffered().end()) return false;
  offers.insert(offers.end(), words->second.begin(), words->second.end());
  return true;
}

Result<int> printScript(Session& session, const std::string& shell) {
  session.out().write(shell == "bash" ? kBash : shell == "zsh" ? kZsh : kFish);
  return 0;
}

}  // namespace

void offerNames(const CLI::App& command, Names names) {
  if (names != Names::kNone) namesOffered()[&command] = names;
}

void offerWords(const CLI::Option& option, std::vector<std::string> words) {
  wordsOffered()[&option] = std::move(words);
}

std::vector<std::string> complete(const CLI::App& root, const std::vector<std::string>& words, Session& session) {
  const CLI::App* at = &root;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (const auto* child = findChild(*at, words[i])) at = child;
  }
  std::vector<std::string> offers;
  if (const auto* option = findAwaiting(at, words)) {
    if (!addWords(option, offers) && option->get_type_name() == "AGENT") addNames(Names::kContracts, session, offers);
    return offers;
  }
  if (!words.empty() && words.back().starts_with("-")) {
    addOptions(at, offers);
    return offers;
  }
  addChildren(*at, offers);
  for (const auto* option : at->get_options()) {
    if (option->get_positional()) addWords(option, offers);
  }
  if (auto names = namesOffered().find(at); names != namesOffered().end()) addNames(names->second, session, offers);
  return offers;
}

void addCompletionCommands(Command& root, const CLI::App& tree) {
  auto shell = std::make_shared<std::string>();
  auto words = std::make_shared<std::vector<std::string>>();
  root.verb("completion", "Print a completion script for a shell",
            [shell](Session& session) { return printScript(session, *shell); })
      .argument("SHELL", *shell, "bash, zsh or fish")
      .oneOf("SHELL", {"bash", "zsh", "fish"})
      .heading("Tools");
  root.verb("__complete", "What may come next",
            [words, &tree](Session& session) -> Result<int> {
              for (const auto& offer : complete(tree, *words, session)) session.out().line(offer);
              return 0;
            })
      .arguments("WORDS", *words, "the words so far", false)
      .heading("");
}

}  // namespace agentos::agentctl
