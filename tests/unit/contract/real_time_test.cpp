// SPDX-License-Identifier: Apache-2.0
#include "contract/real_time.h"

#include <gtest/gtest.h>

namespace agentos::contract {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

Reservation asked(Slo slo) {
  Contract contract;
  contract.latency = LatencyClass::kHrt;
  contract.slo = slo;
  return reservationOf(contract);
}

Slo slo(std::optional<std::int64_t> onsetMs, std::optional<std::int64_t> jitter) {
  return {.onsetMs = onsetMs, .turnMs = {}, .jitterP95Pct = jitter};
}

TEST(RealTime, TakesWhatIsNotWrittenFromTheObjectives) {
  EXPECT_EQ(asked({}), (Reservation{milliseconds(10), milliseconds(100), milliseconds(100)}));
  EXPECT_EQ(asked(slo(10, {})), (Reservation{milliseconds(1), milliseconds(10), milliseconds(10)}));
  EXPECT_EQ(asked(slo(10, 20)), (Reservation{milliseconds(1), milliseconds(2), milliseconds(10)}));
  EXPECT_EQ(asked(slo(10, 5)), (Reservation{microseconds(500), microseconds(500), milliseconds(10)}));
  EXPECT_EQ(asked(slo(10, 0)).deadline, microseconds(100)) << "no jitter at all is one percent";
  EXPECT_EQ(asked(slo(10, 400)).deadline, milliseconds(10));
  EXPECT_EQ(asked(slo(86'400'000, {})).period, milliseconds(4000)) << "the kernel's longest";
}

TEST(RealTime, KeepsWhatIsWrittenAndMakesTheRestFit) {
  Slo written;
  written.runtimeUs = 150'000;
  EXPECT_EQ(asked(written), (Reservation{milliseconds(150), milliseconds(150), milliseconds(150)}));
  written = {};
  written.deadlineUs = 500;
  EXPECT_EQ(asked(written), (Reservation{microseconds(500), microseconds(500), milliseconds(100)}));
  written.periodUs = 100;
  written.deadlineUs.reset();
  EXPECT_EQ(asked(written), (Reservation{microseconds(10), microseconds(100), microseconds(100)}));
}

TEST(EdfTest, IsExactOnOneProcessor) {
  const Reservation half{milliseconds(5), milliseconds(10), milliseconds(10)};
  RealTime machine{1, 1'000'000, {half}, ""};
  EXPECT_TRUE(testEdf(machine, half).fits());
  EXPECT_FALSE(testEdf(machine, {milliseconds(5) + microseconds(1), milliseconds(10), milliseconds(10)}).fits());
  machine.sharePpm = 950'000;
  EXPECT_FALSE(testEdf(machine, half).fits()) << "the kernel keeps five percent";
}

// Dhall's effect: many small ones and a large one miss deadlines though half of the machine is idle.
TEST(EdfTest, RefusesALargeOneBesideSmallOnes) {
  const Reservation large{milliseconds(90), milliseconds(100), milliseconds(100)};
  const Reservation small{microseconds(200), milliseconds(1), milliseconds(1)};
  const RealTime machine{2, 1'000'000, {small}, ""};
  const EdfTest test = testEdf(machine, large);
  EXPECT_EQ(test.densityPpm, 1'100'000);
  EXPECT_EQ(test.boundPpm, 1'100'000);
  EXPECT_TRUE(test.fits());
  EXPECT_FALSE(testEdf({2, 1'000'000, {small, small}, ""}, large).fits());
}

TEST(EdfTest, CountsByTheDeadlineAndNotByThePeriod) {
  const Reservation tight{milliseconds(2), milliseconds(2), milliseconds(100)};  // two percent of the time, all at once
  EXPECT_TRUE(testEdf({1, 1'000'000, {}, ""}, tight).fits());
  EXPECT_FALSE(testEdf({1, 1'000'000, {tight}, ""}, tight).fits());
}

TEST(EdfTest, GivesNothingWhereThereIsNothing) {
  EXPECT_FALSE(testEdf({}, {milliseconds(1), milliseconds(10), milliseconds(10)}).fits());
}

}  // namespace
}  // namespace agentos::contract
