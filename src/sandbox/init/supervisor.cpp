// SPDX-License-Identifier: Apache-2.0
#include "sandbox/init/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <numeric>

#include "sandbox/breach.h"

namespace agentos::sandbox {
namespace {

// Passed on to the payload when they come from outside the room.
constexpr std::array kForwarded = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
// How long a killed process may take to die (it may be stuck in the kernel) before the record is written without it.
constexpr std::int64_t kStragglerWaitNs = 5'000'000'000;
// A line without its end is put into the log after this long without output.
constexpr int kPartialWaitMs = 1000;
constexpr std::size_t kDrainLimit = 4 << 20;  // a pipe holds at most 1 MiB; more comes only from who survived SIGKILL

std::span<const int> numberListeners(std::array<int, kMaxListeners>& fds, std::uint32_t count) {
  std::iota(fds.begin(), fds.end(), static_cast<int>(kInitListenerFd));
  return std::span<const int>(fds).first(count);
}

// Blocked signals stay pending even for PID 1, which ignores those that it has no handler for (signal(7),
// pid_namespaces(7)).
Fd makeSignalFd() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  for (int number : kForwarded) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

// A second wall behind the seccomp filter. Ignoring a failure: a room need not show /proc/sys.
void forbidUserNamespaces() {
  Fd file(open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC));
  [[maybe_unused]] ssize_t wrote = write(file.get(), "0", 1);
}

void say(int socket, SyncMessage letter, std::string_view why = {}) {
  std::string message(1, static_cast<char>(letter));
  message += why.substr(0, 4000);
  // Ignoring a failure: a spawner that is gone does not need to know.
  [[maybe_unused]] ssize_t sent = send(socket, message.data(), message.size(), MSG_NOSIGNAL);
}

}  // namespace

RoomSupervisor::RoomSupervisor(const InitPlan& plan)
    : plan_(plan),
      sync_(kInitSyncFd),
      signals_(makeSignalFd()),
      log_(kInitLogDirFd, plan.logRotateAt, plan.logKeep),
      recordFile_(kInitRecordDirFd),
      outputLines_(LogStream::kStdout, log_),
      errorLines_(LogStream::kStderr, log_),
      control_(Fd(kInitControlFd), numberListeners(listenerFds_, plan.listeners),
               [this](const InitRequest& request) { return answer(request); }) {}

int RoomSupervisor::run() {
  if (auto ready = prepare(); !ready) {
    say(sync_.get(), kSyncFailed, ready.error().message());
    leaveNoTrace();
    return 1;
  }
  say(sync_.get(), kSyncReady);
  while (!finished()) {
    PollSet fds = pollSet();
    int ready = poll(fds.data(), fds.size(), timeout());
    if (ready > 0) handle(fds);
    if (ready == 0) {
      outputLines_.flushPartial();
      errorLines_.flushPartial();
    }
    log_.flush();
  }
  return conclude();
}

Result<void> RoomSupervisor::prepare() {
  if (!signals_) return failErrno(errno, "signalfd");
  // First, since it has the longer way to the gate: it puts on its walls while the rest is made ready here.
  AGENTOS_TRY(payload_, forkPayload(plan_));
  AGENTOS_CHECK(log_.open());
  AGENTOS_CHECK(recordFile_.reserve());
  // Without a user namespace of the room's own it would be the machine's limit.
  if (!plan_.nestedUserns && !isDown("nesting") && !isDown("userns")) forbidUserNamespaces();
  close(kInitPlanFd);
  close(kInitPayProcsFd);
  close(kInitSeccompFd);
  return dropOwnPrivileges();
}

bool RoomSupervisor::finished() const {
  if (step_ == Step::kAbandoned) return true;
  if (step_ != Step::kEnding) return false;
  bool late = clockNs(CLOCK_BOOTTIME) - endingSince_ >= kStragglerWaitNs;
  return !childrenLeft_ || late || (impatient_ && mainEnded_);
}

int RoomSupervisor::timeout() const {
  if (step_ == Step::kEnding) return 100;
  return outputLines_.hasPartial() || errorLines_.hasPartial() ? kPartialWaitMs : -1;
}

RoomSupervisor::PollSet RoomSupervisor::pollSet() const {
  PollSet fds{};
  fds[kSync] = {sync_.get(), POLLIN, 0};
  fds[kSignals] = {signals_.get(), POLLIN, 0};
  fds[kGate] = {step_ == Step::kStarting ? payload_.gate.get() : -1, POLLIN, 0};
  fds[kOutput] = {payload_.output.get(), POLLIN, 0};
  fds[kErrors] = {payload_.errors.get(), POLLIN, 0};
  control_.preparePoll(std::span(fds).subspan<kControl, ControlServer::kPollFds>());
  return fds;
}

void RoomSupervisor::handle(const PollSet& fds) {
  if (fds[kSync].revents != 0) onSync();
  if (fds[kGate].revents != 0) onGate();
  if (fds[kOutput].revents != 0) onOutput(payload_.output, outputLines_);
  if (fds[kErrors].revents != 0) onOutput(payload_.errors, errorLines_);
  if (fds[kSignals].revents != 0) onSignals();
  control_.handlePoll(std::span(fds).subspan<kControl, ControlServer::kPollFds>());
}

