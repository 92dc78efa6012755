// SPDX-License-Identifier: Apache-2.0
// What `company doctor` and `system doctor` find.
#pragma once

#include <string>
#include <vector>

#include "agentctl/session.h"

namespace agentos::agentctl {

struct Finding {
  std::string state;  // "ok", "warning", "failed"
  std::string what;
  std::string remedy;   // a command, where there is one
  std::string name{};   // of a wall or limit: stable, for scripts
  std::string tried{};  // how it was found out
};

// Reads the directory as agentd would: settings, task files that cannot be read or parsed, files that are no records,
// and what lies in quarantine. Changes nothing.
Result<std::vector<Finding>> examineCompany(const std::string& directory);
// The daemon as it is reached from here: version, readiness, limits that are not enforced, company, audit log.
std::vector<Finding> examineDaemon(Session& session);

// Each wall and limit of this machine, as agentd-spawner finds it by trying (`agentd-spawner --examine`): that takes
// root, and no daemon. Without root one finding says that nothing was tried.
std::vector<Finding> examineMachine(const std::string& prefix);
// The spawner's words; kIo for what are none.
Result<std::vector<Finding>> parseTrials(const std::string& text);

// Status 1 when one has failed.
Result<int> showFindings(Session& session, const std::vector<Finding>& findings, const std::string& allIsWell);

}  // namespace agentos::agentctl
