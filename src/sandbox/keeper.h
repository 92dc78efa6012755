// SPDX-License-Identifier: Apache-2.0
// The tree that holds every instance's groups: <root>/keep for the keeper's own process, <root>/<instance>/… for the
// rest. Controllers can be given to instances only when no process sits in <root> itself (the no-internal-process
// rule).
#pragma once

#include <set>
#include <string>

#include "base/error.h"

namespace agentos::sandbox {

// Makes <root> and keep/ as needed and turns on cpu, memory, pids and io where they are there; returns what is on.
// moveSelf: the calling process enters keep/ first (as it must when it was started in <root>).
Result<std::set<std::string>> prepareTree(const std::string& root, bool moveSelf);

// Ends every process below <root> (but not keep/) and removes all groups that can be; at most a few seconds.
// leave: the caller's own process goes to <root>'s parent first, so that keep/ and <root> can be removed as well.
Result<void> removeTree(const std::string& root, bool leave);

// This process's group in cgroup v2, as an absolute path: what a unit with Delegate=yes gives its keeper.
Result<std::string> ownGroup();

}  // namespace agentos::sandbox
