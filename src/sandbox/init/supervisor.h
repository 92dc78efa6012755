// SPDX-License-Identifier: Apache-2.0
// The life of a room, in one poll loop: wait for the spawner's go, let the payload start, frame its output, reap what
// it leaves to PID 1, pass signals on, answer agentd; and at its end kill what is left, record, and leave.
#pragma once

#include <sys/wait.h>

#include <array>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/init/control.h"
#include "sandbox/init/log.h"
#include "sandbox/init/payload.h"
#include "sandbox/init/record.h"
#include "sandbox/init_protocol.h"

namespace agentos::sandbox {

class RoomSupervisor {
 public:
  // Takes the descriptors of init_protocol.h from kInitControlFd on; nothing has been sent on the sync socket yet.
  explicit RoomSupervisor(const InitPlan& plan);
  // agent-init's exit status: 0 with an exit record, or when it was never told to go; 1 when there is none and should
  // be.
  int run();

 private:
  enum class Step : std::uint8_t { kWaitForGo, kStarting, kRunning, kEnding, kAbandoned };
  enum Slot : std::size_t { kSync, kSignals, kGate, kOutput, kErrors, kControl };
  using PollSet = std::array<pollfd, kControl + ControlServer::kPollFds>;

  Result<void> prepare();
  bool finished() const;
  int timeout() const;
  PollSet pollSet() const;
  void handle(const PollSet& fds);

  void onSync();
  void onGate();
  void onSignals();
  void onOutput(Fd& pipe, LineSplitter& lines);
  void drain(Fd& pipe, LineSplitter& lines);
  void reap();
  void onMainEnded(int status);
  void noteEnd();
  void endEverybody();
  InitReply answer(const InitRequest& request);
  void leaveNoTrace();
  int conclude();

  const InitPlan& plan_;
  Step step_ = Step::kWaitForGo;
  bool childrenLeft_ = true;
  bool impatient_ = false;        // told by kExit: do not wait for stragglers
  std::int64_t endingSince_ = 0;  // CLOCK_BOOTTIME
  std::int64_t startedBoot_ = 0;
  bool mainEnded_ = false;
  ExitRecord record_;

  Fd sync_, signals_;
  std::array<int, kMaxListeners> listenerFds_{};
  LogFile log_;
  ExitRecordFile recordFile_;
  LineSplitter outputLines_, errorLines_;
  ControlServer control_;
  Payload payload_;
};

}  // namespace agentos::sandbox
