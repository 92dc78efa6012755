// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace agentos::sandbox {

// One line to standard error, where journald or agentd's log takes it. Control characters are replaced.
void logLine(std::string_view text);

}  // namespace agentos::sandbox
