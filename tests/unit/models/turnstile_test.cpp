// SPDX-License-Identifier: Apache-2.0
#include "models/turnstile.h"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <optional>
#include <vector>

namespace agentos::models {
namespace {

namespace asio = boost::asio;
using std::chrono::hours;
using std::chrono::milliseconds;

class Line : public ::testing::Test {
 protected:
  // Comes to the turnstile, and when it is let in says its word and keeps its place until `go` is called.
  void come(const std::string& who, bool urgent, const std::string& word, Nanoseconds patience = hours(1)) {
    asio::co_spawn(io, stand(this, who, urgent, word, patience), asio::detached);
    settle();
  }
  static asio::awaitable<void> stand(Line* self, std::string who, bool urgent, std::string word, Nanoseconds patience) {
    auto pass = co_await self->turnstile.enter(std::move(who), urgent, patience);
    self->words.push_back(pass ? word : word + ": " + std::string(infoOf(pass.error().code).name));
    if (pass) self->held.emplace_back(std::make_unique<Turnstile::Pass>(*std::move(pass)));
  }
  void settle() {
    io.restart();
    while (io.poll() > 0) {
    }
  }
  // The one that has been in the longest leaves.
  void go() {
    held.erase(held.begin());
    settle();
  }

  Turnstile turnstile{1};  // outlives who waits for it, and they go with io
  asio::io_context io;
  std::vector<std::string> words;
  std::vector<std::unique_ptr<Turnstile::Pass>> held;
};

TEST_F(Line, LetsUrgentOnesGoFirst) {
  come("a", false, "first");
  come("b", false, "patient");
  come("c", true, "urgent");
  EXPECT_EQ(words, (std::vector<std::string>{"first"}));
  go();
  go();
  EXPECT_EQ(words, (std::vector<std::string>{"first", "urgent", "patient"}));
}

// However many urgent ones there are, every fifth turn is another's.
TEST_F(Line, StarvesNobody) {
  come("a", false, "first");
  come("slow", false, "patient");
  for (int i = 0; i < 20; ++i) come("fast", true, "u");
  for (int i = 0; i < 5; ++i) go();
  EXPECT_EQ(words.size(), 6U);
  EXPECT_EQ(words.at(5), "patient");
}

TEST_F(Line, LetsTheOneWithFewestUnderWayGoFirst) {
  turnstile.setPlaces(2);
  come("greedy", false, "g1");
  come("greedy", false, "g2");
  come("greedy", false, "g3");
  come("greedy", false, "g4");
  come("modest", false, "m1");
  go();
  EXPECT_EQ(words.back(), "m1");
  go();
  EXPECT_EQ(words.back(), "g3") << "in order of coming among equals";
}

TEST_F(Line, GivesUpWhenItsPatienceIsOver) {
  come("a", false, "first");
  come("b", true, "late", milliseconds(1));
  io.restart();
  io.run_for(milliseconds(50));
  EXPECT_EQ(words.back(), "late: timed_out");
  EXPECT_EQ(turnstile.waiting(), 0U);
  go();
  EXPECT_EQ(turnstile.underWay(), 0U);
}

TEST_F(Line, ACancelledCallLeavesTheLine) {
  come("a", false, "first");
  asio::cancellation_signal cut;
  asio::co_spawn(io, stand(this, "b", true, "cut", hours(1)),
                 asio::bind_cancellation_slot(cut.slot(), [](std::exception_ptr) {}));
  settle();
  EXPECT_EQ(turnstile.waiting(), 1U);
  cut.emit(asio::cancellation_type::terminal);
  settle();
  EXPECT_EQ(turnstile.waiting(), 0U);
  come("c", false, "next");
  go();
  EXPECT_EQ(words.back(), "next");
}

// The room's end destroys the coroutine: in the line, or with a place that it was given and has not used yet.
TEST(Turnstile, ADestroyedCallGivesItsPlaceBack) {
  Turnstile turnstile(1);
  {
    asio::io_context io;
    auto enter = [](Turnstile* at, bool keep) -> asio::awaitable<void> {
      auto pass = co_await at->enter("a", false, hours(1));
      asio::steady_timer never(co_await asio::this_coro::executor, hours(1));
      if (keep) co_await never.async_wait(asio::use_awaitable);
    };
    asio::co_spawn(io, enter(&turnstile, true), asio::detached);
    asio::co_spawn(io, enter(&turnstile, true), asio::detached);
    while (io.poll() > 0) {
    }
    EXPECT_EQ(turnstile.underWay(), 1U);
    EXPECT_EQ(turnstile.waiting(), 1U);
  }
  EXPECT_EQ(turnstile.underWay(), 0U);
  EXPECT_EQ(turnstile.waiting(), 0U);
}

TEST_F(Line, TakesMorePlacesAtOnce) {
  come("a", false, "1");
  come("a", false, "2");
  come("a", false, "3");
  turnstile.setPlaces(3);
  settle();
  EXPECT_EQ(words.size(), 3U);
  turnstile.setPlaces(1);
  come("b", true, "4");
  go();
  go();
  EXPECT_EQ(words.size(), 3U) << "one is under way still";
  go();
  EXPECT_EQ(words.size(), 4U);
}

}  // namespace
}  // namespace agentos::models
