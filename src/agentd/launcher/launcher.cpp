// SPDX-License-Identifier: Apache-2.0
#include "agentd/launcher/launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
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
#include <thread>

#include "agentd/launcher/child.h"
#include "agentd/launcher/helpers.h"
#include "agentd/launcher/house.h"
#include "agentd/launcher/serve.h"
#include "agentd/log.h"
#include "base/files.h"

namespace agentos::agentd {
namespace {

using Steady = std::chrono::steady_clock;
using TimePoint = Steady::time_point;

constexpr std::chrono::seconds kEndMargin{30};  // beyond twice the grace, until the daemon is killed
constexpr std::chrono::seconds kSpawnerEnd{5};
constexpr std::chrono::milliseconds kHolderEnd{2000};  // of a daemon whose launcher was killed

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
  void hearReady();
  void reload();

  const Options& options_;
  Config config_;
  UserIdentity user_;
  Fd lock_, socket_, signals_, readyIn_, readyOut_;
  Kept spawner_, daemon_;
  bool ending_ = false, over_ = false;
  bool served_ = false;  // the daemon was ready once: from then on its end is an accident, as one by a signal always is
  std::optional<TimePoint> killAt_;
  int status_ = 0;
  bool agentsStopped_ = false;  // by the daemon itself, at its clean end
};

std::string describeStatus(int status) {
  if (WIFSIGNALED(status))
    return std::string("signal ") + std::to_string(WTERMSIG(status)) + " (" + ::strsignal(WTERMSIG(status)) + ")";
  return "exit status " + std::to_string(WEXITSTATUS(status));
}

// The units' daemon, or the half of a launcher that was killed and is dying, holds the state.
Result<void> refuseOtherDaemon(const Paths& paths) {
  AGENTOS_TRY(auto state, openDirectory(paths.state()));
  // The file is the daemon's user's: a FIFO in its place would hold root here for ever.
  auto lock = openBeneath(state.get(), "agentd.lock", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (!lock) return {};  // none has ever run
  const auto until = Steady::now() + kHolderEnd;
  while (::flock(lock->get(), LOCK_SH | LOCK_NB) != 0) {
    if (Steady::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      continue;
    }
    std::string holder = readAll(lock->get(), 64).value_or("?");
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    return fail(ErrorCode::kAlreadyRunning, "an agentd --serve runs already with pid " + holder,
                "stop it first (systemctl stop agentd.socket agentd), or use another --prefix");
  }
  return {};
}

Result<void> Launcher::openPipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return failErrno(errno, "cannot make a pipe");
  readyIn_.reset(ends[0]);
  readyOut_.reset(ends[1]);
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
  AGENTOS_CHECK(refuseOtherDaemon(config_.paths));
  AGENTOS_CHECK(installRuntime(config_.paths, programDirectory()));
  AGENTOS_CHECK(takeSignals());
  AGENTOS_CHECK(openPipe());
  AGENTOS_CHECK(runKeeper(config_));
  AGENTOS_TRY(socket_, openApiSocket(config_, user_));
  spawner_.plan = spawnerPlan(config_, options_);
  daemon_.plan = {"agentd", {programDirectory() + "/agentd", "--serve"}, user_, {}};
  daemon_.plan.command.insert(daemon_.plan.command.end(), options_.words.begin(), options_.words.end());
  for (const auto& [flag, fd] : {std::pair{"--socket-fd=", socket_.get()}, std::pair{"--ready-fd=", readyOut_.get()}}) {
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
  for (const auto& when : {spawner_.startAt, daemon_.startAt, killAt_}) {
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
        reload();
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
      agentsStopped_ = WIFEXITED(status) && WEXITSTATUS(status) == 0;
      // SIGTERM itself: it was not ready yet, and agents are left to the next one.
      const bool early = WIFSIGNALED(status) && (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT);
      status_ = early ? 0 : WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    return;
  }
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (isDaemon && ((!served_ && code >= 0) || code == 0 || code == kExitConfig ||
                   code == kExitRefused)) {  // its last word, no accident
    over_ = ending_ = true;
    status_ = code < 0 ? 1 : code;
    agentsStopped_ = code == 0;
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

void Launcher::hearReady() {
  char word = 0;
  if (!served_ && ::read(readyIn_.get(), &word, 1) == 1) served_ = true;
}

// The daemon reads and judges the configuration, and has the spawner read root's part of it; what concerns the end of
// all of them is the launcher's own to know.
void Launcher::reload() {
  if (auto fresh = configFor(options_)) {
    config_.stopAgents = fresh->stopAgents;
    config_.stopGrace = fresh->stopGrace;
  }
  if (daemon_.pid > 0) ::kill(daemon_.pid, SIGHUP);
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
  endSpawner();
  if (config_.stopAgents == StopAgents::kStop && agentsStopped_) {
    if (auto removed = removeKeeper(config_); !removed) spdlog::warn("{}", removed.error().message());
  } else {
    removeEmptyKeeper(config_);
  }
  ::unlink(config_.paths.socket().c_str());
  ::unlink(config_.paths.spawnerSocket().c_str());
  ::unlink((config_.paths.run() + "/agentd.pid").c_str());
  removeEmptyRun(config_.paths);
}

int Launcher::run() {
  start(spawner_);
  start(daemon_);
  while (!over_) {
    std::array<pollfd, 2> waits{pollfd{signals_.get(), POLLIN, 0}, pollfd{served_ ? -1 : readyIn_.get(), POLLIN, 0}};
    ::poll(waits.data(), waits.size(), untilNext());
    obey();
    hearReady();
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

int runPrepare(const Options& options) {
  auto config = configFor(options);
  startLogging("agentd-prepare", config ? config->logFormat : LogFormat::kAuto, config ? config->logLevel : "info");
  auto prepare = [&]() -> Result<void> {
    AGENTOS_TRY(const Config house, config);
    AGENTOS_TRY(const auto user, findUser(house.user));
    AGENTOS_CHECK(makeHouse(house.paths, user));
    return installRuntime(house.paths, programDirectory());
  };
  if (auto done = prepare(); !done) {
    spdlog::critical("{}", done.error().message());
    return infoOf(done.error().code).exitStatus;
  }
  return 0;
}

}  // namespace agentos::agentd
