// SPDX-License-Identifier: Apache-2.0
// Whether this machine gives each wall and limit, found out by trying it as the spawner would: a namespace is made, a
// limit written and read back, a file system mounted, a filter loaded, each in a child process of its own that ends
// there. Nothing is left. `agentd-spawner --examine` prints it, `agentctl system doctor` shows it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sandbox/policy.h"

namespace agentos::sandbox {

struct Trial {
  std::string name;    // stable: "user_namespaces"
  std::string state;   // "ok"; "warning": a second wall or an optional limit is missing; "failed": no room can be made
  std::string what;    // one sentence
  std::string tried;   // how it was found out
  std::string remedy;  // the command that mends it, where there is one
  bool operator==(const Trial&) const = default;
};

// Needs root. A few hundred milliseconds; five seconds for a trial that hangs.
std::vector<Trial> examineMachine(const Policy& policy);
std::string formatTrials(const std::vector<Trial>& trials);  // a JSON array

// What a trial came to. `step` names what failed.
struct Outcome {
  int error = 0;  // errno; 0: it worked
  std::string step;
  bool worked() const { return error == 0; }
  std::string why() const;  // "unshare: Operation not permitted"
};

// Does it in a child process; it returns the step that failed, with errno set, or null.
using Attempt = std::function<const char*()>;
Outcome tryInChild(const Attempt& attempt);
// The same as root of a new user namespace whose ids 0 to 65535 are the host's from `first`.
Outcome tryInNamespace(const Attempt& attempt, unsigned first);

std::vector<Trial> examineRooms(const Policy& policy);       // namespaces, the root, system calls
std::vector<Trial> examineGroups(const Policy& policy);      // control groups and their limits
std::vector<Trial> examineFiles(const Policy& policy);       // what file systems give
std::vector<Trial> examineScheduling(const Policy& policy);  // classes, locked memory, pressure

}  // namespace agentos::sandbox
