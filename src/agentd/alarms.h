// SPDX-License-Identifier: Apache-2.0
// Every deadline of the daemon in two sorted lists, one by CLOCK_BOOTTIME (limits, back-off, leases) and one by
// CLOCK_REALTIME (schedules), each behind one timerfd: while nothing is due the process sleeps. A step of the wall
// clock wakes the second list (TFD_TIMER_CANCEL_ON_SET), so a clock that jumps loses no schedule.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "base/clock.h"

namespace agentos::agentd {

using AlarmId = std::uint64_t;  // 0: none

class Alarms {
 public:
  // Manual: no timer is armed, a test moves the clock and calls fire().
  enum class Mode : std::uint8_t { kReal, kManual };
  Alarms(boost::asio::io_context& io, const Clock& clock, Mode mode);
  ~Alarms();
  Alarms(const Alarms&) = delete;
  Alarms& operator=(const Alarms&) = delete;

  using Callback = std::function<void()>;
  AlarmId at(BootTime when, Callback callback);
  AlarmId after(Nanoseconds delay, Callback callback) { return at(clock_.bootNow() + delay, std::move(callback)); }
  AlarmId atWall(Timestamp when, Callback callback);
  void cancel(AlarmId id);
  // Called after the alarms that are due by the new time, whenever the wall clock was set and one waits on it.
  void onClockSet(Callback callback) { clockSet_ = std::move(callback); }
  void clockWasSet();

  // Calls what is due, in order of time; a callback may set and cancel alarms.
  void fire();
  // How long until the next one; absent when there is none.
  std::optional<Nanoseconds> untilNext() const;
  std::size_t size() const { return boot_.size() + wall_.size(); }
  // No timer is armed or waited for any more; the loop can run dry.
  void shutDown();

 private:
  struct Timer;
  template <class Time>
  using List = std::map<std::pair<Time, AlarmId>, Callback>;
  void arm();

  const Clock& clock_;
  Callback clockSet_;
  AlarmId lastId_ = 0;
  List<BootTime> boot_;
  List<Timestamp> wall_;
  std::map<AlarmId, BootTime> bootTimes_;
  std::map<AlarmId, Timestamp> wallTimes_;
  std::shared_ptr<Timer> bootTimer_, wallTimer_;
};

}  // namespace agentos::agentd
