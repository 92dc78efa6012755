// SPDX-License-Identifier: Apache-2.0
// The policy of one agentd's spawner, from the same agentd.yaml that agentd reads: the one place that derives it, under
// systemd and without. Root reads the file itself; nothing of it comes by way of agentd.
#pragma once

#include <string>

#include "base/error.h"
#include "sandbox/policy.h"

namespace agentos::sandbox {

// What the command line says; empty: as the file says, or the default.
struct House {
  std::string prefix;      // etc, var and run lie below it
  std::string configFile;  // one that is not there stands for the defaults
  std::string company, user;
};

// Of agentd.yaml: `user`, `company`, `runtime`, `policy.mounts` and the section `spawner`; the rest is agentd's own to
// judge. What rooms may mount: scratch, the company and policy.mounts for writing, the runtime and the records for
// reading, and spawner.mounts as they say. The control group is the one that the keeper wrote down. kConfig with
// file:line:column; the file must be root's and nobody else's to write.
// `house` then names the user and the company that hold: another one in the file holds from the next start, and a
// reload must not take the trees away from rooms that are made for the old one.
Result<Policy> loadHousePolicy(House& house);
// The same from text, without what only the machine knows (users, links, the keeper's group). For tests and fuzzing.
Result<Policy> parseHousePolicy(std::string_view text, House& house, Policy policy);

std::string spawnerSocketOf(const House& house);
std::string auditAnchorOf(const House& house);
// Where the keeper writes its group's path; root's, since whoever writes it says which group the spawner works in.
std::string cgroupFileOf(const House& house);

}  // namespace agentos::sandbox
