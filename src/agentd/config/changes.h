// SPDX-License-Identifier: Apache-2.0
// What differs between the configuration in force and the one that the file says now, and which of it can take its
// place while the daemon runs.
#pragma once

#include <string>
#include <vector>

#include "agentd/config/config.h"

namespace agentos::agentd {

struct ConfigChange {
  std::string key;    // as definitions.h has it
  bool live = false;  // else it holds from the next start
  bool operator==(const ConfigChange&) const = default;
};
// In the order of the table. `spawner` is not compared: the spawner reads and judges it.
std::vector<ConfigChange> changesBetween(const Config& now, const Config& fresh);

// `now` with the live keys as `fresh` has them.
Config withLiveChanges(Config now, const Config& fresh);

// Whether the keys that this table judges are those of definitions.h.
std::vector<std::string> judgedKeys();

// The content of the files that `models` names: scripts and keys change without a line of agentd.yaml changing.
std::string modelFilesDigest(const Config& config);

}  // namespace agentos::agentd
