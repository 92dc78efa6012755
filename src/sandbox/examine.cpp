// SPDX-License-Identifier: Apache-2.0
#include "sandbox/examine.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "base/json.h"

namespace agentos::sandbox {
namespace {

constexpr int kPatienceMs = 5000;

struct Told {
  int error = 0;
  std::array<char, 120> step{};
};

[[noreturn]] void attemptAndTell(const Attempt& attempt, int out, int go) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  char letter = 0;
  if (go >= 0 && ::read(go, &letter, 1) != 1) ::_exit(1);
  Told told;
  errno = 0;
  if (const char* step = attempt(); step != nullptr) {
    told.error = errno == 0 ? EPROTO : errno;
    std::strncpy(told.step.data(), step, told.step.size() - 1);
  }
  [[maybe_unused]] auto sent = ::write(out, &told, sizeof told);
  ::_exit(0);
}

bool putText(const std::string& path, const std::string& text) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

struct Ends {
  Fd read, write;
};
Ends makePipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  return {Fd(ends[0]), Fd(ends[1])};
}

Outcome await(pid_t child, const Fd& in) {
  Told told;
  pollfd wait{in.get(), POLLIN, 0};
  const bool came = ::poll(&wait, 1, kPatienceMs) == 1;
  const bool whole = came && ::read(in.get(), &told, sizeof told) == static_cast<ssize_t>(sizeof told);
  if (!whole) ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  if (!came) return {ETIMEDOUT, "it hung for five seconds"};
  if (!whole) return {EPROTO, "the process that tried it was ended"};
  return {told.error, told.step.data()};
}

Outcome run(const Attempt& attempt, unsigned long flags, const std::string& map) {
  Ends answer = makePipe(), go = makePipe();
  if (!answer.read || !go.read) return {errno, "pipe2"};
  const long child = ::syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child < 0) return {errno, "clone"};
  if (child == 0) {
    answer.read.reset();
    go.write.reset();
    attemptAndTell(attempt, answer.write.get(), map.empty() ? -1 : go.read.get());
  }
  answer.write.reset();
  go.read.reset();
  const std::string proc = "/proc/" + std::to_string(child);
  if (!map.empty() && (!putText(proc + "/uid_map", map) || !putText(proc + "/gid_map", map))) {
    const int error = errno;
    ::kill(static_cast<pid_t>(child), SIGKILL);
    ::waitpid(static_cast<pid_t>(child), nullptr, 0);
    return {error, "writing its id map"};
  }
  if (!map.empty()) [[maybe_unused]]
    auto sent = ::write(go.write.get(), "g", 1);
  return await(static_cast<pid_t>(child), answer.read);
}

}  // namespace

std::string Outcome::why() const { return step + ": " + std::strerror(error); }

Outcome tryInChild(const Attempt& attempt) { return run(attempt, 0, ""); }

Outcome tryInNamespace(const Attempt& attempt, unsigned first) {
  auto asRoot = [&attempt]() -> const char* {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0)
      return "becoming root of it";
    return attempt();
  };
  return run(asRoot, CLONE_NEWUSER, "0 " + std::to_string(first) + " " + std::to_string(kIdsPerRoom) + "\n");
}

std::vector<Trial> examineMachine(const Policy& policy) {
  std::vector<Trial> all;
  for (auto examine : {examineRooms, examineFiles, examineGroups, examineScheduling}) {
    auto trials = examine(policy);
    all.insert(all.end(), std::make_move_iterator(trials.begin()), std::make_move_iterator(trials.end()));
  }
  return all;
}

std::string formatTrials(const std::vector<Trial>& trials) {
  Json items = Json::array();
  for (const auto& trial : trials) {
    items.push_back({{"name", trial.name},
                     {"state", trial.state},
                     {"what", trial.what},
                     {"tried", trial.tried},
                     {"remedy", trial.remedy}});
  }
  return dumpJson(items);
}

}  // namespace agentos::sandbox
