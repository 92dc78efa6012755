// SPDX-License-Identifier: Apache-2.0
// Two hundred processes that do all they can to get away: double-forked, in sessions of their own, deaf to signals.
#include <filesystem>
#include <thread>

#include "hostile.h"

namespace agentos::test {
namespace {

// 200 orphans: their parents are gone, each in a session of its own, every other one deaf, ten of them spinning.
constexpr const char* kTree =
    "for ((i = 0; i < 200; i++)); do"
    "  if ((i % 20 == 0)); then work='while :; do :; done'; else work='exec sleep 1000'; fi;"
    "  if ((i % 2)); then deaf=\"trap '' TERM INT HUP QUIT;\"; else deaf=; fi;"
    "  (setsid bash -c \"$deaf $work\" &);"
    "done; trap '' TERM; echo grown; while :; do sleep 0.5; done";

class Trees : public Hostile {
 protected:
  std::string id_;
  std::vector<pid_t> all_;

  void grow() {
    agentd.contract("tree", bashOnTask(kTree));
    agentd.start();
    agentd.addTask("grow", "tree");
    id_ = runningWith("tree", "grown");
    ASSERT_TRUE(eventually([&] { return agentd.processes(id_).size() >= 202; }, 20s)) << agentd.processes(id_).size();
    all_ = agentd.processes(id_);
    agentd.ask({"cycle", "hold", "tree"});
  }
  std::uint64_t payTicks() {
    std::uint64_t sum = 0;
    const auto init = agentd.status(id_)["pid"].get<pid_t>();
    for (const pid_t pid : all_)
      if (pid != init) sum += cpuTicks(pid);
    return sum;
  }
  bool frozen() { return readWhole(agentd.cgroup(id_) + "/pay/cgroup.events").find("frozen 1") != std::string::npos; }
  void noneIsLeft() {
    EXPECT_TRUE(eventually([&] { return agentd.status(id_)["state"] == "exited"; }));
    for (const pid_t pid : all_) EXPECT_TRUE(eventually([&] { return !isAlive(pid); }, 2s)) << pid;
    EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(agentd.cgroup(id_)); }));
  }
};

TEST_F(Trees, PauseFreezesAllOfThemAndKillTakesThemFrozen) {
  grow();
  const auto before = payTicks();
  ASSERT_TRUE(eventually([&] { return payTicks() > before + 5; })) << "the control: they do use time";
  EXPECT_EQ(agentd.ctl({"pause", id_}).status, 0);
  EXPECT_TRUE(frozen()) << "as soon as pause returns";
  const auto still = payTicks();
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(payTicks(), still);
  EXPECT_EQ(agentd.ctl({"kill", id_}).status, 0);
  noneIsLeft();
  endWithNothingLeft();
}

TEST_F(Trees, AResumedTreeGoesOnAndAStopEndsTheDeafOnesAfterTheGrace) {
  grow();
  EXPECT_EQ(agentd.ctl({"pause", id_}).status, 0);
  const auto still = payTicks();
  EXPECT_EQ(agentd.ctl({"resume", id_}).status, 0);
  EXPECT_TRUE(eventually([&] { return payTicks() > still + 5; }));
  EXPECT_EQ(agentd.ctl({"pause", id_}).status, 0);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(agentd.ctl({"stop", id_, "--grace", "700ms"}).status, 0) << "while paused: thawed first";
  noneIsLeft();
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, 650ms) << "the grace is given";
  EXPECT_LE(took, 6s);
  EXPECT_EQ(agentd.status(id_)["exit"]["signal"], 9);
  endWithNothingLeft();
}

TEST_F(Trees, TimePausedIsNoTimeOfTheRunAndItsTimeoutEndsTheWholeTree) {
  agentd.contract("slow",
                  "schedule: { on: [task] }\nrun: { mode: cycle, timeout: 2s, stop: { grace: 200ms }, command: "
                  "[\"/bin/bash\", \"-c\", " +
                      Json("trap '' TERM; for i in 1 2 3 4 5 6; do (setsid sleep 1000 &); done; echo grown; while :; "
                           "do sleep 0.1; done")
                          .dump() +
                      "] }\n");
  agentd.start();
  const std::string task = agentd.addTask("sleep", "slow");
  id_ = runningWith("slow", "grown");
  all_ = agentd.processes(id_);
  EXPECT_EQ(agentd.ctl({"pause", id_}).status, 0);
  std::this_thread::sleep_for(2500ms);
  EXPECT_EQ(agentd.status(id_)["state"], "paused") << "its two seconds stand still";
  EXPECT_EQ(agentd.ctl({"resume", id_}).status, 0);
  EXPECT_TRUE(eventually([&] { return agentd.status(id_)["state"] == "exited"; }, 8s));
  noneIsLeft();
  EXPECT_NE(readWhole(agentd.company() + "/agents/tasks/queued/" + task + ".md").find("timed out after 2s"),
            std::string::npos);
  endWithNothingLeft();
}

}  // namespace
}  // namespace agentos::test
