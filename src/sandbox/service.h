// SPDX-License-Identifier: Apache-2.0
// The spawner's loop: one thread, one poll(2), no wait for anybody.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/connection.h"
#include "sandbox/host.h"
#include "sandbox/spawn_job.h"

namespace agentos::sandbox {

class Service {
 public:
  // What lies beyond rooms. Without one, its request is refused.
  struct Hooks {
    std::function<void(LogHead)> anchor;     // keeps it, at once or a little later
    std::function<Result<Policy>()> reread;  // root's policy, as the files say it now
    std::function<void()> ready, reloading;  // told to who started this program
  };
  // `listener`: a listening SOCK_SEQPACKET socket. `signals`: a signalfd of SIGCHLD, SIGTERM, SIGINT and SIGHUP.
  Service(Host& host, Fd listener, Fd signals, Hooks hooks);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  // Until SIGTERM or SIGINT. Rooms live on.
  void run();

 private:
  void wait(int milliseconds);
  int untilNextWake() const;
  void accept();
  void serve(Connection& connection);
  void handle(Request request, const Answer& answer);
  void watchLimits(const InstanceId& id, const Answer& answer);
  void anchor(LogHead head, const Answer& answer);
  void haltAll(bool kill, const Answer& answer);
  void reloadSoon(Answer answer);
  void reloadIfDue();
  Result<void> reload();
  void spawn(RoomPlan plan, const Answer& answer);
  void adopt(const Request& request, const Answer& answer);
  void onSignals();
  void onRecords();
  void onVolumes();
  void wakeLate();
  void dropFinished();
  Answer answerTo(std::uint64_t connection, std::uint64_t request);

  Host& host_;
  Fd listener_, signals_;
  Hooks hooks_;
  bool stopping_ = false;
  std::uint64_t lastNumber_ = 0;
  std::vector<Answer> reloads_;  // who waits for the next
  LoopTime reloadDue_;           // and when it may be
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<SpawnJob>> spawns_;
  std::vector<std::unique_ptr<Job>> jobs_;
};

}  // namespace agentos::sandbox
