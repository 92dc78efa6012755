// SPDX-License-Identifier: Apache-2.0
// agentd-keeper: keeps the control groups of all agents. Under systemd it is the one process of agentd-agents.service,
// which is never restarted: stopping it ends every agent.
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "sandbox/keeper.h"

namespace {

using namespace agentos;
using namespace agentos::sandbox;

void tell(const std::string& text) { std::cerr << "agentd-keeper: " << text << '\n'; }

void waitForEnd() {
  sigset_t set;
  ::sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT}) ::sigaddset(&set, number);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  int number = 0;
  ::sigwait(&set, &number);
}

Result<void> keep(std::string root, bool once) {
  if (root.empty()) {
    AGENTOS_TRY(root, ownGroup());
  }
  AGENTOS_TRY(auto on, prepareTree(root, !once));
  std::string names;
  for (const auto& name : on) names += " " + name;
  tell(root + (names.empty() ? ": no controllers, so no limits can be enforced" : ": gives" + names));
  if (once) return {};
  waitForEnd();
  return removeTree(root, true);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Keeps the control groups of all agents; ending it ends them.", "agentd-keeper");
  std::string root;
  bool once = false, remove = false;
  app.add_option("--root", root, "the group, an absolute path beneath the cgroup2 mount (default: this process's own)");
  app.add_flag("--once", once, "prepare the group and exit");
  app.add_flag("--remove", remove, "end everything in the group, remove it and exit");
  CLI11_PARSE(app, argc, argv);
  auto done = remove ? removeTree(root, false) : keep(root, once);
  if (done) return 0;
  tell(done.error().message());
  return infoOf(done.error().code).exitStatus;
}
