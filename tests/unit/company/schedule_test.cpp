// SPDX-License-Identifier: Apache-2.0
#include "company/schedule.h"

#include "fixture.h"

namespace agentos::company {
namespace {

std::string zulu(std::string time) {
  if (time.ends_with("+00:00")) time.replace(time.size() - 6, 6, "Z");
  return time;
}

std::string nextOf(const char* text, const char* after, const char* zone = "UTC") {
  auto cron = Cron::parse(text);
  EXPECT_TRUE(cron) << text << ": " << cron.error().message();
  auto next = cron->next(at(after), zone);
  return next ? zulu(formatLocal(*next, zone).value()) : "never";
}

// Several in a row, each after the one before.
std::vector<std::string> series(const char* text, const char* after, const char* zone, int count) {
  std::vector<std::string> moments;
  Timestamp from = at(after);
  const Cron cron = Cron::parse(text).value();
  for (int i = 0; i < count; ++i) {
    from = cron.next(from, zone).value();
    moments.push_back(zulu(formatLocal(from, zone).value()));
  }
  return moments;
}

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Cron, StepsListsRangesAndNames) {
  EXPECT_EQ(nextOf("*/15 * * * *", "2026-11-20T10:00:00Z"), "2026-11-20T10:15:00Z");
  EXPECT_EQ(nextOf("*/15 * * * *", "2026-11-20T10:14:59.999Z"), "2026-11-20T10:15:00Z");
  EXPECT_EQ(nextOf("*/15 * * * *", "2026-11-20T23:45:00Z"), "2026-11-21T00:00:00Z");
  EXPECT_EQ(nextOf("5,35 7-9/2 * * *", "2026-11-20T07:35:00Z"), "2026-11-20T09:05:00Z");
  EXPECT_EQ(nextOf("10/20 * * * *", "2026-11-20T07:31:00Z"), "2026-11-20T07:50:00Z");
  EXPECT_EQ(nextOf("0 9 * * MON-fri", "2026-11-20T09:00:00Z"), "2026-11-23T09:00:00Z");
  EXPECT_EQ(nextOf("0 0 1 jan,Jul *", "2026-11-20T00:00:00Z"), "2027-01-01T00:00:00Z");
  EXPECT_EQ(nextOf("0 0 * * 7", "2026-11-20T00:00:00Z"), "2026-11-22T00:00:00Z");
  EXPECT_EQ(nextOf("0 0 * * 0", "2026-11-20T00:00:00Z"), "2026-11-22T00:00:00Z");
}

TEST(Cron, TwoRestrictedDaysMeanEither) {
  EXPECT_THAT(series("0 0 13 * fri", "2026-11-07T00:00:00Z", "UTC", 3),
              ElementsAre("2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z"));
  EXPECT_EQ(nextOf("0 0 25 * fri", "2026-11-21T00:00:00Z"), "2026-11-25T00:00:00Z");
  EXPECT_EQ(nextOf("0 0 * * fri", "2026-11-21T00:00:00Z"), "2026-11-27T00:00:00Z");
  EXPECT_EQ(nextOf("0 0 */31 * fri", "2026-11-21T00:00:00Z"),
            "2027-01-01T00:00:00Z");  // a star does not restrict: both
}

TEST(Cron, ImpossibleDatesEnd) {
  EXPECT_EQ(nextOf("0 0 30 feb *", "2026-11-20T00:00:00Z"), "never");
  EXPECT_EQ(nextOf("0 0 31 4,6,9,11 *", "2026-11-20T00:00:00Z"), "never");
  EXPECT_EQ(nextOf("0 0 29 2 *", "2026-11-20T00:00:00Z"), "2028-02-29T00:00:00Z");
  EXPECT_EQ(nextOf("0 0 29 2 *", "2097-01-01T00:00:00Z"), "2104-02-29T00:00:00Z");
}

TEST(Cron, BerlinSpringForward) {  // 2026-03-29 02:00 → 03:00
  EXPECT_THAT(series("30 2 * * *", "2026-03-28T00:00:00Z", "Europe/Berlin", 3),
              ElementsAre("2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"));
  EXPECT_THAT(series("*/15 * * * *", "2026-03-29T00:40:00Z", "Europe/Berlin", 3),
              ElementsAre("2026-03-29T01:45:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:15:00+02:00"));
}

TEST(Cron, BerlinFallBack) {  // 2026-10-25 03:00 → 02:00
  EXPECT_THAT(series("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Berlin", 2),
              ElementsAre("2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"));
  EXPECT_THAT(series("*/30 * * * *", "2026-10-24T23:40:00Z", "Europe/Berlin", 4),
              ElementsAre("2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-25T03:00:00+01:00",
                          "2026-10-25T03:30:00+01:00"));
  // Asked in the second 02:15: what ran in the first hour does not run again.
  EXPECT_EQ(nextOf("30 2 * * *", "2026-10-25T01:15:00Z", "Europe/Berlin"), "2026-10-26T02:30:00+01:00");
}

TEST(Cron, NewYorkBothWays) {
  EXPECT_THAT(series("30 2 * * *", "2026-03-07T12:00:00Z", "America/New_York", 2),
              ElementsAre("2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"));
  EXPECT_THAT(series("30 1 * * *", "2026-10-31T12:00:00Z", "America/New_York", 2),
              ElementsAre("2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"));
  EXPECT_EQ(nextOf("0 9 * * *", "2026-11-01T00:00:00Z", "America/New_York"), "2026-11-01T09:00:00-05:00");
}

TEST(Cron, RefusesWhatItCannotMean) {
  for (const char* text :
       {"",           "* * * *",   "* * * * * *", "60 * * * *",   "* 24 * * *",  "* * 0 * *",
        "* * * 13 *", "* * * * 8", "*/0 * * * *", "*/x * * * *",  "5-1 * * * *", "1, * * * *",
        "-1 * * * *", "a * * * *", "* * * foo *", "1--2 * * * *", "1/ * * * *",  "99999999999 * * * *",
        "@daily",     "+1 * * * *"}) {
    auto cron = Cron::parse(text);
    EXPECT_FALSE(cron) << text;
    if (!cron) EXPECT_EQ(cron.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_THAT(Cron::parse("61 * * * *").error().message(), HasSubstr("'61' is no minute"));
  EXPECT_FALSE(Cron::parse("* * * * *")->next(at("2026-11-20T00:00:00Z"), "Moon/Base"));
}

}  // namespace
}  // namespace agentos::company