void RoomSupervisor::onSync() {
  char letter = 0;
  ssize_t got = recv(sync_.get(), &letter, 1, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (step_ != Step::kWaitForGo) return sync_.reset();
  if (got != 1 || letter != kSyncGo) {
    step_ = Step::kAbandoned;
    return;
  }
  record_.startedNs = clockNs(CLOCK_REALTIME);
  startedBoot_ = clockNs(CLOCK_BOOTTIME);
  step_ = Step::kStarting;
  // Ignoring a failure: a child that is gone already has left its reason in the gate.
  [[maybe_unused]] ssize_t sent = send(payload_.gate.get(), "", 1, MSG_NOSIGNAL);
}

// End of file: the payload's exec closed its end. Else the reason why it did not.
void RoomSupervisor::onGate() {
  std::array<char, 4096> why;
  ssize_t got = recv(payload_.gate.get(), why.data(), why.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  step_ = Step::kRunning;
  if (got > 0) {
    record_.execFailed = true;
    record_.detail.assign(why.data(), static_cast<std::size_t>(got));
    say(sync_.get(), kSyncFailed, record_.detail);
  } else {
    say(sync_.get(), kSyncStarted);
  }
  payload_.gate.reset();
  sync_.reset();
  if (!mainEnded_) return;
  noteEnd();
  endEverybody();  // it had failed before the go
}

void RoomSupervisor::onOutput(Fd& pipe, LineSplitter& lines) {
  ssize_t got = lines.readFrom(pipe.get());
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return;
  lines.flushPartial();
  pipe.reset();
}

void RoomSupervisor::onSignals() {
  std::array<signalfd_siginfo, 8> infos;
  ssize_t got = read(signals_.get(), infos.data(), sizeof(infos));
  if (got <= 0) return;
  for (const auto& info : std::span(infos).first(static_cast<std::size_t>(got) / sizeof(infos[0]))) {
    if (info.ssi_signo == SIGCHLD) {
      reap();
    } else if (!mainEnded_ && step_ != Step::kWaitForGo) {
      kill(payload_.pid, static_cast<int>(info.ssi_signo));
    } else if (step_ == Step::kWaitForGo) {
      step_ = Step::kAbandoned;  // told to leave before there was anything to do
    }
  }
}

void RoomSupervisor::reap() {
  for (;;) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid == payload_.pid) onMainEnded(status);
    if (pid > 0) continue;
    childrenLeft_ = !(pid < 0 && errno == ECHILD);
    return;
  }
}

void RoomSupervisor::onMainEnded(int status) {
  // Why the exec failed arrived before the death did.
  if (step_ == Step::kStarting) onGate();
  mainEnded_ = true;
  noteEnd();
  if (!record_.execFailed) {
    if (WIFEXITED(status)) record_.code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) record_.signal = WTERMSIG(status);
    record_.coreDumped = WIFSIGNALED(status) && WCOREDUMP(status);
  }
  if (step_ != Step::kWaitForGo) endEverybody();
}

void RoomSupervisor::noteEnd() {
  record_.endedNs = std::max(clockNs(CLOCK_REALTIME), record_.startedNs);
  if (startedBoot_ != 0) record_.ranNs = clockNs(CLOCK_BOOTTIME) - startedBoot_;
}

// To every process of the room but this one; a fork that is under way sees the signal and is undone (fork(2)).
void RoomSupervisor::endEverybody() {
  if (step_ != Step::kEnding) endingSince_ = clockNs(CLOCK_BOOTTIME);
  step_ = Step::kEnding;
  kill(-1, SIGKILL);
}

InitReply RoomSupervisor::answer(const InitRequest& request) {
  switch (request.kind) {
    case InitRequestKind::kHello: {
      bool starting = step_ == Step::kWaitForGo || step_ == Step::kStarting;
      return {.kind = InitReplyKind::kHello,
              .version = kInitVersion,
              .pid = payload_.pid,
              .startedNs = record_.startedNs,
              .state = mainEnded_ ? PayloadState::kEnded
                       : starting ? PayloadState::kStarting
                                  : PayloadState::kRunning};
    }
    case InitRequestKind::kListeners:
      return {.kind = InitReplyKind::kListeners, .listeners = plan_.listeners};
    case InitRequestKind::kSignal:
      if (mainEnded_) return {.kind = InitReplyKind::kRefused, .why = "the payload has ended"};
      if (kill(payload_.pid, static_cast<int>(request.signal)) != 0) {
        return {.kind = InitReplyKind::kRefused, .why = "signal " + std::to_string(request.signal) + " was refused"};
      }
      return {.kind = InitReplyKind::kDone};
    case InitRequestKind::kExit:
      if (step_ == Step::kWaitForGo) {
        step_ = Step::kAbandoned;
      } else {
        impatient_ = true;
        endEverybody();
      }
      return {.kind = InitReplyKind::kDone};
  }
  return {.kind = InitReplyKind::kRefused, .why = "an unknown request"};
}

void RoomSupervisor::drain(Fd& pipe, LineSplitter& lines) {
  for (std::size_t total = 0; pipe && total < kDrainLimit;) {
    ssize_t got = lines.readFrom(pipe.get());
    if (got > 0) total += static_cast<std::size_t>(got);
    if (got == 0 || (got < 0 && errno != EINTR)) pipe.reset();
  }
  lines.flushPartial();
}

void RoomSupervisor::leaveNoTrace() {
  recordFile_.discard();
  log_.discard();
}

int RoomSupervisor::conclude() {
  if (step_ == Step::kAbandoned) {
    leaveNoTrace();
    return 0;
  }
  drain(payload_.output, outputLines_);
  drain(payload_.errors, errorLines_);
  log_.flush();
  if (!mainEnded_) {
    noteEnd();
    record_.detail = "the payload was killed and did not die within 5 s";
  }
  readUsage(kInitPayDirFd, record_);
  return recordFile_.commit(record_) ? 0 : 1;
}

}  // namespace agentos::sandbox
