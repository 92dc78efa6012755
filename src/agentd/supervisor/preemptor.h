// SPDX-License-Identifier: Apache-2.0
// Performs what preemption.h decides: waits on the kernel's pressure triggers, freezes and thaws through the
// supervisor. No timer runs while nobody is preempted.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agentd/alarms.h"
#include "agentd/supervisor/preemption.h"
#include "base/fd.h"

namespace agentos::agentd {

class Preemptor {
 public:
  // What it does to instances; the supervisor's.
  struct Hands {
    std::function<std::vector<Preemption::Running>()> running;
    std::function<boost::asio::awaitable<Result<void>>(InstanceId, Pressure)> preempt;
    std::function<boost::asio::awaitable<Result<void>>(InstanceId)> relieve;
    // Whether the instance is still preempted: not ended, and not taken over by a person meanwhile.
    std::function<bool(const InstanceId&)> isPreempted;
  };
  Preemptor(boost::asio::io_context& io, const Clock& clock, Alarms& alarms, PreemptionRules rules, Hands hands);
  ~Preemptor();
  Preemptor(const Preemptor&) = delete;
  Preemptor& operator=(const Preemptor&) = delete;

  // Memory's trigger, then the processors'.
  void watch(std::vector<Fd> triggers);
  // As a trigger does; tests call it too.
  void onPressure(Pressure pressure);
  // Found preempted by an earlier agentd: from now on it counts.
  void takeOver(const InstanceId& id);

 private:
  void waitFor(Pressure pressure);
  boost::asio::awaitable<void> giveWay(Pressure pressure);
  boost::asio::awaitable<void> goOn();
  void look();
  void arm();

  boost::asio::io_context& io_;
  const Clock& clock_;
  Alarms& alarms_;
  Preemption state_;
  Hands hands_;
  std::vector<std::unique_ptr<boost::asio::posix::stream_descriptor>> triggers_;
  AlarmId alarm_ = 0;
  bool working_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace agentos::agentd
