// SPDX-License-Identifier: Apache-2.0
// The directories of an instance of agentd, with the owners they need. Made by root before anything else runs.
#pragma once

#include "agentd/config/config.h"
#include "agentd/launcher/child.h"
#include "base/fd.h"

namespace agentos::agentd {

// Those that are there keep their content; owner and mode are put right.
Result<void> makeHouse(const Paths& paths, const UserIdentity& user);

// What a clean stop leaves empty beneath run/agentd. Rooms that were left running keep theirs.
void removeEmptyRun(const Paths& paths);

// The runtime slot that ships with the programs (runtime/README.md), copied beside the state so that rooms can mount
// it: the runtime of companies that have none of their own.
Result<void> installRuntime(const Paths& paths, const std::string& programDirectory);

// A socket that systemd made: the mode and the admin group of the configuration, as its owner may set them. Its group
// is the unit's affair.
void fitApiSocket(const Config& config);

// PREFIX/run/agentd/agentd.sock with its mode and group; the admin group gets an ACL entry where there is such a group.
Result<Fd> openApiSocket(const Config& config, const UserIdentity& user);

}  // namespace agentos::agentd
