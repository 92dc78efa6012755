// SPDX-License-Identifier: Apache-2.0
#include "models/period.h"

#include <gtest/gtest.h>

namespace agentos::models {
namespace {

Timestamp at(const char* text) { return *parseTimestamp(text); }

TEST(Period, DaysWeeksAndMonthsBeginWhereTheCalendarSays) {
  EXPECT_EQ(*firstDayOf(Period::kDay, "2026-11-20"), "2026-11-20");
  EXPECT_EQ(*firstDayOf(Period::kWeek, "2026-11-20"), "2026-11-16");  // a Friday; weeks begin on Monday
  EXPECT_EQ(*firstDayOf(Period::kWeek, "2026-11-16"), "2026-11-16");
  EXPECT_EQ(*firstDayOf(Period::kWeek, "2026-11-22"), "2026-11-16");
  EXPECT_EQ(*firstDayOf(Period::kWeek, "2027-01-01"), "2026-12-28");  // across the year
  EXPECT_EQ(*firstDayOf(Period::kMonth, "2026-11-20"), "2026-11-01");
  EXPECT_FALSE(firstDayOf(Period::kDay, "2026-02-30"));
  EXPECT_FALSE(firstDayOf(Period::kDay, "yesterday"));
}

TEST(Period, EndsAtTheNextLocalMidnight) {
  EXPECT_EQ(*endOf(Period::kDay, at("2026-11-20T12:00:00Z"), "Europe/Berlin"), "2026-11-21T00:00:00+01:00");
  EXPECT_EQ(*endOf(Period::kDay, at("2026-11-20T23:30:00Z"), "Europe/Berlin"), "2026-11-22T00:00:00+01:00");
  EXPECT_EQ(*endOf(Period::kWeek, at("2026-11-20T12:00:00Z"), "America/New_York"), "2026-11-23T00:00:00-05:00");
  EXPECT_EQ(*endOf(Period::kMonth, at("2026-12-31T23:59:59Z"), "UTC"), "2027-01-01T00:00:00+00:00");
}

// The offset after the change is that of the end, not of now.
TEST(Period, EndsRightAcrossAChangeOfClocks) {
  EXPECT_EQ(*endOf(Period::kDay, at("2026-10-24T23:00:00Z"), "Europe/Berlin"), "2026-10-26T00:00:00+01:00");
  EXPECT_EQ(*endOf(Period::kDay, at("2026-03-28T23:30:00Z"), "Europe/Berlin"), "2026-03-30T00:00:00+02:00");
}

// In Beirut 2026 has a day that begins at 01:00: midnight does not exist.
TEST(Period, EndsAtTheFirstMomentOfADayWithoutMidnight) {
  EXPECT_EQ(*endOf(Period::kDay, at("2026-03-28T12:00:00Z"), "Asia/Beirut"), "2026-03-29T01:00:00+03:00");
}

}  // namespace
}  // namespace agentos::models
