// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <gmock/gmock.h>

namespace agentos {
namespace {

using namespace std::chrono_literals;

TEST(ParseBytes, KnowsBinaryFromDecimal) {
  EXPECT_EQ(parseBytes("4GiB").value().count, 4294967296u);
  EXPECT_EQ(parseBytes("4GB").value().count, 4000000000u);
  EXPECT_EQ(parseBytes("1.5GiB").value().count, 1610612736u);
  EXPECT_EQ(parseBytes("512").value().count, 512u);
  EXPECT_EQ(parseBytes("0").value().count, 0u);
}

TEST(ParseBytes, RefusesWhatIsNotExact) {
  for (const char* text :
       {"", "GiB", "4 GiB", "4gib", "-1", "1e3", "0.3KiB", "99999999999TiB", "4GiBx", ".5GiB", "4.GiB"}) {
    auto parsed = parseBytes(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kUnit);
    EXPECT_THAT(parsed.error().message(), testing::HasSubstr("GiB"));
  }
}

TEST(ParseCpu, TakesCoresAndThousandths) {
  EXPECT_EQ(parseCpu("2").value().count, 2000);
  EXPECT_EQ(parseCpu("0.5").value().count, 500);
  EXPECT_EQ(parseCpu("250m").value().count, 250);
  for (const char* text : {"", "m", "0.5m", "2 cores", "-1", "0.0001"}) EXPECT_FALSE(parseCpu(text)) << text;
}

TEST(ParseDuration, AddsItsParts) {
  EXPECT_EQ(parseDuration("15m").value(), 15min);
  EXPECT_EQ(parseDuration("1h30m").value(), 90min);
  EXPECT_EQ(parseDuration("250ms").value(), 250ms);
  EXPECT_EQ(parseDuration("1d").value(), 24h);
  for (const char* text : {"", "15", "m", "1 h", "1x", "-1m", "400000d", "1h30"})
    EXPECT_FALSE(parseDuration(text)) << text;
}

TEST(ParseUsd, IsExact) {
  EXPECT_EQ(parseUsd("2.00").value().count, 2'000'000);
  EXPECT_EQ(parseUsd("0.000001").value().count, 1);
  EXPECT_EQ(parseUsd("150").value().count, 150'000'000);
  for (const char* text : {"", "$2", "0.0000001", "-1", "1,5", "9999999999999999"})
    EXPECT_FALSE(parseUsd(text)) << text;
}

TEST(Format, IsWhatParseReads) {
  for (std::uint64_t count : {0ull, 1ull, 512ull, 4294967296ull, 1610612736ull, 1000000001ull}) {
    EXPECT_EQ(parseBytes(formatBytes({count})).value().count, count);
  }
  for (std::int64_t count : {0, 1, 250, 500, 2000, 1234}) EXPECT_EQ(parseCpu(formatCpu({count})).value().count, count);
  for (std::int64_t count : {0ll, 1ll, 120ll, 2'000'000ll, 1'234'567ll}) {
    EXPECT_EQ(parseUsd(formatUsd({count})).value().count, count);
  }
  for (Nanoseconds time :
       {Nanoseconds(0s), Nanoseconds(90min), Nanoseconds(1500ms), Nanoseconds(25h), Nanoseconds(1)}) {
    EXPECT_EQ(parseDuration(formatDuration(time)).value(), time);
  }
  EXPECT_EQ(formatUsd({2'000'000}), "2.00");
  EXPECT_EQ(formatUsd({120}), "0.000120");
  EXPECT_EQ(formatUsd({-1'500'000}), "-1.50");
  EXPECT_EQ(formatBytes({4294967296}), "4GiB");
  EXPECT_EQ(formatCpu({500}), "0.5");
  EXPECT_EQ(formatDuration(90min), "1h30m");
}

}  // namespace
}  // namespace agentos
