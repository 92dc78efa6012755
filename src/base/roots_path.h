// SPDX-License-Identifier: Apache-2.0
// For what root does by a path that somebody gave it: could anybody else lead that path elsewhere?
#pragma once

#include <string>

namespace agentos {

// Every directory on the way to `path`, as it is written and as it resolves, is root's and nobody else's to write (or
// sticky, where only root moves what is root's), and every link among them root's. The last part itself is not looked
// at, unless it is a link. False also for what cannot be looked at.
bool isRootsPath(const std::string& path);

}  // namespace agentos
