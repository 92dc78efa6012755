// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace agentos::sandbox {

// Runs a program to its end, with no input and an environment of two variables. kSandboxSetup with what it said when it
// ends with anything but 0. To be called from any thread: the loop, which reaps every child, does not get this one.
Result<void> runHelper(const std::vector<std::string>& words);

}  // namespace agentos::sandbox
