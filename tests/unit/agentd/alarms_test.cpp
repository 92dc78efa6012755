// SPDX-License-Identifier: Apache-2.0
#include "agentd/alarms.h"

#include <gtest/gtest.h>

#include <vector>

namespace agentos::agentd {
namespace {

using namespace std::chrono_literals;

struct Fixture {
  boost::asio::io_context io;
  FakeClock clock{Timestamp(std::chrono::hours(500'000))};
  Alarms alarms{io, clock, Alarms::Mode::kManual};
};

TEST(Alarms, RingInOrderOfTimeAndOnlyWhenDue) {
  Fixture f;
  std::vector<int> rang;
  f.alarms.after(3s, [&] { rang.push_back(3); });
  f.alarms.after(1s, [&] { rang.push_back(1); });
  f.alarms.after(2s, [&] { rang.push_back(2); });
  EXPECT_EQ(f.alarms.untilNext(), Nanoseconds(1s));
  f.alarms.fire();
  EXPECT_TRUE(rang.empty());
  f.clock.advance(2s);
  f.alarms.fire();
  EXPECT_EQ(rang, (std::vector<int>{1, 2}));
  EXPECT_EQ(f.alarms.untilNext(), Nanoseconds(1s));
}

TEST(Alarms, ACancelledOneIsSilentAndOneThatCancelsAnotherWins) {
  Fixture f;
  bool rang = false;
  const AlarmId second = f.alarms.after(2s, [&] { rang = true; });
  f.alarms.after(1s, [&] { f.alarms.cancel(second); });
  f.clock.advance(5s);
  f.alarms.fire();
  EXPECT_FALSE(rang);
  EXPECT_EQ(f.alarms.size(), 0U);
  f.alarms.cancel(second);  // once more: nothing
  f.alarms.cancel(0);
}

TEST(Alarms, OneThatSetsItselfAgainDoesNotHoldTheLoop) {
  Fixture f;
  int rang = 0;
  std::function<void()> again = [&] {
    ++rang;
    f.alarms.after(0s, again);
  };
  f.alarms.after(0s, again);
  f.alarms.fire();
  EXPECT_EQ(rang, 1);
  f.alarms.fire();
  EXPECT_EQ(rang, 2);
}

TEST(Alarms, TheWallClockJumpsAndTheBootClockDoesNot) {
  Fixture f;
  int wall = 0, boot = 0;
  f.alarms.atWall(f.clock.now() + 1h, [&] { ++wall; });
  f.alarms.after(1h, [&] { ++boot; });
  f.clock.jump(f.clock.now() + 2h);
  f.alarms.fire();
  EXPECT_EQ(wall, 1);
  EXPECT_EQ(boot, 0);
  f.clock.advance(1h);
  f.alarms.fire();
  EXPECT_EQ(boot, 1);
}

TEST(Alarms, ASetClockIsToldOfAfterWhatIsDueByIt) {
  Fixture f;
  std::vector<int> rang;
  f.alarms.atWall(f.clock.now() + 1h, [&] { rang.push_back(1); });
  f.alarms.onClockSet([&] { rang.push_back(2); });
  f.alarms.fire();
  EXPECT_TRUE(rang.empty());
  f.clock.jump(f.clock.now() + 2h);
  f.alarms.clockWasSet();
  EXPECT_EQ(rang, (std::vector<int>{1, 2}));
}

TEST(Alarms, TheRealOnesRingOnTheLoop) {
  boost::asio::io_context io;
  SystemClock clock;
  Alarms alarms(io, clock, Alarms::Mode::kReal);
  std::vector<int> rang;
  alarms.after(2ms, [&] { rang.push_back(1); });
  alarms.atWall(clock.now() + 4ms, [&] {
    rang.push_back(2);
    alarms.after(1ms, [&] {
      rang.push_back(3);
      alarms.shutDown();
    });
  });
  io.run_for(2s);
  EXPECT_EQ(rang, (std::vector<int>{1, 2, 3}));
}

}  // namespace
}  // namespace agentos::agentd
