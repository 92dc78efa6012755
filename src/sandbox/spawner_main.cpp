// SPDX-License-Identifier: Apache-2.0
// agentd-spawner: the privileged program. Reads root's policy, takes its socket, serves; keeps the audit log's head
// where agentd cannot reach it.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "govern/anchor_keeper.h"
#include "sandbox/channel.h"
#include "sandbox/examine.h"
#include "sandbox/host.h"
#include "sandbox/house.h"
#include "sandbox/log.h"
#include "sandbox/policy_file.h"
#include "sandbox/service.h"
#include "sandbox/service_manager.h"

namespace {

using namespace agentos;
using namespace agentos::sandbox;

struct Options {
  bool examine = false;
  int listenFd = -1;
  std::string socket, policyFile, peer;
  House house;
  std::vector<std::string> mounts;  // PATH or PATH:rw
  Policy policy;
};

void define(CLI::App& app, Options& options) {
  auto* place = app.add_option_group("socket");
  place->add_option("--listen-fd", options.listenFd, "a listening SOCK_SEQPACKET socket that was inherited");
  place->add_option("--socket", options.socket,
                    "where to listen (0600, agentd's user); default: the socket that systemd passed, else "
                    "PREFIX/run/agentd/spawner.sock");
  place->require_option(0, 1);
  auto* house = app.add_option_group("house", "agentd's own configuration, from which all of the policy follows");
  auto* config = house->add_option("--config", options.house.configFile, "agentd.yaml; root's file, nobody else's");
  house->add_option("--prefix", options.house.prefix, "where etc, var and run lie")->needs(config);
  house->add_option("--company", options.house.company, "the company directory; wins over the file")->needs(config);
  house->add_option("--user", options.house.user, "agentd's user; wins over the file")->needs(config);
  app.add_option("--policy", options.policyFile,
                 "YAML with root's `spawner:` section; root's file, nobody else's to write");
  app.add_option("--peer", options.peer, "agentd's user, by name or uid");
  app.add_option("--state", options.policy.stateDir, "agentd's state directory");
  app.add_option("--logs", options.policy.logDir, "where the instances' logs are");
  app.add_option("--run", options.policy.runDir, "for sockets and locks");
  app.add_option("--cgroup", options.policy.cgroupRoot, "the keeper's group, an absolute path");
  app.add_option("--init", options.policy.initBinary, "agent-init (default: beside this program)");
  app.add_option("--etc", options.policy.etc, "the directory that rooms have their part of /etc from");
  app.add_option("--mount", options.mounts, "a tree that rooms may mount from; PATH:rw for writing too (repeatable)");
  app.add_option("--volumes", options.policy.volumeDir, "where scratch with a bound lies; root's, nobody else's");
  app.add_option("--uid-first", options.policy.uidFirst, "first host uid of the rooms' ranges");
  app.add_option("--uid-rooms", options.policy.slots, "how many ranges of 65536");
  app.add_flag("--examine", options.examine,
               "try each wall and limit on this machine, print what came of it as JSON, and leave");
}

std::string besideThis(const std::string& name) {
  std::string self = resolvedPath("/proc/self/exe");
  return self.substr(0, self.find_last_of('/') + 1) + name;
}

Result<Policy> policyFrom(Options options, House& house) {
  if (!options.house.configFile.empty()) {
    AGENTOS_TRY(options.policy, loadHousePolicy(house));
  }
  if (!options.peer.empty()) {
    AGENTOS_TRY(UserIds ids, findUser(options.peer));
    options.policy.peerUid = ids.uid, options.policy.peerGid = ids.gid;
  }
  if (!options.policyFile.empty()) {
    AGENTOS_TRY(options.policy, loadPolicy(options.policyFile, options.policy));
  }
  for (const auto& text : options.mounts) {
    bool writable = text.ends_with(":rw");
    options.policy.mounts.push_back(
        {resolvedPath(writable ? text.substr(0, text.size() - 3) : text), writable, {}, {}});
  }
  Policy& policy = options.policy;
  if (policy.initBinary.empty()) policy.initBinary = besideThis("agent-init");
  for (auto* path : {&policy.stateDir, &policy.logDir, &policy.runDir, &policy.initBinary}) *path = resolvedPath(*path);
  return policy;
}

Result<Fd> listener(const Options& options, const Policy& policy) {
  if (options.listenFd >= 0) return Fd(options.listenFd);
  if (options.socket.empty()) {
    AGENTOS_TRY(Fd passed, takePassedSocket("spawner"));
    if (passed) return passed;
  }
  const std::string path = options.socket.empty() ? spawnerSocketOf(options.house) : options.socket;
  auto slash = path.find_last_of('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  AGENTOS_TRY(Fd directory, openPlain(resolvedPath(folder), O_RDONLY | O_DIRECTORY));
  return listenAt(directory.get(), path.substr(slash + 1), policy.peerUid, policy.peerGid);
}

// Blocked before any thread starts, so that all of them have it so.
Fd takeSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, number);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

// sd_notify(3): a reload is over when it says READY again, and says when it began.
void sayReloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto micros = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
  notifyManager("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(micros));
}

void sayReady(const Host& host) {
  notifyManager("READY=1\nSTATUS=Rooms in " + host.policy.cgroupRoot + ", " +
                std::to_string(host.policy.mounts.size()) + " trees to mount from");
}

// `keeper`: absent without --config, as in tests of the rooms alone.
Service::Hooks hooksOf(Options& options, const Host& host, govern::AnchorKeeper* keeper) {
  Service::Hooks hooks;
  if (keeper != nullptr) {
    hooks.anchor = [keeper](const LogHead& head) { keeper->offer({head.sequence, head.hash}); };
  }
  hooks.reread = [&options] { return policyFrom(options, options.house); };
  hooks.ready = [&host] { sayReady(host); };
  hooks.reloading = sayReloading;
  return hooks;
}

// With the policy that serve() would have, as far as it goes: a machine is examined before all of it is there.
Result<void> examine(Options& options) {
  AGENTOS_TRY(Policy policy, policyFrom(options, options.house));
  return writeAll(STDOUT_FILENO, formatTrials(examineMachine(policy)) + "\n");
}

Result<void> serve(Options& options) {
  if (::geteuid() != 0)
    return fail(ErrorCode::kDenied, "agentd-spawner needs root", "start it by its unit, or let agentd do it as root");
  if (options.examine) return examine(options);
  // A room's child shares this memory until it executes agent-init. Before Linux 5.16 a core dump of one process ended
  // all that share its memory; without a dump it ends alone (room_child.cpp says it again after each change of ids).
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  Fd signals = takeSignals();
  if (!signals) return failErrno(errno, "signalfd");
  AGENTOS_TRY(Policy policy, policyFrom(options, options.house));
  AGENTOS_CHECK(checkPolicy(policy));
  AGENTOS_TRY(Fd socket, listener(options, policy));
  AGENTOS_TRY(auto host, openHost(std::move(policy)));
  SystemClock clock;
  std::optional<govern::AnchorKeeper> keeper;
  if (!options.house.configFile.empty()) {
    keeper.emplace(auditAnchorOf(options.house), clock,
                   [](const Error& error) { logLine("audit anchor: " + error.message(), Severity::kError); });
  }
  Service(*host, std::move(socket), std::move(signals), hooksOf(options, *host, keeper ? &*keeper : nullptr)).run();
  notifyManager("STOPPING=1");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Makes and keeps the rooms that agents run in.", "agentd-spawner");
  Options options;
  define(app, options);
  CLI11_PARSE(app, argc, argv);
  auto served = serve(options);
  if (served) return 0;
  agentos::sandbox::logLine(served.error().message(), agentos::sandbox::Severity::kError);
  return agentos::infoOf(served.error().code).exitStatus;
}
