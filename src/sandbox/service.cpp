// SPDX-License-Identifier: Apache-2.0
#include "sandbox/service.h"

#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "sandbox/group_job.h"
#include "sandbox/halt_job.h"
#include "sandbox/limit_signals.h"
#include "sandbox/log.h"
#include "sandbox/platform.h"
#include "sandbox/pressure.h"

namespace agentos::sandbox {
namespace {

constexpr std::size_t kMaxConnections = 16;
constexpr std::size_t kMaxSpawns = 32;    // in the making at once; the client keeps the rest waiting
constexpr std::size_t kMaxReloads = 256;  // that wait for the same reading
constexpr auto kReloadEvery = std::chrono::seconds(1);
constexpr std::size_t kMaxJobs = 8192;  // a sweep of every room at once

Fd openPidfd(std::int32_t pid) { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

// Of agentd's user, or root.
bool isAllowed(const Policy& policy, int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  if (peer.uid == policy.peerUid || peer.uid == 0) return true;
  logLine("refused: a client with uid " + std::to_string(peer.uid));
  return false;
}

ReplyBody bodyOf(Result<void> result) {
  if (!result) return std::move(result).error();
  return std::monostate{};
}

Result<LiveRoom> describe(const Host& host, const InstanceId& id) {
  AGENTOS_TRY(auto groups, openInstanceGroups(host.keeper.get(), id));
  LiveRoom room;
  room.id = id;
  AGENTOS_TRY(auto init, pidsOf(groups.sup.get()));
  if (!init.empty()) room.initPid = init.front();
  AGENTOS_TRY(auto events, eventsOf(groups.pay.get()));
  room.frozen = events.frozen;
  AGENTOS_TRY(auto pids, pidsOf(groups.pay.get()));
  room.processes = static_cast<std::int64_t>(pids.size());
  return room;
}

ReplyBody listRooms(const Host& host) {
  auto ids = listInstances(host.keeper.get());
  if (!ids) return std::move(ids).error();
  std::vector<LiveRoom> rooms;
  for (const auto& id : *ids) {
    // One that is half made or half removed is told as what it is: without a process.
    auto room = describe(host, id);
    rooms.push_back(room ? *std::move(room) : LiveRoom{id, 0, false, 0});
  }
  return rooms;
}

ReplyBody processesOf(const Host& host, const InstanceId& id) {
  auto groups = openInstanceGroups(host.keeper.get(), id);
  if (!groups) return std::move(groups).error();
  auto pids = pidsOf(groups->pay.get());
  if (!pids) return std::move(pids).error();
  return *std::move(pids);
}

Result<void> killPay(const Host& host, const InstanceId& id) {
  AGENTOS_TRY(auto groups, openInstanceGroups(host.keeper.get(), id));
  return writeGroupFile(groups.pay.get(), "cgroup.kill", "1");
}

Error gone(const InstanceId& id, std::string why) {
  return fail(ErrorCode::kNotFound, "the room of " + id.str() + " is gone: " + std::move(why),
              "its exit record says how it ended")
      .error();
}

struct Adopted {
  Fd pidfd, control;
};

// The pidfd is taken first and the rest checked after: what is checked then is of the process that the pidfd means.
Result<Adopted> adoptRoom(const Host& host, const InstanceId& id, const ProcessIdentity& identity) {
  if (identity.bootId != host.bootId) return std::unexpected(gone(id, "the machine was started again since"));
  Fd pidfd = openPidfd(identity.pid);
  if (!pidfd) return std::unexpected(gone(id, "no process " + std::to_string(identity.pid)));
  auto ticks = startTicksOf(identity.pid);
  if (!ticks || *ticks != identity.startTicks) return std::unexpected(gone(id, "its pid is another process's now"));
  AGENTOS_TRY(auto groups, openInstanceGroups(host.keeper.get(), id));
  AGENTOS_TRY(auto init, pidsOf(groups.sup.get()));
  if (groups.inode != identity.cgroupInode || std::ranges::find(init, identity.pid) == init.end()) {
    return std::unexpected(gone(id, "its process is not in its group"));
  }
  AGENTOS_TRY(Fd control, connectTo(host.sockets.get(), socketName(id)));
  return Adopted{std::move(pidfd), std::move(control)};
}

}  // namespace

Service::Service(Host& host, Fd listener, Fd signals, Hooks hooks)
    : host_(host), listener_(std::move(listener)), signals_(std::move(signals)), hooks_(std::move(hooks)) {}
Service::~Service() = default;

void Service::run() {
  if (hooks_.ready) hooks_.ready();
  while (!stopping_) {
    bool idle = spawns_.empty() && jobs_.empty();
    if (idle) host_.networks->refill();
    // While nobody waits, a user namespace at a time is made for the rooms to come.
    wait(idle && host_.warmNextSlot() ? 0 : untilNextWake());
    wakeLate();
    reloadIfDue();
    dropFinished();
  }
}

int Service::untilNextWake() const {
  auto next = LoopTime::max();
  for (const auto& job : spawns_) next = std::min(next, job->wakeAt());
  for (const auto& job : jobs_) next = std::min(next, job->wakeAt());
  if (!reloads_.empty()) next = std::min(next, reloadDue_);
  if (next == LoopTime::max()) return -1;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(next - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

void Service::wait(int milliseconds) {
  std::vector<pollfd> set = {{listener_.get(), POLLIN, 0},
                             {signals_.get(), POLLIN, 0},
                             {host_.records->readyFd(), POLLIN, 0},
                             {host_.volumes->readyFd(), POLLIN, 0}};
  auto writeToo = [](const Connection& connection) {
    return static_cast<short>(connection.wantsToWrite() ? POLLIN | POLLOUT : POLLIN);
  };
  auto connections = connections_.size(), spawns = spawns_.size(), jobs = jobs_.size();
  for (const auto& connection : connections_) set.push_back({connection->fd(), writeToo(*connection), 0});
  for (const auto& job : spawns_) set.push_back({job->pollFd(), POLLIN, 0});
  for (const auto& job : jobs_) set.push_back({job->pollFd(), POLLIN, 0});
  if (::poll(set.data(), set.size(), milliseconds) <= 0) return;
  // Handlers add to the lists; what they add is polled the next time.
  std::size_t at = 4;
  std::size_t firstSpawn = at + connections, firstJob = firstSpawn + spawns;
  for (std::size_t i = 0; i < spawns; ++i) {
    if (set[firstSpawn + i].revents != 0) spawns_[i]->onReady();
  }
  for (std::size_t i = 0; i < jobs; ++i) {
    if (set[firstJob + i].revents != 0) jobs_[i]->onReady();
  }
  if (set[2].revents != 0) onRecords();
  if (set[3].revents != 0) onVolumes();
  for (std::size_t i = 0; i < connections; ++i) {
    if ((set[at + i].revents & POLLOUT) != 0) connections_[i]->flush();
    if ((set[at + i].revents & ~POLLOUT) != 0 && connections_[i]->open()) serve(*connections_[i]);
  }
  if (set[1].revents != 0) onSignals();
  if (set[0].revents != 0) accept();
}

void Service::accept() {
  Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket || !isAllowed(host_.policy, socket.get())) return;
  if (connections_.size() >= kMaxConnections) return logLine("refused: more than 16 clients");
  connections_.push_back(std::make_unique<Connection>(++lastNumber_, std::move(socket)));
}

// A few at a time, so that one client cannot keep the others waiting.
void Service::serve(Connection& connection) {
  for (int i = 0; i < 16 && connection.open(); ++i) {
    auto request = connection.next();
    if (!request) return;
    Answer answer = answerTo(connection.number(), request->number);
    handle(*std::move(request), answer);
  }
}

Answer Service::answerTo(std::uint64_t connection, std::uint64_t request) {
  return [this, connection, request](ReplyBody body, std::vector<Fd> fds) {
    auto found = std::ranges::find(connections_, connection, &Connection::number);
    if (found != connections_.end()) (*found)->reply({request, std::move(body)}, std::move(fds));
  };
}

void Service::handle(Request request, const Answer& answer) {
  bool waits =
      request.kind == RequestKind::kFreeze || request.kind == RequestKind::kThaw || request.kind == RequestKind::kSweep;
  if (waits && jobs_.size() >= kMaxJobs) {
    return answer(fail(ErrorCode::kUnavailable, "8192 requests are waiting already", "ask again later").error(), {});
  }
  switch (request.kind) {
    case RequestKind::kPlatform:
      return answer(reportPlatform(host_), {});
    case RequestKind::kSpawn:
      return spawn(std::move(request.plan), answer);
    case RequestKind::kAdopt:
      return adopt(request, answer);
    case RequestKind::kList:
      return answer(listRooms(host_), {});
    case RequestKind::kFreeze:
      jobs_.push_back(std::make_unique<FreezeJob>(host_, request.id, true, answer));
      return;
    case RequestKind::kThaw:
      jobs_.push_back(std::make_unique<FreezeJob>(host_, request.id, false, answer));
      return;
    case RequestKind::kKill:
      return answer(bodyOf(killPay(host_, request.id)), {});
    case RequestKind::kSweep:
      jobs_.push_back(std::make_unique<SweepJob>(host_, request.id, answer));
      return;
    case RequestKind::kProcesses:
      return answer(processesOf(host_, request.id), {});
    case RequestKind::kWatchLimits:
      return watchLimits(request.id, answer);
    case RequestKind::kAnchor:
      return anchor(std::move(request.head), answer);
    case RequestKind::kReload:
      return reloadSoon(answer);
    case RequestKind::kPressure: {
      auto triggers = openPressure(request.pressure);
      if (!triggers) return answer(std::move(triggers).error(), {});
      return answer(std::monostate{}, *std::move(triggers));
    }
    case RequestKind::kFreezeAll:
    case RequestKind::kKillAll:
      return haltAll(request.kind == RequestKind::kKillAll, answer);
  }
}

void Service::haltAll(bool kill, const Answer& answer) {
  std::set<InstanceId> making;
  for (const auto& job : spawns_) making.insert(job->id());
  jobs_.push_back(std::make_unique<HaltJob>(host_, kill, std::move(making), answer));
}

// One kind for each descriptor that goes with it.
void Service::watchLimits(const InstanceId& id, const Answer& answer) {
  auto signals = openLimitSignals(host_, id);
  if (!signals) return answer(std::move(signals).error(), {});
  std::vector<std::int32_t> kinds;
  std::vector<Fd> fds;
  for (auto& signal : *signals) {
    kinds.push_back(static_cast<std::int32_t>(signal.kind));
    fds.push_back(std::move(signal.fd));
  }
  answer(std::move(kinds), std::move(fds));
}

void Service::anchor(LogHead head, const Answer& answer) {
  if (!hooks_.anchor) {
    return answer(fail(ErrorCode::kUnavailable, "this spawner keeps no audit anchor", "start it with --config").error(),
                  {});
  }
  hooks_.anchor(std::move(head));
  answer(std::monostate{}, {});
}

// Whoever may ask may ask without end, and each reading is work and a line in root's journal: everybody who asks within
// a second of the last one shares the next.
void Service::reloadSoon(Answer answer) {
  if (reloads_.size() >= kMaxReloads) {
    return answer(
        fail(ErrorCode::kUnavailable, "256 requests wait already for the policy to be read", "wait a second").error(),
        {});
  }
  reloads_.push_back(std::move(answer));
}

void Service::reloadIfDue() {
  const auto now = std::chrono::steady_clock::now();
  if (reloads_.empty() || now < reloadDue_) return;
  reloadDue_ = now + kReloadEvery;
  const auto done = reload();
  for (const auto& answer : std::exchange(reloads_, {})) answer(bodyOf(done), {});
}

// The new policy holds from the next request on; what a broken one would have said is not guessed.
Result<void> Service::reload() {
  if (!hooks_.reread) return {};
  auto fresh = hooks_.reread();
  auto done = fresh ? applyPolicy(host_, *std::move(fresh)) : Result<void>(std::unexpected(std::move(fresh).error()));
  logLine(done ? "policy: read again" : "policy: the old one stays in force: " + done.error().message(),
          done ? Severity::kInfo : Severity::kError);
  return done;
}

void Service::spawn(RoomPlan plan, const Answer& answer) {
  auto allowed = checkPlan(host_.policy, std::move(plan));
  if (!allowed) {
    logLine("refused: " + allowed.error().message());
    return answer(std::move(allowed).error(), {});
  }
  if (spawns_.size() >= kMaxSpawns) {
    return answer(fail(ErrorCode::kUnavailable, "32 rooms are in the making already", "ask again later").error(), {});
  }
  if (auto fresh = host_.roomTemplate->etc->refresh(); !fresh)
    logLine("rooms have an older /etc than the host: " + fresh.error().message(), Severity::kWarning);
  spawns_.push_back(std::make_unique<SpawnJob>(host_, *std::move(allowed), answer, ++lastNumber_));
  spawns_.back()->start();
}

void Service::adopt(const Request& request, const Answer& answer) {
  auto adopted = adoptRoom(host_, request.id, request.identity);
  if (!adopted) return answer(std::move(adopted).error(), {});
  std::vector<Fd> fds;
  fds.push_back(std::move(adopted->pidfd));
  fds.push_back(std::move(adopted->control));
  answer(RoomReply{request.identity, {}, 0}, std::move(fds));
}

void Service::onSignals() {
  std::array<signalfd_siginfo, 16> infos;
  ssize_t got = ::read(signals_.get(), infos.data(), sizeof infos);
  for (std::size_t i = 0; got > 0 && i < static_cast<std::size_t>(got) / sizeof infos[0]; ++i) {
    if (infos[i].ssi_signo == SIGHUP) {
      if (hooks_.reloading) hooks_.reloading();
      reloadSoon([this](const ReplyBody&, const std::vector<Fd>&) {  // it said how it went
        if (hooks_.ready) hooks_.ready();
      });
    } else {
      stopping_ = stopping_ || infos[i].ssi_signo != SIGCHLD;
    }
  }
  // Rooms that ended; agentd knows by its pidfd.
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

void Service::onRecords() {
  for (auto& done : host_.records->takeDone()) {
    auto job = std::ranges::find(spawns_, done.ticket, &SpawnJob::ticket);
    if (job != spawns_.end()) (*job)->onRecord(std::move(done.result));
  }
}

void Service::onVolumes() {
  for (auto& done : host_.volumes->takeDone()) {
    auto job = std::ranges::find(spawns_, done.ticket, &SpawnJob::ticket);
    if (job != spawns_.end()) (*job)->onVolume(std::move(done.tree));
  }
}

void Service::wakeLate() {
  auto now = std::chrono::steady_clock::now();
  for (const auto& job : spawns_) {
    if (!job->finished() && job->wakeAt() <= now) job->onWake();
  }
  for (const auto& job : jobs_) {
    if (!job->finished() && job->wakeAt() <= now) job->onWake();
  }
}

void Service::dropFinished() {
  for (const auto& job : spawns_) {
    if (!job->finished() || !job->mustBeSwept()) continue;
    auto nobody = [](ReplyBody, std::vector<Fd>) {};
    jobs_.push_back(std::make_unique<SweepJob>(host_, job->id(), nobody));
  }
  std::erase_if(spawns_, [](const auto& job) { return job->finished(); });
  std::erase_if(jobs_, [](const auto& job) { return job->finished(); });
  std::erase_if(connections_, [](const auto& connection) { return !connection->open(); });
}

}  // namespace agentos::sandbox
