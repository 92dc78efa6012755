// SPDX-License-Identifier: Apache-2.0
#include "agentd/alarms.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <utility>

namespace agentos::agentd {

// One timerfd and the wait on it.
struct Alarms::Timer : std::enable_shared_from_this<Alarms::Timer> {
  Timer(boost::asio::io_context& io, clockid_t clock, std::function<void()> rang)
      : clockId(clock), descriptor(io, ::timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK)), onRing(std::move(rang)) {}

  void set(std::int64_t atNs) {
    if (atNs == armedNs) return;
    armedNs = atNs;
    itimerspec spec{};
    spec.it_value.tv_sec = atNs / 1'000'000'000;
    spec.it_value.tv_nsec = atNs % 1'000'000'000;
    const int flags = TFD_TIMER_ABSTIME | (clockId == CLOCK_REALTIME ? TFD_TIMER_CANCEL_ON_SET : 0);
    ::timerfd_settime(descriptor.native_handle(), flags, &spec, nullptr);
    if (!waiting) wait();
  }

  void wait() {
    waiting = true;
    descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const boost::system::error_code& error) {
                            self->waiting = false;
                            if (!error) self->ring();
                          });
  }

  void ring() {
    std::uint64_t times = 0;
    const bool set = ::read(descriptor.native_handle(), &times, sizeof times) < 0 && errno == ECANCELED;
    armedNs = -1;
    if (set && onSet) {
      onSet();
    } else if (onRing) {
      onRing();
    }
    if (!waiting && descriptor.is_open()) wait();
  }

  void close() {
    onRing = nullptr;
    onSet = nullptr;
    boost::system::error_code ignored;
    descriptor.close(ignored);  // NOLINT: nothing is left to do about it
  }

  clockid_t clockId;
  boost::asio::posix::stream_descriptor descriptor;
  std::function<void()> onRing, onSet;
  std::int64_t armedNs = -1;
  bool waiting = false;
};

Alarms::Alarms(boost::asio::io_context& io, const Clock& clock, Mode mode) : clock_(clock) {
  if (mode == Mode::kManual) return;
  bootTimer_ = std::make_shared<Timer>(io, CLOCK_BOOTTIME, [this] { fire(); });
  wallTimer_ = std::make_shared<Timer>(io, CLOCK_REALTIME, [this] { fire(); });
  wallTimer_->onSet = [this] { clockWasSet(); };
}

Alarms::~Alarms() { shutDown(); }

void Alarms::shutDown() {
  if (bootTimer_) bootTimer_->close();
  if (wallTimer_) wallTimer_->close();
  bootTimer_.reset();
  wallTimer_.reset();
}

AlarmId Alarms::at(BootTime when, Callback callback) {
  const AlarmId id = ++lastId_;
  boot_.emplace(std::pair{when, id}, std::move(callback));
  bootTimes_.emplace(id, when);
  arm();
  return id;
}

AlarmId Alarms::atWall(Timestamp when, Callback callback) {
  const AlarmId id = ++lastId_;
  wall_.emplace(std::pair{when, id}, std::move(callback));
  wallTimes_.emplace(id, when);
  arm();
  return id;
}

void Alarms::cancel(AlarmId id) {
  if (auto found = bootTimes_.find(id); found != bootTimes_.end()) {
    boot_.erase({found->second, id});
    bootTimes_.erase(found);
  } else if (auto wall = wallTimes_.find(id); wall != wallTimes_.end()) {
    wall_.erase({wall->second, id});
    wallTimes_.erase(wall);
  }
  arm();
}

void Alarms::fire() {
  // Alarms that the callbacks set wait for the next ring: a callback that sets itself again cannot hold the loop.
  const AlarmId newest = lastId_;
  auto takeDue = [&](auto& list, auto& times, auto now) {
    for (auto it = list.begin(); it != list.end() && it->first.first <= now;) {
      if (it->first.second > newest) {
        ++it;
        continue;
      }
      times.erase(it->first.second);
      Callback callback = std::move(it->second);
      list.erase(it);
      callback();  // may change the list: start again at its head
      it = list.begin();
    }
  };
  takeDue(boot_, bootTimes_, clock_.bootNow());
  takeDue(wall_, wallTimes_, clock_.now());
  arm();
}

void Alarms::clockWasSet() {
  fire();
  if (clockSet_) clockSet_();
}

std::optional<Nanoseconds> Alarms::untilNext() const {
  std::optional<Nanoseconds> next;
  if (!boot_.empty()) next = boot_.begin()->first.first - clock_.bootNow();
  if (!wall_.empty()) {
    const Nanoseconds wall = wall_.begin()->first.first - clock_.now();
    next = next ? std::min(*next, wall) : wall;
  }
  return next;
}

void Alarms::arm() {
  if (!bootTimer_) return;
  bootTimer_->set(boot_.empty() ? 0 : std::max<std::int64_t>(1, boot_.begin()->first.first.time_since_epoch().count()));
  wallTimer_->set(wall_.empty() ? 0 : std::max<std::int64_t>(1, wall_.begin()->first.first.time_since_epoch().count()));
}

}  // namespace agentos::agentd
