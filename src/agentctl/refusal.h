// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/error.h"

namespace agentos::agentctl {

// An error for a terminal: its message; a refused admission as one line for each demand, with what would meet it.
std::string describeError(const Error& error);

}  // namespace agentos::agentctl
