// SPDX-License-Identifier: Apache-2.0
// Completion for shells: each shell's script asks `agentctl __complete`, which knows the commands and, by the daemon,
// the names of agents, tasks and contracts.
#pragma once

#include <string>
#include <vector>

#include "agentctl/command.h"
#include "agentctl/session.h"

namespace agentos::agentctl {

// Remembers that this command's arguments are such names.
void offerNames(const CLI::App& command, Names names);
// Remembers that this option's or argument's value is one of these words.
void offerWords(const CLI::Option& option, std::vector<std::string> words);

// What may stand where the last of `words` is being typed; all that the command line allows, narrowed by the shell.
std::vector<std::string> complete(const CLI::App& root, const std::vector<std::string>& words, Session& session);

void addCompletionCommands(Command& root, const CLI::App& tree);

}  // namespace agentos::agentctl
