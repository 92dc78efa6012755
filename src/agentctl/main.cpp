// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <csignal>

#include "agentctl/cli.h"

namespace {

constexpr int kInterrupted = 130;

void endInterrupted(int) { ::_exit(kInterrupted); }

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGINT, endInterrupted);
  std::signal(SIGPIPE, SIG_IGN);  // Output ends quietly when its reader has gone
  return agentos::agentctl::runCli(argc, argv);
}
