// SPDX-License-Identifier: Apache-2.0
// The command groups, one file each.
#pragma once

#include <optional>
#include <string>

#include "agentctl/command.h"
#include "agentctl/session.h"

namespace agentos::agentctl {

void addAgentCommands(Command& root);         // spawn, ps, status, inspect
void addAgentControlCommands(Command& root);  // pause, resume, stop, kill, restart, wait
void addLogCommands(Command& root);           // logs, events
void addContractCommands(Command& root);
void addCompanyCommands(Command& root);
void addTaskCommands(Command& root);
void addChangeCommands(Command& root);
// The changes that lie at this path of the API, as a table.
Result<int> showChanges(Session& session, const std::string& path);
void addMessageCommands(Command& root);
void addCycleCommands(Command& root);
void addModelCommands(Command& root);  // model, cost
void addAuditCommands(Command& root);
void addSystemCommands(Command& root);
void addSupervisionCommands(Command& root);  // explain, dead
void addHaltVerbs(Command& group);           // system halt, unhalt

// `events` and `system events` are the same.
Command addEventsVerb(Command& parent);

// The exit status that speaks for how an instance ended: 0 when its program exited with 0, else 1.
int statusOfEnd(const Json& instance);
// "exited with status 3", "ended by signal 9 (Killed)", "lost", …
std::string describeEnd(const Json& instance);
// Waits for the end of an instance that is known to be there, request after request, also while the daemon is away for
// a restart; empty `timeout`: as long as it takes. kTimedOut.
Result<Json> waitForEnd(Session& session, const std::string& id, std::optional<Nanoseconds> timeout);

}  // namespace agentos::agentctl
