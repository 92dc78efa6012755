// SPDX-License-Identifier: Apache-2.0
// Shell scripts as agents, in real rooms.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "real_agentd.h"

namespace agentos::test {
namespace {

constexpr const char* kCycle =
    "schedule: { on: [task] }\nrun: { mode: cycle, timeout: 1m, command: [\"/bin/sh\", \"-c\", ";

class Agents : public testing::Test {
 protected:
  RealAgentd agentd;
  std::string script(const std::string& text) { return kCycle + Json(text).dump() + "] }\n"; }
  std::string instanceOf(const std::string& agent) { return agentd.status(agent).value("id", ""); }
  bool runs(const std::string& agent) {
    const Answer answer = agentd.ctl({"inspect", agent, "-o", "json"});
    return answer.status == 0 && answer.json().value("state", "") == "running";
  }
};

TEST_F(Agents, AShellScriptIsAnAgentAndItsExitStatusJudgesIt) {
  agentd.contract("good", script("echo \"$AGENT_NAME did $AGENT_TASK\"; test -s /context/prompt.md"));
  agentd.contract("bad", script("echo oh dear >&2; exit 3"));
  agentd.start();
  const std::string good = agentd.addTask("do it", "good"), bad = agentd.addTask("try it", "bad");
  EXPECT_TRUE(eventually([&] { return agentd.statusOf(good) == "done"; }));
  EXPECT_TRUE(
      eventually([&] { return agentd.statusOf(bad) == "queued" && agentd.status("bad")["state"] == "exited"; }));
  EXPECT_NE(agentd.output(instanceOf("good")).find("good did " + good), std::string::npos);
  EXPECT_NE(agentd.output(instanceOf("bad")).find("stderr F oh dear"), std::string::npos);
  EXPECT_NE(readWhole(agentd.company() + "/agents/tasks/queued/" + bad + ".md").find("exit status 3"),
            std::string::npos);
  EXPECT_EQ(agentd.status("bad")["exit"]["code"], 3);
}

TEST_F(Agents, AProgramThatIsNotThereIsAFailedAttemptThatSaysSo) {
  agentd.contract("ghost", "schedule: { on: [task] }\nrun: { mode: cycle, command: [\"/usr/bin/no-such-program\"] }\n");
  agentd.start();
  const std::string task = agentd.addTask("run it", "ghost");
  EXPECT_TRUE(eventually([&] {
    return readWhole(agentd.company() + "/agents/tasks/queued/" + task + ".md").find("no-such-program") !=
           std::string::npos;
  })) << readWhole(agentd.company() + "/agents/tasks/queued/" + task + ".md");
}

TEST_F(Agents, PauseStopsEveryDescendantAndResumeGoesOn) {
  agentd.contract("tree",
                  script("for i in 1 2 3 4 5 6 7 8; do (while :; do echo tick; sleep 0.02; done) & done; wait"));
  agentd.start();
  agentd.addTask("grow", "tree");
  ASSERT_TRUE(eventually([&] { return runs("tree"); }));
  const std::string id = instanceOf("tree");
  ASSERT_TRUE(eventually([&] { return agentd.countOutput(id, "tick") > 20; }));
  EXPECT_EQ(agentd.ctl({"pause", id}).status, 0);
  EXPECT_EQ(agentd.status(id)["state"], "paused");
  EXPECT_NE(readWhole(agentd.cgroup(id) + "/pay/cgroup.events").find("frozen 1"), std::string::npos);
  std::this_thread::sleep_for(100ms);  // what was in agent-init's pipe
  const auto before = agentd.countOutput(id, "tick");
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(agentd.countOutput(id, "tick"), before);
  EXPECT_EQ(agentd.ctl({"pause", id}).status, 4) << "a conflict, said as one";
  EXPECT_EQ(agentd.ctl({"resume", id}).status, 0);
  EXPECT_TRUE(eventually([&] { return agentd.countOutput(id, "tick") > before + 20; }));
  EXPECT_EQ(agentd.ctl({"kill", id}).status, 0);
}

TEST_F(Agents, KillLeavesNoneOfTwoHundred) {
  agentd.contract("horde", script("i=0; while [ $i -lt 200 ]; do (trap '' TERM INT HUP; setsid sleep 1000) & "
                                  "i=$((i+1)); done; echo grown; wait"));
  agentd.start();
  const std::string task = agentd.addTask("grow", "horde");
  ASSERT_TRUE(eventually([&] { return runs("horde"); }));
  const std::string id = instanceOf("horde");
  ASSERT_TRUE(
      eventually([&] { return agentd.countOutput(id, "grown") == 1 && agentd.processes(id).size() > 200; }, 20s));
  const auto pids = agentd.processes(id);
  EXPECT_EQ(agentd.ctl({"kill", id}).status, 0);
  EXPECT_TRUE(eventually([&] { return agentd.status(id)["state"] == "exited"; }));
  for (const pid_t pid : pids) EXPECT_TRUE(eventually([&] { return !isAlive(pid); }, 2s)) << pid;
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(agentd.cgroup(id)); }));
  EXPECT_EQ(agentd.status(id)["exit"]["signal"], 9);
  EXPECT_EQ(agentd.statusOf(task), "queued") << "a kill is a failed attempt, tried again after its back-off";
}

