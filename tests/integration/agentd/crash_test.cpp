// SPDX-License-Identifier: Apache-2.0
// kill -9 of either half: agents go on, and their ends are honoured.
#include <csignal>
#include <filesystem>

#include "real_agentd.h"

namespace agentos::test {
namespace {

class Crash : public testing::Test {
 protected:
  RealAgentd agentd;

  void contractOf(const std::string& name, const std::string& script) {
    agentd.contract(name, "schedule: { every: 24h }\nrun: { mode: cycle, timeout: 1m, command: [\"/bin/sh\", \"-c\", " +
                              Json(script).dump() + "] }\n");
  }
  // The instance of a cycle that was started now.
  std::string runCycle(const std::string& agent) {
    EXPECT_EQ(agentd.ctl({"cycle", "run", agent}).status, 0);
    const std::string id = agentd.status(agent).value("id", "");
    EXPECT_TRUE(eventually([&] { return agentd.countOutput(id, "up") > 0; }));
    return id;
  }
  void killDaemon() {
    const pid_t old = agentd.daemon();
    ASSERT_GT(old, 1) << "a signal to -1 would reach every process of the machine";
    ASSERT_EQ(::kill(old, SIGKILL), 0);
    ASSERT_TRUE(eventually(
        [&] {
          const Answer info = agentd.ctl({"system", "info", "-o", "json"});
          return info.status == 0 && info.json().value("pid", old) != old && agentd.isReady();
        },
        20s));
  }
};

TEST_F(Crash, ADaemonThatWasKilledTakesItsAgentsOverWithCodeAndLog) {
  contractOf("runner", "echo up; i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); sleep 0.1; done; exit 5");
  agentd.start();
  const std::string task = agentd.addTask("run", "runner"), id = runCycle("runner");
  const Json before = agentd.status(id);
  killDaemon();
  const Json after = agentd.status(id);
  EXPECT_EQ(after["state"], "running");
  EXPECT_EQ(after["pid"], before["pid"]);
  ASSERT_TRUE(eventually([&] { return agentd.status(id)["state"] == "exited"; }));
  EXPECT_EQ(agentd.status(id)["exit"]["code"], 5);
  EXPECT_EQ(agentd.countOutput(id, "line "), 30U) << "not a line is missing";
  EXPECT_EQ(agentd.statusOf(task), "queued");
  EXPECT_EQ(agentd.ctl({"audit", "verify"}).status, 0);
}

TEST_F(Crash, WhatEndedWhileNobodyLookedIsHonouredWithItsTime) {
  contractOf("quick", "echo up; sleep 0.5; exit 0");
  agentd.start();
  const std::string task = agentd.addTask("run", "quick"), id = runCycle("quick");
  const pid_t launcher = agentd.launcher();
  ASSERT_GT(launcher, 1);
  ASSERT_EQ(::kill(launcher, SIGKILL), 0);  // the whole of agentd; rooms go on
  ASSERT_TRUE(eventually(
      [&] { return std::filesystem::exists(agentd.prefix() + "/var/lib/agentd/instances/" + id + "/exit.json"); }));
  agentd.start();
  EXPECT_EQ(agentd.statusOf(task), "done");
  const Json view = agentd.status(id);
  EXPECT_EQ(view["state"], "exited");
  EXPECT_EQ(view["exit"]["code"], 0);
}

TEST_F(Crash, NoHalfStaysAloneWhenTheLauncherIsKilled) {
  agentd.start();
  const pid_t launcher = agentd.launcher();
  ASSERT_GT(launcher, 1);
  const auto halves = childrenOf(launcher);
  ASSERT_EQ(halves.size(), 2U);
  ASSERT_EQ(::kill(launcher, SIGKILL), 0);
  for (const pid_t half : halves) EXPECT_TRUE(eventually([&] { return !isAlive(half); })) << half;
  agentd.start();  // and its lock and its sockets are in nobody's way
  EXPECT_GT(agentd.daemon(), 0);
}

TEST_F(Crash, ASpawnerThatWasKilledComesBackAndAgentsDoNotNotice) {
  contractOf("runner", "echo up; while :; do echo tick; sleep 0.05; done");
  agentd.start();
  agentd.addTask("run", "runner");
  const std::string id = runCycle("runner");
  const Json before = agentd.status(id);
  for (const pid_t half : childrenOf(agentd.launcher())) {
    if (half != agentd.daemon()) ASSERT_EQ(::kill(half, SIGKILL), 0);
  }
  EXPECT_TRUE(
      eventually([&] { return agentd.ctl({"pause", id}).status == 0 || agentd.status(id)["state"] == "paused"; }));
  EXPECT_EQ(agentd.status(id)["pid"], before["pid"]);
  EXPECT_EQ(agentd.ctl({"resume", id}).status, 0);
  EXPECT_EQ(agentd.ctl({"kill", id}).status, 0);
  EXPECT_TRUE(eventually([&] { return agentd.status(id)["state"] == "exited"; }));
}

// The fourth time that a run waits for the disk it is refused: the request gets no answer, least of all an OK. The
// daemon that comes after it would need a fourth time too, and has but two.
TEST_F(Crash, ADiskThatLostACommitEndsTheDaemonAndAnswersNobody) {
  contractOf("runner", "echo up; i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.1; done; exit 0");
  contractOf("short", "echo up");
  contractOf("second", "echo up; sleep 60");
  ASSERT_EQ(::setenv("AGENTOS_FAULT", "group_commit.sync:4", 1), 0);
  agentd.start();
  ::unsetenv("AGENTOS_FAULT");
  const std::string task = agentd.addTask("run", "runner"), id = runCycle("runner");
  agentd.addTask("run", "short");
  EXPECT_EQ(agentd.ctl({"wait", runCycle("short")}).status, 0);
  const Json before = agentd.status(id);
  const pid_t old = agentd.daemon();
  const Json body = {{"contract", readWhole(agentd.prefix() + "/etc/agents/second.yaml")}};
  // curl asks once; agentctl would ask the next agentd again.
  const Answer spawn = runProgram({"/usr/bin/curl", "--silent", "--max-time", "10", "--unix-socket",
                                   agentd.prefix() + "/run/agentd/agentd.sock", "--header",
                                   "Content-Type: application/json", "--data", body.dump(), "http://agentd/v1/agents"});
  EXPECT_EQ(spawn.status, 52) << "closed without a word: " << spawn.out;
  EXPECT_EQ(spawn.out, "");
  ASSERT_TRUE(eventually(
      [&] {
        const Answer info = agentd.ctl({"system", "info", "-o", "json"});
        return info.status == 0 && info.json().value("pid", old) != old && agentd.isReady();
      },
      20s));
  EXPECT_NE(agentd.log().find("what was committed may not be on disk"), std::string::npos);
  EXPECT_NE(agentd.log().find("agentd.db-wal"), std::string::npos) << "it names the file";
  EXPECT_NE(agentd.log().find("status 74"), std::string::npos);
  const Json after = agentd.status(id);
  EXPECT_EQ(after["pid"], before["pid"]);
  ASSERT_TRUE(eventually([&] { return agentd.statusOf(task) == "done"; }));
  EXPECT_EQ(agentd.countOutput(id, "line "), 40U) << "not a line is missing";
  EXPECT_EQ(agentd.ctl({"audit", "verify"}).status, 0);
}

TEST_F(Crash, APausedAgentIsStillPausedAfterwards) {
  contractOf("runner", "echo up; while :; do echo tick; sleep 0.05; done");
  agentd.start();
  agentd.addTask("run", "runner");
  const std::string id = runCycle("runner");
  ASSERT_EQ(agentd.ctl({"pause", id}).status, 0);
  killDaemon();
  EXPECT_EQ(agentd.status(id)["state"], "paused");
  const auto ticks = agentd.countOutput(id, "tick");
  EXPECT_EQ(agentd.ctl({"resume", id}).status, 0);
  EXPECT_TRUE(eventually([&] { return agentd.countOutput(id, "tick") > ticks + 5; }));
}

}  // namespace
}  // namespace agentos::test
