// SPDX-License-Identifier: Apache-2.0
#include "company/schedule.h"

#include "fixture.h"

namespace agentos::company {
namespace {

using namespace std::chrono_literals;
using contract::CatchUp;
using contract::Schedule;

const AgentName kMaker = agent("maker");

std::string due(const Schedule& schedule, const char* since, const char* last, const char* now,
                const char* zone = "UTC", const AgentName& who = kMaker) {
  CycleHistory history{at(since), *last == '\0' ? std::nullopt : std::optional(at(last))};
  auto moment = dueAt(schedule, who, history, at(now), zone);
  EXPECT_TRUE(moment) << moment.error().message();
  return moment && *moment ? formatUtc(**moment) : "never";
}
Schedule every(Nanoseconds interval) {
  Schedule schedule;
  schedule.every = interval;
  return schedule;
}
Schedule cron(const char* text) {
  Schedule schedule;
  schedule.cron = text;
  return schedule;
}

TEST(DueAt, NothingScheduledIsNever) {
  EXPECT_EQ(due({}, "2026-11-20T00:00:00Z", "", "2026-11-20T10:00:00Z"), "never");
}

TEST(DueAt, EveryCountsFromTheLastRun) {
  EXPECT_EQ(due(every(15min), "2026-11-20T10:00:00Z", "", "2026-11-20T10:00:00Z"), "2026-11-20T10:00:00.000Z");
  EXPECT_EQ(due(every(15min), "2026-11-20T10:00:00Z", "2026-11-20T10:00:01Z", "2026-11-20T10:00:02Z"),
            "2026-11-20T10:15:01.000Z");
}

TEST(DueAt, MissedTimesAreCaughtUpOnceOrSkipped) {
  Schedule daily = cron("0 6 * * *");  // the machine was off from the 17th to the 20th
  EXPECT_EQ(due(daily, "2026-11-20T10:00:00Z", "2026-11-17T06:00:00Z", "2026-11-20T10:00:00Z"),
            "2026-11-20T10:00:00.000Z");
  EXPECT_EQ(due(daily, "2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z", "2026-11-20T10:00:05Z"),
            "2026-11-21T06:00:00.000Z");
  daily.catchUp = CatchUp::kSkip;
  EXPECT_EQ(due(daily, "2026-11-20T10:00:00Z", "2026-11-17T06:00:00Z", "2026-11-20T10:00:00Z"),
            "2026-11-21T06:00:00.000Z");
  Schedule often = every(1h);
  often.catchUp = CatchUp::kSkip;
  EXPECT_EQ(due(often, "2026-11-19T00:00:00Z", "2026-11-20T02:30:00Z", "2026-11-20T10:00:00Z"),
            "2026-11-20T10:30:00.000Z");
}

TEST(DueAt, TheExactMinuteIsNotNeeded) {  // looked at 40 s late: late, not missed
  Schedule minute = cron("0 6 * * *");
  minute.catchUp = CatchUp::kSkip;
  EXPECT_EQ(due(minute, "2026-11-20T05:00:00Z", "2026-11-19T06:00:00Z", "2026-11-20T06:00:40Z"),
            "2026-11-20T06:00:00.000Z");
}

TEST(DueAt, HoursHoldBackUntilTheOpening) {
  Schedule day = every(15min);
  day.hours = contract::Hours{7 * 60, 23 * 60};
  EXPECT_EQ(due(day, "2026-11-20T00:00:00Z", "2026-11-20T22:50:00Z", "2026-11-20T22:51:00Z"),
            "2026-11-21T07:00:00.000Z");
  EXPECT_EQ(due(day, "2026-11-20T00:00:00Z", "2026-11-20T21:50:00Z", "2026-11-20T21:51:00Z", "Europe/Berlin"),
            "2026-11-21T06:00:00.000Z");
  day.hours = contract::Hours{22 * 60, 6 * 60};  // over midnight
  EXPECT_EQ(due(day, "2026-11-20T00:00:00Z", "2026-11-20T23:50:00Z", "2026-11-20T23:51:00Z"),
            "2026-11-21T00:05:00.000Z");
  EXPECT_EQ(due(day, "2026-11-20T00:00:00Z", "2026-11-20T05:50:00Z", "2026-11-20T05:51:00Z"),
            "2026-11-20T22:00:00.000Z");
}

TEST(DueAt, ACaughtUpRunKeepsTheHours) {
  Schedule night = cron("0 3 * * *");
  night.hours = contract::Hours{7 * 60, 23 * 60};
  EXPECT_EQ(due(night, "2026-11-20T00:00:00Z", "2026-11-19T07:00:00Z", "2026-11-20T02:00:00Z"),
            "2026-11-20T07:00:00.000Z");
  EXPECT_EQ(due(night, "2026-11-20T00:00:00Z", "2026-11-17T07:00:00Z", "2026-11-20T02:00:00Z"),
            "2026-11-20T07:00:00.000Z");
  night.catchUp = CatchUp::kSkip;
  EXPECT_EQ(due(night, "2026-11-20T00:00:00Z", "", "2026-11-20T02:00:00Z"), "never");
}

TEST(DueAt, JitterIsEachAgentsOwnAndStays) {
  Schedule jittered = every(15min);
  jittered.jitter = 30s;
  std::set<std::string> moments;
  for (int i = 0; i < 100; ++i) {
    const AgentName who = agent("agent-" + std::to_string(i));
    const std::string moment = due(jittered, "2026-11-20T10:00:00Z", "", "2026-11-20T10:00:00Z", "UTC", who);
    EXPECT_GE(moment, "2026-11-20T10:00:00.000Z");
    EXPECT_LT(moment, "2026-11-20T10:00:30.000Z");
    EXPECT_EQ(moment, due(jittered, "2026-11-20T10:00:00Z", "", "2026-11-20T10:00:00Z", "UTC", who));
    moments.insert(moment);
  }
  EXPECT_GT(moments.size(), 90U);
}

TEST(DueAt, JitterLargerThanTheStepOfCronLosesNothing) {
  Schedule minute = cron("* * * * *");
  minute.jitter = 10min;
  Timestamp last = at("2026-11-20T10:00:00Z");
  for (int i = 0; i < 5; ++i) {
    const auto next = dueAt(minute, kMaker, {at("2026-11-20T09:00:00Z"), last}, last, "UTC").value();
    ASSERT_TRUE(next);
    EXPECT_GT(*next, last);
    EXPECT_LE(*next - last, 1min);
    last = *next;
  }
}

TEST(DueAt, AClockThatWasSetBackDoesNotStopIt) {
  EXPECT_EQ(due(every(15min), "2026-11-20T10:00:00Z", "2027-11-20T10:00:00Z", "2026-11-20T10:00:00Z"),
            "2026-11-20T10:15:00.000Z");
}

TEST(DueAt, TheEarlierOfEveryAndCron) {
  Schedule both = cron("0 12 * * *");
  both.every = 1h;
  EXPECT_EQ(due(both, "2026-11-20T10:00:00Z", "2026-11-20T11:30:00Z", "2026-11-20T11:31:00Z"),
            "2026-11-20T12:00:00.000Z");
  EXPECT_EQ(due(both, "2026-11-20T10:00:00Z", "2026-11-20T12:00:00Z", "2026-11-20T12:00:01Z"),
            "2026-11-20T13:00:00.000Z");
}

TEST(DueAt, RefusesZoneAndCronThatCannotBeRead) {
  EXPECT_CODE(dueAt(every(1h), kMaker, {}, at("2026-11-20T10:00:00Z"), "Moon/Base"), ErrorCode::kInvalidArgument);
  EXPECT_CODE(dueAt(cron("x"), kMaker, {}, at("2026-11-20T10:00:00Z"), "UTC"), ErrorCode::kInvalidArgument);
}

TEST(OpenFrom, SaysWhenAWakeMayStart) {
  Schedule day;
  EXPECT_EQ(openFrom(day, at("2026-11-20T03:00:00Z"), "UTC").value(), at("2026-11-20T03:00:00Z"));
  day.hours = contract::Hours{7 * 60, 23 * 60};
  EXPECT_EQ(openFrom(day, at("2026-11-20T03:00:00Z"), "UTC").value(), at("2026-11-20T07:00:00Z"));
  EXPECT_EQ(openFrom(day, at("2026-11-20T22:59:59Z"), "UTC").value(), at("2026-11-20T22:59:59Z"));
  EXPECT_EQ(openFrom(day, at("2026-11-20T23:00:00Z"), "UTC").value(), at("2026-11-21T07:00:00Z"));
  // The opening lies in the hour that Berlin skips: the moment of the change.
  day.hours = contract::Hours{2 * 60 + 30, 23 * 60};
  EXPECT_EQ(openFrom(day, at("2026-03-29T00:10:00Z"), "Europe/Berlin").value(), at("2026-03-29T01:00:00Z"));
}

}  // namespace
}  // namespace agentos::company
