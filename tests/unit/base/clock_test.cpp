// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <gmock/gmock.h>

namespace agentos {
namespace {

using namespace std::chrono_literals;

TEST(Timestamp, ReadsWhatItWrites) {
  Timestamp time = parseTimestamp("2026-11-20T14:03:07.120Z").value();
  EXPECT_EQ(formatUtc(time), "2026-11-20T14:03:07.120Z");
  EXPECT_EQ(formatUtc(parseTimestamp("1969-12-31T23:59:59.5Z").value()), "1969-12-31T23:59:59.500Z");
}

TEST(Timestamp, TakesTheFormsThatPeopleWrite) {
  Timestamp time = parseTimestamp("2026-11-20T14:03:00Z").value();
  for (const char* text :
       {"2026-11-20T15:03:00+01:00", "2026-11-20 14:03", "2026-11-20T14:03", "2026-11-20T09:03:00-0500"}) {
    EXPECT_EQ(parseTimestamp(text).value(), time) << text;
  }
  EXPECT_EQ(formatUtc(parseTimestamp("2026-11-20").value()), "2026-11-20T00:00:00.000Z");
}

TEST(Timestamp, RefusesWhatIsNone) {
  for (const char* text : {"", "now", "2026-13-01", "2026-02-30", "2026-11-20T25:00", "2026-11-20T14:03:00X",
                           "20261120", "2026-11-20T14:03:00.Z", "9999-01-01", "2026-11--1"}) {
    auto parsed = parseTimestamp(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(Zones, KnowDaylightSaving) {
  Timestamp winter = parseTimestamp("2026-01-15T23:30:00Z").value();
  Timestamp summer = parseTimestamp("2026-07-15T22:30:00Z").value();
  EXPECT_EQ(formatLocal(winter, "Europe/Berlin").value(), "2026-01-16T00:30:00+01:00");
  EXPECT_EQ(formatLocal(summer, "Europe/Berlin").value(), "2026-07-16T00:30:00+02:00");
  EXPECT_EQ(formatLocal(summer, "America/St_Johns").value(), "2026-07-15T20:00:00-02:30");
  EXPECT_EQ(localDate(winter, "Europe/Berlin").value(), "2026-01-16");
  EXPECT_EQ(localDate(winter, "UTC").value(), "2026-01-15");
  EXPECT_FALSE(formatLocal(winter, "Mars/Olympus"));
}

TEST(FakeClock, JumpsWithoutMovingBootTime) {
  FakeClock clock(parseTimestamp("2026-11-20T14:00:00Z").value());
  BootTime boot = clock.bootNow();
  clock.jump(clock.now() - 1h);
  EXPECT_EQ(clock.bootNow(), boot);
  clock.advance(5s);
  EXPECT_EQ(clock.bootNow() - boot, 5s);
}

TEST(SystemClock, GoesOn) {
  SystemClock clock;
  BootTime before = clock.bootNow();
  EXPECT_GE(clock.bootNow(), before);
  EXPECT_EQ(bootId().value().size(), 36u);
}

}  // namespace
}  // namespace agentos
