// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace agentos::agentctl {

// Parses, performs, and gives the exit status: 0 done, 1 failed, 2 usage or invalid input, 3 daemon unreachable,
// 4 refused, 5 not found, 6 timed out.
int runCli(int argc, char** argv);

}  // namespace agentos::agentctl
