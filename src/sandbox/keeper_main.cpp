// SPDX-License-Identifier: Apache-2.0
// agentd-keeper: keeps the control groups of all agents. Under systemd it is the one process of agentd-agents.service,
// which is never restarted: stopping it ends every agent.
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "base/files.h"
#include "sandbox/keeper.h"
#include "sandbox/log.h"
#include "sandbox/service_manager.h"

namespace {

using namespace agentos;
using namespace agentos::sandbox;

// Before there is a group: who is told to end while it makes one waits for that, and removes it.
sigset_t holdSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT}) ::sigaddset(&set, number);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

// For the spawner, which is root as well: a file in a directory of root's, replaced as a whole.
Result<void> writeDown(const std::string& root, const std::string& file) {
  if (file.empty()) return {};
  const std::filesystem::path path(file);
  AGENTOS_TRY(Fd directory, openDirectory(path.parent_path().string()));
  return replaceFile(directory.get(), path.filename().string(), root + "\n", 0644);
}

Result<void> keep(std::string root, const std::string& file, bool once) {
  if (root.empty()) {
    AGENTOS_TRY(root, ownGroup());
  }
  const sigset_t ending = holdSignals();
  AGENTOS_TRY(auto on, prepareTree(root, !once));
  std::string names;
  for (const auto& name : on) names += " " + name;
  logLine(root + (names.empty() ? ": no controllers, so no limits can be enforced" : ": gives" + names),
          Severity::kInfo);
  AGENTOS_CHECK(writeDown(root, file));
  if (once) return {};
  notifyManager("READY=1\nSTATUS=Keeps " + root + (names.empty() ? ", without controllers" : ":" + names));
  int number = 0;
  ::sigwait(&ending, &number);
  notifyManager("STOPPING=1\nSTATUS=Ending every agent");
  return removeTree(root, true);
}

}  // namespace

int main(int argc, char** argv) {
  nameLog("agentd-keeper");
  CLI::App app("Keeps the control groups of all agents; ending it ends them.", "agentd-keeper");
  std::string root;
  std::string file;
  bool once = false, remove = false;
  app.add_option("--root", root, "the group, an absolute path beneath the cgroup2 mount (default: this process's own)");
  app.add_option("--tell", file, "write the group's path to this file, for agentd-spawner");
  app.add_flag("--once", once, "prepare the group and exit");
  app.add_flag("--remove", remove, "end everything in the group, remove it and exit");
  CLI11_PARSE(app, argc, argv);
  auto done = remove ? removeTree(root, false) : keep(root, file, once);
  if (done) return 0;
  logLine(done.error().message(), Severity::kError);
  return infoOf(done.error().code).exitStatus;
}
