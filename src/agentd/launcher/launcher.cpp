// SPDX-License-Identifier: Apache-2.0
#include "agentd/launcher/launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "agentd/launcher/anchor_pipe.h"
#include "agentd/launcher/child.h"
#include "agentd/launcher/helpers.h"
#include "agentd/launcher/house.h"
#include "agentd/launcher/serve.h"
#include "agentd/log.h"
#include "base/files.h"
#include "govern/anchor.h"

namespace agentos::agentd {
namespace {

using Steady = std::chrono::steady_clock;
using TimePoint = Steady::time_point;

constexpr std::chrono::seconds kEndMargin{30};  // beyond twice the grace, until the daemon is killed
constexpr std::chrono::seconds kSpawnerEnd{5};
constexpr std::chrono::seconds kAnchorEvery{1};

struct Kept {
  ChildPlan plan;
  pid_t pid = -1;
  StartBackoff backoff;
  std::optional<TimePoint> startAt;  // waiting to be started again
};

class Launcher {
 public:
  Launcher(const Options& options, Config config) : options_(options), config_(std::move(config)) {}
  Result<void> prepare();
  int run();

 private:
  Result<void> openPipe();
  Result<void> takeSignals();
  void start(Kept& kept);
  void startDue();
  int untilNext() const;
  void obey();
  void reap();
  void ended(Kept& kept, int status);
  void end();
  void endSpawner();
  void cleanUp();
  void anchor();
  void keepHead();

  const Options& options_;
  Config config_;
  UserIdentity user_;
  Fd lock_, socket_, signals_, headsIn_, headsOut_;
  Kept spawner_, daemon_;
  bool ending_ = false, over_ = false;
  bool served_ = false;  // the daemon was ready once: from then on its end is an accident, as one by a signal always is
  std::optional<TimePoint> killAt_;
  std::optional<govern::AuditHead> head_;  // the newest, not anchored yet
  TimePoint anchoredAt_{};
  int status_ = 0;
};

std::string describeStatus(int status) {
  if (WIFSIGNALED(status))
    return std::string("signal ") + std::to_string(WTERMSIG(status)) + " (" + ::strsignal(WTERMSIG(status)) + ")";
  return "exit status " + std::to_string(WEXITSTATUS(status));
}

Result<void> Launcher::openPipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return failErrno(errno, "cannot make a pipe");
  headsIn_.reset(ends[0]);
  headsOut_.reset(ends[1]);
  return {};
}

Result<void> Launcher::takeSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return failErrno(errno, "cannot take signals");
  // Rooms whose spawner died come to us, and are reaped.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  return {};
}

Result<void> Launcher::prepare() {
  AGENTOS_TRY(user_, findUser(config_.user));
  AGENTOS_CHECK(makeHouse(config_.paths, user_));
  AGENTOS_TRY(auto run, openDirectory(config_.paths.run()));
  AGENTOS_TRY(lock_, lockPidFile(run.get(), "agentd.pid"));
  AGENTOS_CHECK(installRuntime(config_.paths, programDirectory()));
  AGENTOS_CHECK(takeSignals());
  AGENTOS_CHECK(openPipe());
  AGENTOS_CHECK(runKeeper(config_));
  AGENTOS_TRY(socket_, openApiSocket(config_, user_));
  AGENTOS_TRY(spawner_.plan, spawnerPlan(config_));
  daemon_.plan = {"agentd", {programDirectory() + "/agentd", "--serve"}, user_, {}};
  daemon_.plan.command.insert(daemon_.plan.command.end(), options_.words.begin(), options_.words.end());
  for (const auto& [flag, fd] :
       {std::pair{"--socket-fd=", socket_.get()}, std::pair{"--anchor-fd=", headsOut_.get()}}) {
    daemon_.plan.command.push_back(flag + std::to_string(fd));
    daemon_.plan.keepFds.push_back(fd);
  }
  return {};
}

void Launcher::start(Kept& kept) {
  kept.startAt.reset();
  kept.backoff.started(Steady::now());
  auto pid = startChild(kept.plan);
  if (pid) {
    kept.pid = *pid;
    spdlog::debug("{}: pid {}", kept.plan.name, *pid);
  } else {
    spdlog::error("{}", pid.error().message());
    kept.startAt = Steady::now() + kept.backoff.ended(Steady::now());
  }
}

void Launcher::startDue() {
  const auto now = Steady::now();
  for (Kept* kept : {&spawner_, &daemon_}) {
    if (kept->startAt && *kept->startAt <= now) start(*kept);
  }
  if (killAt_ && *killAt_ <= now && daemon_.pid > 0) {
    spdlog::error("the daemon does not end: killed");
    ::kill(daemon_.pid, SIGKILL);
    killAt_.reset();
  }
}

