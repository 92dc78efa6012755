// SPDX-License-Identifier: Apache-2.0
// Preemption through the whole daemon: the trigger's word, the frozen room, the clocks, a person's hand, a restart.
#include "agentd/supervisor/preemption.h"
#include "world.h"

namespace agentos::test {
namespace {

using agentd::State;

constexpr std::size_t kMemory = 0, kCpu = 1;

class Preempted : public ::testing::Test {
 protected:
  void SetUp() override {
    world.config.preemptMemory = 400ms;
    world.config.preemptCpu = 1s;
    world.config.preemptCalm = 10s;
    world.config.preemptLongest = 60s;
    const std::string service = "run: { mode: service, command: [\"/bin/true\"], timeout: 10m }\n";
    world.contract("calm", service);
    world.contract("busy", "class: { latency: SRT }\n" + service);
    ASSERT_TRUE(world.start());
    world.pass(1s);
    calm = world.daemon->supervisor().resolve("calm").value();
    busy = world.daemon->supervisor().resolve("busy").value();
  }
  void press(std::size_t which) {
    world.spawner.press(which);
    world.pass(100ms);
  }
  bool preempted(const InstanceId& id) {
    const auto view = world.daemon->supervisor().view(id);
    return view->preempted && view->state == State::kPaused && world.spawner.rooms.at(id).frozen;
  }
  World world;
  InstanceId calm, busy;
};

TEST_F(Preempted, ADelayTolerantAgentGivesWayAndGoesOnWhenItIsCalm) {
  EXPECT_EQ(world.spawner.pressureAsked, (sandbox::PressureAsk{400'000, 1'000'000}));
  press(kCpu);
  EXPECT_TRUE(preempted(calm));
  EXPECT_FALSE(preempted(busy));
  EXPECT_EQ(world.audited("instance.preempted"), 1U);
  world.pass(5s);
  press(kCpu);  // it goes on: ten seconds from here
  world.pass(9s);
  EXPECT_TRUE(preempted(calm));
  world.pass(2s);
  EXPECT_FALSE(world.spawner.rooms.at(calm).frozen);
  EXPECT_EQ(world.daemon->supervisor().view(calm)->state, State::kRunning);
  EXPECT_EQ(world.audited("instance.relieved"), 1U);
}

TEST_F(Preempted, ItsClocksStandStill) {
  world.pass(9min);
  for (int i = 0; i < 29; ++i) {  // frozen for as long as it may be
    press(kMemory);
    world.pass(1900ms);
  }
  EXPECT_TRUE(preempted(calm));
  EXPECT_EQ(world.daemon->supervisor().view(busy)->state, State::kRunning);
  world.pass(30s);  // eleven minutes after its start, a minute of which it was frozen
  EXPECT_EQ(world.daemon->supervisor().view(calm)->state, State::kRunning);
  EXPECT_NE(world.daemon->supervisor().view(busy)->state, State::kRunning) << "the one beside it has timed out";
}

TEST_F(Preempted, APersonsPauseTakesItOverAndAResumeEndsIt) {
  press(kCpu);
  ASSERT_TRUE(world.await(world.daemon->supervisor().pause(calm, "uid:0")));
  EXPECT_FALSE(world.daemon->supervisor().view(calm)->preempted);
  world.pass(5min);
  EXPECT_TRUE(world.spawner.rooms.at(calm).frozen) << "a person froze it, agentd does not thaw it";
  ASSERT_TRUE(world.await(world.daemon->supervisor().resume(calm, "uid:0")));
  press(kCpu);
  ASSERT_TRUE(preempted(calm));
  ASSERT_TRUE(world.await(world.daemon->supervisor().resume(calm, "uid:0")));
  EXPECT_FALSE(world.spawner.rooms.at(calm).frozen);
  EXPECT_EQ(world.daemon->supervisor().view(calm)->state, State::kRunning);
}

TEST_F(Preempted, AStopAndAKillEndIt) {
  press(kCpu);
  ASSERT_TRUE(preempted(calm));
  EXPECT_TRUE(world.await(world.daemon->supervisor().kill(calm, 9, "uid:0")));
  world.pass(1s);
  EXPECT_EQ(world.daemon->supervisor().view(calm)->state, State::kExited);
  world.pass(5min);  // and what was to thaw it finds nobody
  EXPECT_EQ(world.audited("instance.relieved"), 0U);
}

TEST_F(Preempted, ANewDaemonLetsItGoOn) {
  press(kCpu);
  ASSERT_TRUE(preempted(calm));
  world.kill();
  ASSERT_TRUE(world.start());
  EXPECT_TRUE(preempted(calm)) << "adopted as what it was";
  world.pass(9s);
  EXPECT_TRUE(preempted(calm)) << "the pressure may be there still";
  world.pass(2s);
  EXPECT_FALSE(world.spawner.rooms.at(calm).frozen);
  EXPECT_EQ(world.daemon->supervisor().view(calm)->state, State::kRunning);
}

TEST_F(Preempted, ANewDaemonThatPreemptsNobodyThawsItAtOnce) {
  press(kCpu);
  world.kill();
  world.config.preempt = false;
  ASSERT_TRUE(world.start());
  EXPECT_FALSE(world.spawner.rooms.at(calm).frozen);
  EXPECT_EQ(world.daemon->supervisor().view(calm)->state, State::kRunning);
}

TEST_F(Preempted, WithoutTriggersItIsSaid) {
  world.kill();
  world.spawner.tellsPressure = false;
  ASSERT_TRUE(world.start());
  EXPECT_EQ(world.daemon->supervisor().view(calm)->state, State::kRunning);
}

}  // namespace
}  // namespace agentos::test
