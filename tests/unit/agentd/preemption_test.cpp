// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/preemption.h"

#include <gtest/gtest.h>

#include <set>

namespace agentos::agentd {
namespace {

using contract::LatencyClass;
using std::chrono::milliseconds;
using std::chrono::seconds;

InstanceId id(const std::string& text) { return InstanceId::parse(text + ".aaaaaa").value(); }
BootTime at(std::int64_t second) { return BootTime(seconds(1000 + second)); }
Preemption::Running one(const std::string& name, LatencyClass latency, int started) {
  return {id(name), latency, Timestamp(seconds(started))};
}

const auto kOld = one("old", LatencyClass::kDt, 1), kYoung = one("young", LatencyClass::kDt, 2);
const auto kSoft = one("soft", LatencyClass::kSrt, 3), kHard = one("hard", LatencyClass::kHrt, 4);

TEST(Preemption, TakesTheYoungestOfClassDtAndNobodyElse) {
  for (auto pressure : {Pressure::kMemory, Pressure::kCpu}) {
    for (const auto& urgent : {kSoft, kHard}) {
      Preemption preemption({});
      EXPECT_EQ(preemption.onPressure(pressure, at(0), {kOld, urgent, kYoung}), id("young"));
      EXPECT_EQ(preemption.onPressure(pressure, at(0), {urgent}), std::nullopt);
      EXPECT_EQ(preemption.onPressure(pressure, at(0), {}), std::nullopt);
    }
  }
}

TEST(Preemption, FreezesNobodyWhereNobodyGainsByIt) {
  Preemption preemption({});
  EXPECT_EQ(preemption.onPressure(Pressure::kCpu, at(0), {kOld, kYoung}), std::nullopt) << "nobody is urgent";
  EXPECT_EQ(preemption.onPressure(Pressure::kMemory, at(0), {kOld}), std::nullopt) << "the last one works on";
  EXPECT_EQ(preemption.onPressure(Pressure::kMemory, at(0), {kOld, kYoung}), id("young"));
  EXPECT_EQ(preemption.onPressure(Pressure::kMemory, at(0), {kOld, kSoft}), id("old"));
}

TEST(Preemption, WakesNobodyWhileNobodyIsPreempted) {
  Preemption preemption({});
  EXPECT_FALSE(preemption.nextLook());
  preemption.onPressure(Pressure::kMemory, at(0), {kOld});
  EXPECT_FALSE(preemption.nextLook());
  preemption.preempted(id("old"), at(0));
  EXPECT_TRUE(preemption.nextLook());
  preemption.forget(id("old"));
  EXPECT_FALSE(preemption.nextLook());
}

TEST(Preemption, LetsThemGoOnOneByOneWhenItHasBeenCalm) {
  Preemption preemption({});
  preemption.onPressure(Pressure::kMemory, at(0), {kOld, kYoung, kSoft});
  preemption.preempted(id("young"), at(0));
  preemption.onPressure(Pressure::kMemory, at(2), {kOld, kSoft});
  preemption.preempted(id("old"), at(2));
  EXPECT_FALSE(preemption.due(at(11))) << "the pressure is nine seconds ago";
  EXPECT_EQ(preemption.nextLook(), at(12));
  EXPECT_EQ(preemption.due(at(12)), id("young")) << "the longest frozen first";
  preemption.relieved(id("young"), at(12));
  EXPECT_FALSE(preemption.due(at(12))) << "not both at once";
  EXPECT_EQ(preemption.nextLook(), at(13));
  EXPECT_EQ(preemption.due(at(13)), id("old"));
  preemption.relieved(id("old"), at(13));
  EXPECT_FALSE(preemption.nextLook());
}

// Pressure that never ends: everybody of class DT still runs for at least half of the time.
TEST(Preemption, StarvesNobodyUnderPressureWithoutEnd) {
  Preemption preemption({});
  const std::vector<Preemption::Running> all = {kOld, kYoung, kSoft};
  std::map<InstanceId, int> ran;
  std::set<InstanceId> frozen;
  for (int second = 0; second < 1200; ++second) {
    std::vector<Preemption::Running> running;
    for (const auto& each : all)
      if (!frozen.contains(each.id)) running.push_back(each), ++ran[each.id];
    if (second % 2 == 0) {
      if (auto victim = preemption.onPressure(Pressure::kCpu, at(second), running)) {
        EXPECT_NE(*victim, id("soft"));
        frozen.insert(*victim);
        preemption.preempted(*victim, at(second));
      }
    }
    while (auto due = preemption.due(at(second))) {
      frozen.erase(*due);
      preemption.relieved(*due, at(second));
    }
  }
  EXPECT_EQ(ran[id("soft")], 1200);
  EXPECT_GE(ran[id("old")], 550);
  EXPECT_GE(ran[id("young")], 550);
  EXPECT_LE(ran[id("young")], 700) << "and did give way";
}

TEST(Preemption, LeavesOneAloneThatWasFrozenForTheLongest) {
  Preemption preemption({});
  preemption.onPressure(Pressure::kCpu, at(0), {kOld, kSoft});
  preemption.preempted(id("old"), at(0));
  preemption.onPressure(Pressure::kCpu, at(59), {kSoft});
  EXPECT_FALSE(preemption.due(at(59)));
  EXPECT_EQ(preemption.due(at(60)), id("old")) << "though the pressure goes on";
  preemption.relieved(id("old"), at(60));
  EXPECT_FALSE(preemption.onPressure(Pressure::kCpu, at(61), {kOld, kSoft}));
  EXPECT_FALSE(preemption.onPressure(Pressure::kCpu, at(119), {kOld, kSoft}));
  EXPECT_EQ(preemption.onPressure(Pressure::kCpu, at(120), {kOld, kSoft}), id("old"));
}

}  // namespace
}  // namespace agentos::agentd
