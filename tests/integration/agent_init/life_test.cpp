// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "harness.h"

namespace agentos::sandbox::testing {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> namesIn(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) names.push_back(entry.path().filename());
  return names;
}

TEST(AgentInit, RunsItsPayloadAndRecordsHowItEnded) {
  InitRoom room({.plan = planFor({program("exit_with"), "7", "hello\n", "oops"})});
  EXPECT_EQ(room.sync(), "S");
  EXPECT_EQ(room.sync(), "");
  ASSERT_EQ(room.wait(), 0);
  auto record = room.record();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->code, 7);
  EXPECT_FALSE(record->signal);
  EXPECT_FALSE(record->execFailed);
  EXPECT_GT(record->startedNs, 1'700'000'000'000'000'000);
  EXPECT_GE(record->endedNs, record->startedNs);
  EXPECT_GT(record->ranNs, 0);
  EXPECT_LT(record->ranNs, 5'000'000'000);
  EXPECT_GT(record->cpuUsec, 0U);
  auto frames = room.frames();
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_EQ(room.output(), "hello\n");
  EXPECT_EQ(room.output(LogStream::kStderr), "oops");  // a partial frame: there was no newline
  EXPECT_EQ(namesIn(room.recordDir()), std::vector<std::string>{"exit.json"});
}

TEST(AgentInit, RecordsTheSignalThatEndedThePayload) {
  InitRoom room({.plan = planFor({program("exit_with"), "-11"})});
  ASSERT_EQ(room.wait(), 0);
  auto record = room.record();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->signal, SIGSEGV);
  EXPECT_FALSE(record->code);
}

TEST(AgentInit, RecordsThatTheProgramIsNotThere) {
  InitRoom room({.plan = planFor({"/nowhere/agent"})});
  EXPECT_THAT(room.sync(), HasSubstr("Fexecve /nowhere/agent: No such file"));
  ASSERT_EQ(room.wait(), 0);
  auto record = room.record();
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->execFailed);
  EXPECT_THAT(record->detail, HasSubstr("/nowhere/agent"));
  EXPECT_FALSE(record->code);
}

TEST(AgentInit, RecordsAWallThatCouldNotBePutOn) {
  InitPlan plan = planFor({program("sleeper")});
  plan.workDir = "/nowhere";
  InitRoom room({.plan = plan});
  EXPECT_THAT(room.sync(), HasSubstr("Fthe working directory /nowhere"));
  ASSERT_EQ(room.wait(), 0);
  ASSERT_TRUE(room.record());
  EXPECT_TRUE(room.record()->execFailed);
}

TEST(AgentInit, StartsNothingAndLeavesNoTraceWithoutTheGo) {
  InitRoom room({.plan = planFor({program("exit_with"), "0", "ran"}), .go = false});
  EXPECT_EQ(room.sync(), "R");
  EXPECT_TRUE(eventually([&] { return room.group().processes().size() == 1; }));  // the payload waits behind its gate
  room.closeSync();
  ASSERT_EQ(room.wait(), 0);
  EXPECT_THAT(namesIn(room.recordDir()), ::testing::IsEmpty());
  EXPECT_THAT(namesIn(room.logDir()), ::testing::IsEmpty());
}

TEST(AgentInit, RefusesAPlanThatIsNone) {
  std::string good = encodeInitPlan(planFor({program("sleeper")}));
  for (const std::string& bytes :
       {std::string("garbage"), good.substr(0, good.size() / 2), good + "x", std::string(2 << 20, 'x')}) {
    InitRoom room({.plan = {}, .planBytes = bytes});
    EXPECT_THAT(room.sync(), ::testing::StartsWith("F"));
    EXPECT_EQ(room.wait(), 1);
    EXPECT_THAT(namesIn(room.recordDir()), ::testing::IsEmpty());
  }
}

TEST(AgentInit, ForwardsASignalFromTheHostToThePayload) {
  InitRoom room({.plan = planFor({program("ignores_sigterm"), "9"})});
  ASSERT_TRUE(room.waitForOutput("ready"));
  kill(room.init(), SIGTERM);
  EXPECT_TRUE(room.waitForOutput("ignored 15"));
  kill(room.init(), SIGHUP);
  EXPECT_TRUE(room.waitForOutput("ignored 1\n"));
  kill(room.init(), SIGUSR1);
  ASSERT_EQ(room.wait(), 0);
  EXPECT_EQ(room.record()->code, 9);
}

