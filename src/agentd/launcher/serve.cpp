// SPDX-License-Identifier: Apache-2.0
#include "agentd/launcher/serve.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "agentd/api/on_pool.h"
#include "agentd/daemon.h"
#include "agentd/http/listen.h"
#include "agentd/launcher/house.h"
#include "agentd/launcher/notify.h"
#include "agentd/log.h"
#include "agentd/spawn_task.h"
#include "base/files.h"
#include "sandbox/service_manager.h"
#include "sandbox/spawner_client.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kEndMargin{30};

Result<Fd> apiSocket(const Options& options, const Config& config) {
  if (options.socketFd >= 0) {
    ::fcntl(options.socketFd, F_SETFD, FD_CLOEXEC);
    return Fd(options.socketFd);
  }
  AGENTOS_TRY(Fd passed, sandbox::takePassedSocket("api"));
  if (!passed) return listenUnix(config.paths.socket(), static_cast<mode_t>(config.socketMode));
  fitApiSocket(config);
  return passed;
}

// Before recovery is over nothing was begun that a crash could not interrupt: the end is at once, and agents are left
// as they are. Only what signal-safety(7) allows.
void endBeforeReady(int signal) {
  constexpr std::string_view kWords =
      "agentd: told to stop before it was ready: agents are left as they are; start it again to take them over\n";
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, kWords.data(), kWords.size());
  struct sigaction plain{};
  plain.sa_handler = SIG_DFL;
  ::sigaction(signal, &plain, nullptr);
  ::raise(signal);  // the manager sees which signal it was
}

void endAtOnceUntilReady() {
  struct sigaction action{};
  action.sa_handler = endBeforeReady;
  for (const int signal : {SIGTERM, SIGINT}) ::sigaction(signal, &action, nullptr);
  std::signal(SIGHUP, SIG_IGN);  // what it asks for is being read
}

// The life of the daemon: everything here outlives the loop.
struct Service {
  asio::io_context io;
  SystemClock clock;
  std::unique_ptr<sandbox::Spawner> spawner;
  std::unique_ptr<Daemon> daemon;
  asio::signal_set signals{io};
  Fd readyPipe;
  bool launched = false;  // by agentd's own launcher, not by a unit
  int status = 0;

  asio::awaitable<void> run(Fd socket);
  asio::awaitable<void> obeySignals();
  asio::awaitable<void> stop();
  asio::awaitable<void> feedWatchdog(std::chrono::microseconds every);
  void ready();
};

// From the loop itself: one that hangs is not alive.
asio::awaitable<void> Service::feedWatchdog(std::chrono::microseconds every) {
  asio::steady_timer timer(io);
  while (true) {
    sayAlive();
    timer.expires_after(every);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

void Service::ready() {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) signals.add(signal);
  if (readyPipe) [[maybe_unused]]
    auto told = ::write(readyPipe.get(), "r", 1);
  readyPipe.reset();
  spdlog::info("ready");
  sayReady(daemon->statusLine());
}

asio::awaitable<void> Service::obeySignals() {
  while (true) {
    const int signal = co_await signals.async_wait(asio::use_awaitable);
    if (signal != SIGHUP) co_return;
    sayReloading();
    auto report = co_await daemon->reload("signal");
    if (!report) spdlog::error("reload: {}", report.error().message());
    sayReady(daemon->statusLine());
  }
}

asio::awaitable<void> Service::stop() {
  StopCause cause = StopCause::kUnmanaged;
  if (!launched) {
    asio::thread_pool pool{1};  // D-Bus may keep us waiting, and the loop must not
    cause =
        co_await onPool<StopCause>(pool, [file = daemon->config().paths.stopJobFile()] { return askStopCause(file); });
  }
  const StopAgents agents = agentsAtStop(daemon->config().stopAgents, cause);
  spdlog::info("stopping: {}", describe(cause));
  // Cycles finish, then agents: each within the grace, and agent-init's own patience beyond.
  const auto patience = agents == StopAgents::kStop ? daemon->config().stopGrace * 2 + kEndMargin : kEndMargin;
  sayStopping(agents == StopAgents::kStop ? "Waiting for running cycles, then stopping agents" : "Agents go on",
              std::chrono::duration_cast<std::chrono::microseconds>(patience));
  co_await daemon->stop(agents);
}

asio::awaitable<void> Service::run(Fd socket) {
  auto started = co_await daemon->start(std::move(socket));
  if (!started) {
    spdlog::critical("{}", started.error().message());
    status = infoOf(started.error().code).exitStatus;
    co_await daemon->stop(StopAgents::kKeep);
  } else {
    ready();
    co_await obeySignals();
    co_await stop();
  }
  signals.cancel();
  io.stop();
}

Result<void> serve(const Options& options, Config config, Service& service) {
  AGENTOS_TRY(auto state, openDirectory(config.paths.state()));
  AGENTOS_TRY(const auto lock, lockPidFile(state.get(), "agentd.lock"));
  AGENTOS_TRY(auto socket, apiSocket(options, config));
  sandbox::SpawnerClientOptions toSpawner;
  toSpawner.socket = config.paths.spawnerSocket();
  service.spawner = std::make_unique<sandbox::SpawnerClient>(service.io.get_executor(), toSpawner);
  service.launched = options.socketFd >= 0;
  if (options.readyFd >= 0) {
    service.readyPipe.reset(options.readyFd);
    ::fcntl(options.readyFd, F_SETFD, FD_CLOEXEC);
  }
  Daemon::World world{service.io, service.clock, *service.spawner};
  AGENTOS_TRY(service.daemon, Daemon::make(world, std::move(config)));
  service.daemon->rereadWith([options] { return configFor(options); });
  spawnTask(service.io.get_executor(), "agentd", service.run(std::move(socket)));
  if (const auto every = watchdogInterval()) {
    spawnTask(service.io.get_executor(), "watchdog", service.feedWatchdog(*every));
  }
  service.io.run();
  service.daemon.reset();
  return {};
}

}  // namespace

int runServe(const Options& options) {
  auto config = configFor(options);
  startLogging("agentd", config ? config->logFormat : LogFormat::kAuto, config ? config->logLevel : "info");
  if (!config) {
    spdlog::critical("{}", config.error().message());
    return kExitConfig;
  }
  if (::geteuid() == 0) {
    spdlog::critical("the daemon proper does not run as root: start agentd without --serve");
    return kExitRefused;
  }
  // Keys are in this memory: no core file, no ptrace(2) by whatever else runs with this uid.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  endAtOnceUntilReady();
  ::umask(0007);
  std::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_NAME, "agentd");  // it was executed by descriptor, whose number would be its name
  Service service;
  if (auto served = serve(options, *std::move(config), service); !served) {
    spdlog::critical("{}", served.error().message());
    return infoOf(served.error().code).exitStatus;
  }
  return service.status;
}

}  // namespace agentos::agentd
