// SPDX-License-Identifier: Apache-2.0
// What `system doctor` says of the machine: the spawner's own program tries it.
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "agentctl/doctor.h"
#include "agentctl/fields.h"
#include "base/fd.h"
#include "base/files.h"

namespace agentos::agentctl {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMostSaid = 1 << 20;

// Beside this program in a build, in ../lib/agentd when installed.
std::string findSpawner() {
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& place : {here / "agentd-spawner", here / "../lib/agentd/agentd-spawner"}) {
    if (::access(place.c_str(), X_OK) == 0) return place.lexically_normal().string();
  }
  return "";
}

struct Said {
  int status = -1;
  std::string out, err;
};

// Both outputs in one descriptor each, on no disk.
Result<Said> run(const std::vector<std::string>& words) {
  Fd out(::memfd_create("out", MFD_CLOEXEC)), err(::memfd_create("err", MFD_CLOEXEC));
  if (!out || !err) return failErrno(errno, "memfd_create");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.get(), STDERR_FILENO);
  std::vector<char*> argv;
  // It does not write into its words; posix_spawn's type is older than const.
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return failErrno(failed, "running " + words[0]);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return failErrno(errno, "waiting for " + words[0]);
  }
  Said said;
  said.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  for (auto [fd, text] : {std::pair{out.get(), &said.out}, std::pair{err.get(), &said.err}}) {
    ::lseek(fd, 0, SEEK_SET);
    AGENTOS_TRY(*text, readAll(fd, kMostSaid));
  }
  while (said.err.ends_with('\n')) said.err.pop_back();
  return said;
}

Result<std::vector<Finding>> askSpawner(const std::vector<std::string>& words) {
  AGENTOS_TRY(Said said, run(words));
  if (said.status != 0) return fail(ErrorCode::kIo, said.err.empty() ? words[0] + " was ended" : said.err);
  return parseTrials(said.out);
}

Finding notTried(const std::string& why, const std::string& remedy) {
  return {"warning", "the walls and limits of this machine were not tried: " + why, remedy};
}

}  // namespace

Result<std::vector<Finding>> parseTrials(const std::string& text) {
  AGENTOS_TRY(Json trials, parseJson(text));
  if (!trials.is_array()) return fail(ErrorCode::kIo, "the spawner's findings are no list", "agentd's own programs");
  std::vector<Finding> findings;
  for (const auto& trial : trials) {
    findings.push_back({textOf(trial, "state"), textOf(trial, "what"), textOf(trial, "remedy"), textOf(trial, "name"),
                        textOf(trial, "tried")});
    const auto& state = findings.back().state;
    if (state != "ok" && state != "warning" && state != "failed")
      return fail(ErrorCode::kIo, "the spawner's finding has the state \"" + state + "\"", "ok, warning or failed");
  }
  return findings;
}

std::vector<Finding> examineMachine(const std::string& prefix) {
  if (::geteuid() != 0) return {notTried("that takes root", "sudo agentctl system doctor")};
  const std::string spawner = findSpawner(), config = prefix + "/etc/agentd/agentd.yaml";
  if (spawner.empty()) return {notTried("agentd-spawner is not installed", "sudo apt install agentd")};
  std::vector<Finding> before;
  if (::access(config.c_str(), F_OK) == 0) {
    std::vector<std::string> words = {spawner, "--examine", "--config", config};
    if (!prefix.empty()) words.insert(words.end(), {"--prefix", prefix});
    auto findings = askSpawner(words);
    if (findings) return *std::move(findings);
    before.push_back(
        {"failed", "with " + config + ": " + findings.error().what, "mend it; what follows was tried without it"});
  }
  auto findings = askSpawner({spawner, "--examine"});
  if (!findings) {
    before.push_back(notTried(findings.error().what, spawner + " --examine"));
    return before;
  }
  std::ranges::move(*findings, std::back_inserter(before));
  return before;
}

}  // namespace agentos::agentctl