TEST_F(Agents, StopSignalsFirstAndKillsWhoDoesNotListen) {
  agentd.contract("polite", script("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"));
  agentd.contract("deaf", script("trap '' TERM; echo up; while :; do sleep 0.05; done"));
  agentd.start();
  const std::string task = agentd.addTask("wait", "polite");
  agentd.addTask("wait", "deaf");
  ASSERT_TRUE(eventually([&] { return runs("polite") && runs("deaf"); }));
  const std::string polite = instanceOf("polite"), deaf = instanceOf("deaf");
  ASSERT_TRUE(eventually([&] { return agentd.countOutput(polite, "up") == 1 && agentd.countOutput(deaf, "up") == 1; }));
  agentd.ask({"cycle", "hold", "polite"});
  EXPECT_EQ(agentd.ctl({"stop", polite}).status, 0);
  EXPECT_EQ(agentd.ctl({"stop", deaf, "--grace", "300ms"}).status, 0);
  EXPECT_TRUE(eventually(
      [&] { return agentd.status(polite)["state"] == "exited" && agentd.status(deaf)["state"] == "exited"; }));
  EXPECT_EQ(agentd.status(polite)["exit"]["code"], 0);
  EXPECT_EQ(agentd.countOutput(polite, "bye"), 1U);
  EXPECT_EQ(agentd.status(deaf)["exit"]["signal"], 9);
  EXPECT_EQ(agentd.statusOf(task), "queued") << "stopped on request: given back";
}

TEST_F(Agents, ATimeoutEndsARunAndIsAFailedAttempt) {
  agentd.contract("slow",
                  "schedule: { on: [task] }\nrun: { mode: cycle, timeout: 1s, stop: { signal: SIGTERM, grace: 200ms }, "
                  "command: [\"/bin/sleep\", \"1000\"] }\n");
  agentd.start();
  const std::string task = agentd.addTask("sleep", "slow");
  EXPECT_TRUE(eventually([&] {
    return readWhole(agentd.company() + "/agents/tasks/queued/" + task + ".md").find("timed out after 1s") !=
           std::string::npos;
  }));
}

TEST_F(Agents, APersonsFileIsWorkAsSoonAsItIsThere) {
  agentd.contract("maker", script("true"));
  agentd.start();
  const std::string id = "task-2026-0101-001";
  std::ofstream(agentd.company() + "/agents/tasks/queued/." + id + ".tmp")
      << "---\nid: " << id << "\ntitle: by hand\ncreated_by: human\nassigned_to: maker\n---\nPlease.\n";
  std::filesystem::permissions(agentd.company() + "/agents/tasks/queued/." + id + ".tmp", std::filesystem::perms(0666));
  std::filesystem::rename(agentd.company() + "/agents/tasks/queued/." + id + ".tmp",
                          agentd.company() + "/agents/tasks/queued/" + id + ".md");
  EXPECT_TRUE(eventually([&] { return agentd.statusOf(id) == "done"; }, 5s)) << agentd.statusOf(id);
}

TEST_F(Agents, WorkOfOneSurvivesInItsHomeForTheNext) {
  agentd.contract("diary", script("echo entry >> /home/agent/diary; wc -l < /home/agent/diary"));
  agentd.start();
  const std::string first = agentd.addTask("one", "diary"), second = agentd.addTask("two", "diary");
  ASSERT_TRUE(eventually([&] { return agentd.statusOf(first) == "done" && agentd.statusOf(second) == "done"; }));
  EXPECT_EQ(readWhole(agentd.prefix() + "/var/lib/agentd/scratch/diary/diary"), "entry\nentry\n");
}

TEST_F(Agents, IdleAgentsAreNoProcesses) {
  agentd.contract("idle", "schedule: { every: 100ms }\nrun: { mode: cycle, command: [\"/bin/true\"] }\n");
  agentd.start();
  std::this_thread::sleep_for(500ms);
  EXPECT_TRUE(agentd.ask({"ps", "--all"}).empty() || agentd.ask({"ps", "--all"}).value("items", Json::array()).empty());
  const Answer audit = agentd.ctl({"audit", "query", "--kind", "cycle.idle", "-o", "json"});
  EXPECT_EQ(audit.status, 0) << audit.err;
}

}  // namespace
}  // namespace agentos::test
