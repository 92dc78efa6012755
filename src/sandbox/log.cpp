// SPDX-License-Identifier: Apache-2.0
#include "sandbox/log.h"

#include <unistd.h>

#include <algorithm>
#include <string>

namespace agentos::sandbox {

void logLine(std::string_view text) {
  std::string line = "agentd-spawner: " + std::string(text.substr(0, 4096));
  std::ranges::replace_if(line, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
  line += '\n';
  // Ignoring a failure: there is no other place to say it.
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace agentos::sandbox
