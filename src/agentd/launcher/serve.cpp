// SPDX-License-Identifier: Apache-2.0
#include "agentd/launcher/serve.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "agentd/daemon.h"
#include "agentd/http/listen.h"
#include "agentd/launcher/anchor_pipe.h"
#include "agentd/launcher/notify.h"
#include "agentd/log.h"
#include "agentd/spawn_task.h"
#include "base/files.h"
#include "sandbox/spawner_client.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

Result<Fd> apiSocket(const Options& options, const Config& config) {
  if (options.socketFd < 0) return listenUnix(config.paths.socket(), static_cast<mode_t>(config.socketMode));
  ::fcntl(options.socketFd, F_SETFD, FD_CLOEXEC);
  return Fd(options.socketFd);
}

// The life of the daemon: everything here outlives the loop.
struct Service {
  asio::io_context io;
  SystemClock clock;
  std::unique_ptr<sandbox::Spawner> spawner;
  std::unique_ptr<Daemon> daemon;
  asio::signal_set signals{io};
  Fd anchorPipe;
  int status = 0;

  asio::awaitable<void> run(Fd socket);
  asio::awaitable<void> obeySignals();
};

asio::awaitable<void> Service::obeySignals() {
  while (true) {
    const int signal = co_await signals.async_wait(asio::use_awaitable);
    if (signal != SIGHUP) co_return;
    notifyManager("RELOADING=1");
    if (auto report = daemon->reload("signal"); !report) spdlog::error("reload: {}", report.error().message());
    notifyManager("READY=1");
  }
}

asio::awaitable<void> Service::run(Fd socket) {
  auto started = co_await daemon->start(std::move(socket));
  if (!started) {
    spdlog::critical("{}", started.error().message());
    status = infoOf(started.error().code).exitStatus;
  } else {
    sendHead(anchorPipe.get(), daemon->events().log().head());  // also says to the launcher that this daemon served
    spdlog::info("ready");
    notifyManager("READY=1");
    co_await obeySignals();
  }
  notifyManager("STOPPING=1");
  co_await daemon->stop();
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
  Daemon::World world{service.io, service.clock, *service.spawner};
  AGENTOS_TRY(service.daemon, Daemon::make(world, std::move(config)));
  if (options.anchorFd >= 0) {
    service.anchorPipe.reset(options.anchorFd);
    ::fcntl(options.anchorFd, F_SETFD, FD_CLOEXEC);
    service.daemon->onHeadMoved([pipe = options.anchorFd](const govern::AuditHead& head) { sendHead(pipe, head); });
  }
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) service.signals.add(signal);
  spawnTask(service.io.get_executor(), "agentd", service.run(std::move(socket)));
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
  ::umask(0007);
  std::signal(SIGPIPE, SIG_IGN);
  Service service;
  if (auto served = serve(options, *std::move(config), service); !served) {
    spdlog::critical("{}", served.error().message());
    return infoOf(served.error().code).exitStatus;
  }
  return service.status;
}

}  // namespace agentos::agentd
