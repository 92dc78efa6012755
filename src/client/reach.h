// SPDX-License-Identifier: Apache-2.0
// Why nobody answers at a socket, and what would help.
#pragma once

#include <string>

#include "base/error.h"

namespace agentos::client {

// kInvalidArgument for a path that no unix socket can have (107 bytes at most).
Result<void> checkSocketPath(const std::string& path);

// kUnreachable: no such socket, or nobody listens on it; kDenied: it may not be used, with the group that may.
Error explainUnreachable(const std::string& path);

}  // namespace agentos::client
