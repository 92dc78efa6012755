// SPDX-License-Identifier: Apache-2.0
// The tree of commands, without the parser behind it (CLI11, in command.cpp alone: a group's file compiles in a
// moment). What an option is read into must live as long as the tree: groups keep it in the handler.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace agentos::agentctl {

class Session;

// The exit status, or an error, whose code has one.
using Handler = std::function<Result<int>(Session&)>;

// What a completion offers for a verb's arguments: names that the daemon knows.
enum class Names : std::uint8_t { kNone, kAgents, kTasks, kContracts };

class Command {
 public:
  Command(CLI::App& app, Handler& chosen) : app_(&app), chosen_(&chosen) {}

  Command group(const std::string& name, const std::string& help);
  Command verb(const std::string& name, const std::string& help, Handler handler, Names names = Names::kNone);
  Command& alias(const std::string& name);
  Command& heading(const std::string& text);  // under which help lists this command
  Command& footer(const std::string& text);   // after the help: examples

  Command& argument(const std::string& name, std::string& into, const std::string& help, bool required = true);
  Command& arguments(const std::string& name, std::vector<std::string>& into, const std::string& help,
                     bool required = true);
  Command& option(const std::string& names, std::string& into, const std::string& help,
                  const std::string& value = "TEXT");
  Command& options(const std::string& names, std::vector<std::string>& into, const std::string& help,
                   const std::string& value = "TEXT");
  Command& required(const std::string& name);
  Command& oneOf(const std::string& name, const std::vector<std::string>& words);
  Command& number(const std::string& names, std::int64_t& into, const std::string& help);
  Command& flag(const std::string& names, bool& into, const std::string& help);
  // One of these words.
  Command& choice(const std::string& names, std::string& into, const std::vector<std::string>& words,
                  const std::string& help);

 private:
  CLI::App* app_;
  Handler* chosen_;
};

}  // namespace agentos::agentctl
