// SPDX-License-Identifier: Apache-2.0
#include "agentctl/command.h"

#include <CLI/CLI.hpp>

#include "agentctl/completion.h"

namespace agentos::agentctl {

Command Command::group(const std::string& name, const std::string& help) {
  auto* child = app_->add_subcommand(name, help);
  child->require_subcommand(1)->fallthrough()->group("Groups");
  return {*child, *chosen_};
}

Command Command::verb(const std::string& name, const std::string& help, Handler handler, Names names) {
  auto* child = app_->add_subcommand(name, help);
  child->fallthrough()->group("Commands");
  child->callback([chosen = chosen_, handler = std::move(handler)] { *chosen = handler; });
  offerNames(*child, names);
  return {*child, *chosen_};
}

Command& Command::alias(const std::string& name) { return app_->alias(name), *this; }
Command& Command::heading(const std::string& text) { return app_->group(text), *this; }
Command& Command::footer(const std::string& text) { return app_->footer(text), *this; }

Command& Command::argument(const std::string& name, std::string& into, const std::string& help, bool required) {
  app_->add_option(name, into, help)->required(required)->type_name("");
  return *this;
}

Command& Command::arguments(const std::string& name, std::vector<std::string>& into, const std::string& help,
                            bool required) {
  app_->add_option(name, into, help)->required(required)->type_name("");
  return *this;
}

Command& Command::option(const std::string& names, std::string& into, const std::string& help,
                         const std::string& value) {
  app_->add_option(names, into, help)->type_name(value);
  return *this;
}

Command& Command::options(const std::string& names, std::vector<std::string>& into, const std::string& help,
                          const std::string& value) {
  // One value each: --tag a --tag b; else an option would swallow the arguments after it.
  app_->add_option(names, into, help)
      ->type_name(value)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return *this;
}

Command& Command::required(const std::string& name) {
  app_->get_option(name)->required();
  return *this;
}

Command& Command::oneOf(const std::string& name, const std::vector<std::string>& words) {
  offerWords(*app_->get_option(name)->check(CLI::IsMember(words).description("")), words);
  return *this;
}

Command& Command::number(const std::string& names, std::int64_t& into, const std::string& help) {
  app_->add_option(names, into, help)->type_name("N");
  return *this;
}

Command& Command::flag(const std::string& names, bool& into, const std::string& help) {
  app_->add_flag(names, into, help);
  return *this;
}

Command& Command::choice(const std::string& names, std::string& into, const std::vector<std::string>& words,
                         const std::string& help) {
  std::string list;
  for (const auto& word : words) list += (list.empty() ? "" : "|") + word;
  auto* option = app_->add_option(names, into, help)->type_name(list);
  offerWords(*option->check(CLI::IsMember(words).description("")), words);
  return *this;
}

}  // namespace agentos::agentctl
