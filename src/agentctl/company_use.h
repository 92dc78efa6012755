// SPDX-License-Identifier: Apache-2.0
// Makes a company known to the service: two keys of agentd.yaml, and a restart, which disturbs no agent.
#pragma once

#include <string>

#include "base/error.h"

namespace agentos::agentctl {

struct CompanyInUse {
  std::string directory;       // of a company that is there
  std::string configFile;      // agentd.yaml; made when absent
  bool scriptedModel = false;  // also: the example's model, where the file names no models
};

// The text with `key: value` said: in place of the key's own line, else of the line that has it commented out, else at
// the end. Everything else stays byte for byte. kConfig when the outcome would not say it (a value of several lines).
Result<std::string> withKey(const std::string& text, const std::string& key, const std::string& value);

// Writes the file; what the restart is, is the caller's affair. kNotFound when the directory is no company.
Result<void> useCompany(const CompanyInUse& wanted);

// Restarts the service when systemd runs here and the file is the service's own; false: nobody to restart.
Result<bool> restartService();

}  // namespace agentos::agentctl