TEST(AgentInit, EndsTwoHundredDaemonsWithTheirProgramAndKeepsItsCode) {
  InitRoom room({.plan = planFor({program("daemonizer"), "200", "5"})});
  ASSERT_EQ(room.wait(milliseconds(3000)), 0);  // not by waiting for them
  EXPECT_EQ(room.output(), "200 left\n");
  EXPECT_EQ(room.record()->code, 5);
  EXPECT_THAT(room.group().processes(), ::testing::IsEmpty());
  EXPECT_THAT(room.group().readPay("cgroup.events"), HasSubstr("populated 0"));
}

TEST(AgentInit, ReapsOrphansWhileThePayloadRuns) {
  InitRoom room({.plan = shellPlan(R"(
    for i in $(seq 60); do (sh -c 'exit 3' & exit 0); done
    for try in $(seq 100); do
      zombies=$(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ' Z 1 ')
      [ "$zombies" = 0 ] && break; sleep 0.02
    done
    echo zombies $zombies)")});
  ASSERT_EQ(room.wait(), 0);
  EXPECT_EQ(room.output(), "zombies 0\n");
}

TEST(AgentInit, TakesThePayloadWithItWhenItIsKilled) {
  InitRoom room({.plan = planFor({program("daemonizer"), "20"})});
  InitRoom other({.plan = planFor({program("sleeper")})});
  ASSERT_TRUE(other.waitForOutput("sleeping"));
  kill(other.init(), SIGKILL);
  EXPECT_EQ(other.wait(), 256 + SIGKILL);
  EXPECT_THAT(other.group().processes(), ::testing::IsEmpty());
  EXPECT_FALSE(other.record());  // lost, not invented
}

// A thread that starts the room and ends is to its child what a spawner is that dies: its parent (prctl(2)).
TEST(AgentInit, OutlivesTheOneThatStartedIt) {
  std::optional<InitRoom> room;
  std::thread starter(
      [&] { room.emplace(RoomSetup{.plan = planFor({program("ignores_sigterm")}), .dieWithStarter = true}); });
  starter.join();
  ASSERT_TRUE(room->waitForOutput("ready"));
  EXPECT_EQ(room->wait(milliseconds(200)), -1);
}

TEST(AgentInit, EndsAFrozenPayloadWhoseMainProcessIsKilled) {
  InitRoom room({.plan = shellPlan("sleep 1000 & echo ready; wait")});
  ASSERT_TRUE(room.waitForOutput("ready"));
  std::ofstream(room.group().pay() + "/cgroup.freeze") << "1" << std::flush;
  ASSERT_TRUE(eventually([&] { return room.group().readPay("cgroup.events").find("frozen 1") != std::string::npos; }));
  auto control = room.control();
  ASSERT_TRUE(ask(control, {.kind = InitRequestKind::kSignal, .signal = SIGKILL}));
  ASSERT_EQ(room.wait(), 0);
  EXPECT_EQ(room.record()->signal, SIGKILL);
}

TEST(AgentInit, SleepsWhileNothingHappensAndStaysSmall) {
  InitRoom room({.plan = shellPlan(program("log_flood") + " 20000 100; " + program("sleeper"))});
  ASSERT_TRUE(room.waitForOutput("sleeping"));
  auto statusOf = [&](const std::string& file, const std::string& key) {
    std::ifstream text("/proc/" + std::to_string(room.init()) + "/" + file);
    for (std::string line; std::getline(text, line);) {
      if (line.starts_with(key)) return std::atol(line.c_str() + key.size());
    }
    return -1L;
  };
  long before = statusOf("status", "voluntary_ctxt_switches:");
  usleep(300'000);
  EXPECT_EQ(statusOf("status", "voluntary_ctxt_switches:"), before);
  // What is not its program's pages, which all rooms share.
  long unique = statusOf("smaps_rollup", "Private_Dirty:");
  EXPECT_GT(unique, 0);
  EXPECT_LT(unique, 300) << "KiB";
  RecordProperty("private_dirty_kib", static_cast<int>(unique));
}

}  // namespace
}  // namespace agentos::sandbox::testing
