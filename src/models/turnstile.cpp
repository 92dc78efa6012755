// SPDX-License-Identifier: Apache-2.0
#include "models/turnstile.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace agentos::models {
namespace asio = boost::asio;

struct Turnstile::Waiter {
  std::string who;
  bool urgent = false, served = false;
  asio::steady_timer bell;
};

// In the line for as long as it stands; a waiter whose coroutine is destroyed leaves the line, or the place that it was
// given a moment before.
class Turnstile::Place {
 public:
  Place(Turnstile& turnstile, Waiter waiter) : turnstile_(turnstile), waiter_(std::move(waiter)) {
    turnstile_.waiting_.push_back(&waiter_);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    if (!waiter_.served) {
      std::erase(turnstile_.waiting_, &waiter_);
    } else if (!used_) {
      turnstile_.leave(waiter_.who);
    }
  }
  Waiter& waiter() { return waiter_; }
  Pass use() {
    used_ = true;
    return {turnstile_, waiter_.who};
  }

 private:
  Turnstile& turnstile_;
  Waiter waiter_;
  bool used_ = false;
};

asio::awaitable<Result<Turnstile::Pass>> Turnstile::enter(std::string who, bool urgent, Nanoseconds patience) {
  if (taken_ < places_ && waiting_.empty()) {
    take(who);
    co_return Pass(*this, std::move(who));
  }
  Place place(*this,
              Waiter{std::move(who), urgent, false, asio::steady_timer(co_await asio::this_coro::executor, patience)});
  boost::system::error_code rung;  // by its own time, by serve(), or because the call is cancelled
  co_await place.waiter().bell.async_wait(asio::redirect_error(asio::use_awaitable, rung));
  if (place.waiter().served) co_return place.use();
  if (rung) co_return fail(ErrorCode::kUnavailable, "the model call was cancelled while it waited for its turn");
  co_return fail(ErrorCode::kTimedOut,
                 std::to_string(taken_) + " model calls are under way, and none ended in time for this one",
                 "call again later, or raise limits.model_calls in agentd.yaml");
}

void Turnstile::setPlaces(std::size_t places) {
  places_ = places;
  serve();
}

void Turnstile::take(const std::string& who) {
  ++taken_;
  ++underWay_[who];
}

void Turnstile::leave(const std::string& who) {
  --taken_;
  if (auto found = underWay_.find(who); found != underWay_.end() && --found->second == 0) underWay_.erase(found);
  serve();
}

void Turnstile::serve() {
  while (taken_ < places_ && !waiting_.empty()) {
    const auto found = next();
    Waiter& chosen = **found;
    waiting_.erase(found);
    urgentInARow_ = chosen.urgent ? urgentInARow_ + 1 : 0;
    take(chosen.who);
    chosen.served = true;
    chosen.bell.cancel();
  }
}

std::list<Turnstile::Waiter*>::iterator Turnstile::next() {
  const bool urgentFirst = urgentInARow_ < kUrgentInARow;
  auto rank = [&](const Waiter* one) {
    auto found = underWay_.find(one->who);
    return std::pair(one->urgent != urgentFirst, found == underWay_.end() ? std::size_t{0} : found->second);
  };
  return std::ranges::min_element(waiting_, {}, rank);  // the first of equals
}

}  // namespace agentos::models
