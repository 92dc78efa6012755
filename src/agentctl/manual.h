// SPDX-License-Identifier: Apache-2.0
// The manual pages of agentctl in scdoc's form, written from the tree of commands itself, so that a page cannot tell
// other options than the program has: `agentctl __manual [COMMAND]`.
#pragma once

#include <string>
#include <vector>

#include "agentctl/command.h"
#include "base/error.h"

namespace agentos::agentctl {

// The page of one command or group below the root, agentctl(1) for "". kNotFound for what is none.
Result<std::string> manualPage(const CLI::App& root, const std::string& command);

// agent-contract(5), from the table of the contract's fields.
std::string contractManual();

// Every name that has a page: commands and groups, not what is hidden.
std::vector<std::string> manualNames(const CLI::App& root);

void addManualCommand(Command& root, const CLI::App& tree);

}  // namespace agentos::agentctl
