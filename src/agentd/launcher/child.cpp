// SPDX-License-Identifier: Apache-2.0
#include "agentd/launcher/child.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace agentos::agentd {
namespace {

constexpr std::chrono::milliseconds kFirst{100}, kMost{10'000};
constexpr std::chrono::seconds kSettled{30};

// The launcher is one thread, and its children are copies of it until they exec.
// NOLINTBEGIN(concurrency-mt-unsafe)
[[noreturn]] void die(const std::string& what) {
  const std::string line = "agentd: " + what + ": " + std::strerror(errno) + "\n";
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, line.data(), line.size());
  ::_exit(127);
}

// After this nothing brings the privileges back: no saved id, no capability, no setuid program.
void dropTo(const UserIdentity& user) {
  if (::setgroups(user.groups.size(), user.groups.data()) != 0) die("setgroups");
  if (::setresgid(user.gid, user.gid, user.gid) != 0) die("setresgid");
  if (::setresuid(user.uid, user.uid, user.uid) != 0) die("setresuid");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("no_new_privs");
  if (::setuid(0) == 0) {
    errno = EPERM;
    die("the privileges could be taken back");
  }
  ::setenv("HOME", user.home.c_str(), 1);
  ::setenv("USER", user.name.c_str(), 1);
  ::setenv("LOGNAME", user.name.c_str(), 1);
}

[[noreturn]] void becomeChild(const ChildPlan& plan, pid_t launcher) {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // Opened by root: the user may not be let into the folder that the program lies in (a checkout below /root).
  const int program = ::open(plan.command.front().c_str(), O_PATH | O_CLOEXEC);
  if (program < 0) die(plan.command.front());
  if (plan.user) {
    dropTo(*plan.user);
  } else {
    ::unsetenv("NOTIFY_SOCKET");  // the daemon alone says that agentd is ready
  }
  // Set after the ids: changing them clears it. SIGKILL: a half that is asked to end would stop the agents on its way,
  // and one that is still starting would not hear, and hold the socket against the next agentd.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) die("PDEATHSIG");
  if (::getppid() != launcher) ::_exit(0);  // it died in between
  for (const int fd : plan.keepFds) {
    if (::fcntl(fd, F_SETFD, 0) != 0) die("a descriptor for " + plan.name);
  }
  std::vector<char*> argv;
  for (const auto& word : plan.command) argv.push_back(const_cast<char*>(word.c_str()));  // NOLINT: execv's signature
  argv.push_back(nullptr);
  ::execveat(program, "", argv.data(), environ, AT_EMPTY_PATH);
  die(plan.command.front());
}

}  // namespace

Result<UserIdentity> findUser(const std::string& name) {
  errno = 0;
  const passwd* entry = ::getpwnam(name.c_str());
  if (entry == nullptr) {
    return fail(ErrorCode::kInvalidArgument, "there is no user \"" + name + "\" for the daemon",
                "name an existing one with --user (such as --user nobody), or make it: useradd --system " + name);
  }
  if (entry->pw_uid == 0) {
    return fail(ErrorCode::kInvalidArgument, "the daemon does not run as root",
                "name an unprivileged user with --user");
  }
  UserIdentity user{entry->pw_uid, entry->pw_gid, name, entry->pw_dir, {}};
  int count = 64;
  user.groups.resize(static_cast<std::size_t>(count));
  if (::getgrouplist(name.c_str(), user.gid, user.groups.data(), &count) < 0) count = 64;
  user.groups.resize(static_cast<std::size_t>(std::max(0, count)));
  return user;
}

// NOLINTEND(concurrency-mt-unsafe)

Result<pid_t> startChild(const ChildPlan& plan) {
  const pid_t launcher = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return failErrno(errno, "cannot start " + plan.name, {}, ErrorCode::kUnavailable);
  if (pid == 0) becomeChild(plan, launcher);
  return pid;
}

std::chrono::milliseconds StartBackoff::ended(Time now) {
  if (now - startedAt_ >= kSettled) next_ = kFirst;
  const auto wait = next_;
  next_ = std::min(next_ * 2, kMost);
  return wait;
}

}  // namespace agentos::agentd