int Launcher::untilNext() const {
  std::optional<TimePoint> next;
  const auto anchorAt = head_ ? std::optional(anchoredAt_ + kAnchorEvery) : std::nullopt;
  for (const auto& when : {spawner_.startAt, daemon_.startAt, killAt_, anchorAt}) {
    if (when && (!next || *when < *next)) next = when;
  }
  if (!next) return -1;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(*next - Steady::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(wait, 0, 60'000));
}

void Launcher::obey() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    switch (info.ssi_signo) {
      case SIGCHLD:
        reap();
        break;
      case SIGHUP:
        if (daemon_.pid > 0) ::kill(daemon_.pid, SIGHUP);
        break;
      default:
        end();
        break;
    }
  }
}

void Launcher::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == daemon_.pid) ended(daemon_, status);
    if (pid == spawner_.pid) ended(spawner_, status);
  }
}

void Launcher::ended(Kept& kept, int status) {
  kept.pid = -1;
  const bool isDaemon = &kept == &daemon_;
  if (ending_) {
    if (isDaemon) {
      over_ = true;
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    return;
  }
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (isDaemon && ((!served_ && code >= 0) || code == 0 || code == kExitConfig ||
                   code == kExitRefused)) {  // its last word, no accident
    over_ = ending_ = true;
    status_ = code < 0 ? 1 : code;
    return;
  }
  const auto wait = kept.backoff.ended(Steady::now());
  logAs("agentd.part_ended", kept.plan.name + " ended with " + describeStatus(status) + ": started again in " +
                                 std::to_string(wait.count()) + " ms; agents go on");
  kept.startAt = Steady::now() + wait;
}

void Launcher::end() {
  if (ending_) return;
  ending_ = true;
  daemon_.startAt.reset();
  if (daemon_.pid < 0) {
    over_ = true;
    return;
  }
  ::kill(daemon_.pid, SIGTERM);
  killAt_ = Steady::now() + config_.stopGrace * 2 + kEndMargin;
}

// Once a second at most, whatever the daemon sends: a hostile one could have the honest heads thinned out
// (govern/anchor.h).
void Launcher::anchor() {
  if (auto newest = receiveHead(headsIn_.get())) {
    served_ = true;
    head_ = std::move(newest);
  }
  if (head_ && Steady::now() - anchoredAt_ >= kAnchorEvery) keepHead();
}

void Launcher::keepHead() {
  if (auto kept = govern::appendAnchor(config_.paths.auditAnchor(), *head_, SystemClock().now()); !kept) {
    logAs("audit.anchor_failed", "audit anchor: " + kept.error().message());
  }
  head_.reset();
  anchoredAt_ = Steady::now();
}

void Launcher::endSpawner() {
  if (spawner_.pid < 0) return;
  ::kill(spawner_.pid, SIGTERM);
  const auto until = Steady::now() + kSpawnerEnd;
  while (spawner_.pid > 0 && Steady::now() < until) {
    pollfd wait{signals_.get(), POLLIN, 0};
    ::poll(&wait, 1, 100);
    obey();
  }
  if (spawner_.pid > 0) ::kill(spawner_.pid, SIGKILL);
}

void Launcher::cleanUp() {
  anchor();
  if (head_) keepHead();
  endSpawner();
  if (config_.stopAgents == StopAgents::kStop && status_ == 0) {
    if (auto removed = removeKeeper(config_); !removed) spdlog::warn("{}", removed.error().message());
  } else {
    removeEmptyKeeper(config_);
  }
  ::unlink(config_.paths.socket().c_str());
  ::unlink(config_.paths.spawnerSocket().c_str());
  ::unlink((config_.paths.run() + "/agentd.pid").c_str());
}

int Launcher::run() {
  start(spawner_);
  start(daemon_);
  while (!over_) {
    std::array<pollfd, 2> waits{pollfd{signals_.get(), POLLIN, 0}, pollfd{headsIn_.get(), POLLIN, 0}};
    ::poll(waits.data(), waits.size(), untilNext());
    obey();
    anchor();
    startDue();
  }
  cleanUp();
  return status_;
}

}  // namespace

int runLauncher(const Options& options) {
  auto config = configFor(options);
  startLogging("agentd-launcher", config ? config->logFormat : LogFormat::kAuto, config ? config->logLevel : "info");
  if (!config) {
    spdlog::critical("{}", config.error().message());
    return kExitConfig;
  }
  if (::geteuid() != 0) {
    spdlog::critical(
        "agentd is started as root: it starts agentd-spawner, which builds rooms, and drops to \"{}\" itself; "
        "use sudo, or the systemd units",
        config->user);
    return kExitRefused;
  }
  Launcher launcher(options, *std::move(config));
  if (auto ready = launcher.prepare(); !ready) {
    spdlog::critical("{}", ready.error().message());
    return infoOf(ready.error().code).exitStatus;
  }
  return launcher.run();
}

}  // namespace agentos::agentd
