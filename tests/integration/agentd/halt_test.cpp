// SPDX-License-Identifier: Apache-2.0
// The halt and the sweep on real rooms: real processes, real groups, and daemons that are killed meanwhile.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "real_agentd.h"

extern char** environ;

namespace agentos::test {
namespace {

class Halted : public ::testing::Test {
 protected:
  void killDaemon() {
    const pid_t old = agentd.daemon();
    ::kill(old, SIGKILL);
    ASSERT_TRUE(eventually([&] { return agentd.daemon() > 0 && agentd.daemon() != old && agentd.isReady(); }, 20s));
  }
  std::string events(const std::string& id, const char* group) {
    return readWhole(agentd.cgroup(id) + group + "/cgroup.events");
  }
  RealAgentd agentd;
};

TEST_F(Halted, EveryProcessStandsStillOverADaemonThatIsKilledUntilItIsLifted) {
  for (const char* name : {"one", "two", "three"})
    agentd.contract(
        name,
        "run: { mode: service, command: [\"/bin/sh\", \"-c\", \"(while :; do echo tick; sleep 0.02; done) & "
        "while :; do :; done\"] }\n");
  agentd.start();
  std::vector<std::string> ids;
  for (const char* name : {"one", "two", "three"}) {
    ASSERT_TRUE(eventually([&] { return agentd.status(name).value("state", "") == "running"; }));
    ids.push_back(agentd.status(name)["id"]);
    ASSERT_TRUE(eventually([&] { return agentd.countOutput(ids.back(), "tick") > 5; }));
  }
  const Json done = agentd.ask({"system", "halt", "--reason", "drill"});
  RecordProperty("halt_took_ns", std::to_string(done.value("took_ns", std::int64_t{0})));
  EXPECT_EQ(done["instances"], 3);
  for (const auto& id : ids) {
    EXPECT_NE(events(id, "/pay").find("frozen 1"), std::string::npos) << id;
    EXPECT_NE(events(id, "/sup").find("frozen 0"), std::string::npos) << "agent-init has to answer";
  }
  std::this_thread::sleep_for(100ms);  // what was in agent-init's pipes
  std::vector<std::size_t> before;
  for (const auto& id : ids) before.push_back(agentd.countOutput(id, "tick"));
  killDaemon();
  EXPECT_EQ(agentd.ask({"system", "info"})["halt"]["reason"], "drill");
  EXPECT_EQ(agentd.ask({"explain", "one"})["code"], "halted");
  EXPECT_NE(agentd.ctl({"resume", ids[0]}).status, 0);
  EXPECT_NE(agentd.ctl({"stop", ids[0]}).status, 0);
  for (std::size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(agentd.countOutput(ids[i], "tick"), before[i]);
  EXPECT_EQ(agentd.ctl({"system", "unhalt"}).status, 0);
  for (std::size_t i = 0; i < ids.size(); ++i)
    EXPECT_TRUE(eventually([&] { return agentd.countOutput(ids[i], "tick") > before[i] + 5; })) << ids[i];
}

TEST_F(Halted, AKillLeavesNoneOfThoseThatForkAndIgnoreSignals) {
  agentd.contract(
      "horde",
      "run: { mode: service, command: [\"/bin/sh\", \"-c\", \"i=0; while [ $i -lt 50 ]; do (trap '' TERM INT "
      "HUP; setsid sleep 1000) & i=$((i+1)); done; echo grown; wait\"] }\n");
  agentd.start();
  ASSERT_TRUE(eventually([&] { return agentd.status("horde").value("state", "") == "running"; }));
  const std::string id = agentd.status("horde")["id"];
  ASSERT_TRUE(eventually([&] { return agentd.countOutput(id, "grown") == 1; }, 30s));
  const auto pids = agentd.processes(id);
  ASSERT_GT(pids.size(), 50U);
  agentd.ask({"system", "halt", "--kill", "--reason", "drill"});
  for (const pid_t pid : pids) EXPECT_TRUE(eventually([&] { return !isAlive(pid); })) << pid;
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(agentd.cgroup(id)); }));
  std::this_thread::sleep_for(300ms);
  EXPECT_NE(agentd.status("horde")["state"], "running") << "nothing comes back while it holds";
  EXPECT_EQ(agentd.ctl({"system", "unhalt"}).status, 0);
  EXPECT_TRUE(eventually([&] { return agentd.status("horde").value("state", "") == "running"; }));
}

// A group beneath the keeper that no run knows, with a process in it: as an agentd leaves it that dies between the
// room and its row.
TEST_F(Halted, ARoomThatNobodyKnowsIsSweptAtTheStart) {
  agentd.contract("web", "run: { mode: service, command: [\"/bin/sleep\", \"1000\"] }\n");
  agentd.start();
  ASSERT_TRUE(eventually([&] { return agentd.status("web").value("state", "") == "running"; }));
  const std::string id = agentd.status("web")["id"];
  const std::filesystem::path ghost = std::filesystem::path(agentd.cgroup(id)).parent_path() / "ghost.aaaaaa";
  for (const auto& group : {ghost, ghost / "sup", ghost / "pay"}) std::filesystem::create_directory(group);
  pid_t stray = -1;
  std::string program = "/bin/sleep", time = "1000";
  char* const argv[] = {program.data(), time.data(), nullptr};
  ASSERT_EQ(::posix_spawn(&stray, program.c_str(), nullptr, nullptr, argv, environ), 0);
  std::ofstream(ghost / "pay" / "cgroup.procs") << stray << std::flush;
  killDaemon();
  int status = 0;
  EXPECT_TRUE(eventually([&] { return ::waitpid(stray, &status, WNOHANG) == stray; }));
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(ghost); }));
  EXPECT_EQ(agentd.status("web")["state"], "running") << "and nobody else";
  ::kill(stray, SIGKILL);
}

}  // namespace
}  // namespace agentos::test
