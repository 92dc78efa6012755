// SPDX-License-Identifier: Apache-2.0
// How many model calls are under way at once, and who is next: those of urgent agents (HRT, SRT) before those of DT,
// but after four urgent ones in a row one of DT; among equals whoever has the fewest under way, then whoever came
// first. So nobody starves, and one agent with many calls does not hold up another with one.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/error.h"

namespace agentos::models {

// Used on the loop's thread only.
class Turnstile {
 public:
  inline static constexpr int kUrgentInARow = 4;
  explicit Turnstile(std::size_t places) : places_(places) {}
  Turnstile(const Turnstile&) = delete;
  Turnstile& operator=(const Turnstile&) = delete;

  // A place; free again when it goes. Must not outlive the turnstile.
  class Pass {
   public:
    Pass() = default;
    Pass(Turnstile& turnstile, std::string who) : turnstile_(&turnstile), who_(std::move(who)) {}
    Pass(Pass&& other) noexcept : turnstile_(std::exchange(other.turnstile_, nullptr)), who_(std::move(other.who_)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (turnstile_ != nullptr) turnstile_->leave(who_);
    }

   private:
    Turnstile* turnstile_ = nullptr;
    std::string who_;
  };

  // Waits for its turn, at most this long: kTimedOut; kUnavailable when the call is cancelled meanwhile.
  boost::asio::awaitable<Result<Pass>> enter(std::string who, bool urgent, Nanoseconds patience);
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t underWay() const { return taken_; }
  // More at once from now on, or fewer when those under way have gone.
  void setPlaces(std::size_t places);

 private:
  struct Waiter;
  class Place;
  void take(const std::string& who);
  void leave(const std::string& who);
  void serve();
  std::list<Waiter*>::iterator next();

  std::size_t places_, taken_ = 0;
  int urgentInARow_ = 0;
  std::list<Waiter*> waiting_;  // in order of coming; each lives in the frame of its coroutine
  std::map<std::string, std::size_t> underWay_;
};

}  // namespace agentos::models
