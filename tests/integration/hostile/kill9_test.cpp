// SPDX-License-Identifier: Apache-2.0
// kill -9 of each process, at any moment: each task ends done exactly once, and nothing is left open or behind.
#include <algorithm>
#include <filesystem>
#include <random>
#include <thread>

#include "hostile.h"

namespace agentos::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRules = R"(
  - name: first
    when: { turn: 1 }
    delay: 150ms
    answer: { text: "thinking", tool_calls: [ { name: fs.list, arguments: { path: /workspace } } ], usage: { input: 100, output: 10 } }
  - name: last
    when: { turn: "2.." }
    delay: 100ms
    answer: { tool_calls: [ { name: task.complete, arguments: { outcome: success, handoff: { changed: nothing } } } ], usage: { input: 120, output: 10 } }
)";

class Kill9 : public Hostile {
 protected:
  std::vector<std::string> shellTasks_, modelTasks_;
  std::mt19937 random_{20260714};

  // Two kinds of work: a program judged by its exit status that counts each of its executions, and agent-runner.
  void hireBoth(int each) {
    fs::create_directories(agentd.company() + "/knowledge/runs");
    ASSERT_EQ(runProgram({"/bin/chown", "nobody", agentd.company() + "/knowledge/runs"}).status, 0);
    model(kRules);
    agentd.contract(
        "shell", bashOnTask("echo up; sleep 0.2; echo x >> /workspace/$AGENT_TASK; sleep 0.1; echo end",
                            "workspace: { mounts: [ { source: knowledge/runs, target: /workspace, mode: rw } ] }\n"));
    agentd.contract("thinker",
                    "schedule: { on: [task] }\nrun: { mode: cycle, timeout: 1m }\ncapabilities: [fs.list, "
                    "task.complete, task.fail]\n"
                    "modelPolicy: { allow: [\"house/*\"] }\n"
                    "workspace: { mounts: [ { source: knowledge/runs, target: /workspace, mode: ro } ] }\n");
    agentd.start();
    for (int i = 0; i < each; ++i) {
      shellTasks_.push_back(agentd.addTask("count " + std::to_string(i), "shell"));
      modelTasks_.push_back(agentd.addTask("think " + std::to_string(i), "thinker"));
    }
  }

  bool allDone() {
    return std::ranges::all_of(shellTasks_, [&](const auto& task) { return agentd.statusOf(task) == "done"; }) &&
           std::ranges::all_of(modelTasks_, [&](const auto& task) { return agentd.statusOf(task) == "done"; });
  }

  std::string whereTheyAre() {
    std::string text;
    for (const auto& tasks : {shellTasks_, modelTasks_})
      for (const auto& task : tasks) text += task + " " + agentd.statusOf(task) + "\n";
    return text;
  }

  void eachIsDoneExactlyOnce() {
    EXPECT_TRUE(eventually([&] { return allDone(); }, 45s)) << whereTheyAre();
    eventually([&] { return agentd.ask({"ps"}).value("items", Json::array()).empty(); }, 3s);
    for (const auto& tasks : {shellTasks_, modelTasks_}) {
      for (const auto& task : tasks) EXPECT_LE(eventsOf("task.completed", task), 1U) << task;
    }
  }
};

TEST_F(Kill9, TenTimesTheDaemonAtRandomMoments) {
  hireBoth(8);
  for (int round = 0; round < 10; ++round) {
    daemonPid();
    // From within recovery to the middle of work. The launcher waits longer after each early end: so the last ones are
    // few.
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(5, 350)(random_)));
    const pid_t victim = daemonPid();
    killHard(victim);
    eventually([&] { return !isAlive(victim); });
    if (round >= 4) {  // a new launcher each time, so that its back-off does not make the test long
      const pid_t launcher = agentd.launcher();
      killHard(launcher);
      ASSERT_TRUE(eventually([&] { return !isAlive(launcher); })) << "until then it holds its lock";
      agentd.start();
    }
  }
  eachIsDoneExactlyOnce();
  // The program ran once for each task: agentd's deaths were none of its business.
  for (const auto& task : shellTasks_)
    EXPECT_EQ(readWhole(agentd.company() + "/knowledge/runs/" + task), "x\n") << task;
  endWithNothingLeft();
}

TEST_F(Kill9, TheSpawnerWhileItBuildsRooms) {
  hireBoth(5);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(10, 200)(random_)));
    const pid_t victim = spawnerPid();
    killHard(victim);
  }
  eachIsDoneExactlyOnce();
  for (const auto& task : shellTasks_)
    EXPECT_EQ(readWhole(agentd.company() + "/knowledge/runs/" + task), "x\n") << task;
  endWithNothingLeft();
}

TEST_F(Kill9, AnAgentInitIsALostRunWithEvidenceAndItsTaskGoesBack) {
  agentd.contract(
      "long",
      bashOnTask(
          "if test -e /home/agent/second; then exit 0; fi; touch /home/agent/second; echo up; sleep 1000 & wait"));
  agentd.start();
  const std::string task = agentd.addTask("work", "long");
  const std::string id = runningWith("long", "up");
  const auto all = agentd.processes(id);
  killHard(agentd.status(id).value("pid", -1));
  EXPECT_TRUE(eventually([&] { return agentd.statusOf(task) == "done"; })) << "in a second run";
  const Json view = agentd.status(id);
  EXPECT_EQ(view["state"], "lost");
  EXPECT_NE(view.dump().find("agent-init"), std::string::npos) << view;
  EXPECT_TRUE(!view.contains("exit") || view["exit"].is_null() || view["exit"].value("code", Json()).is_null())
      << "an invented code: " << view;
  for (const pid_t pid : all) EXPECT_FALSE(isAlive(pid)) << pid;
  ASSERT_EQ(events("instance.lost").size(), 1U);
  EXPECT_EQ(events("instance.lost")[0].value("instance", ""), id);
  EXPECT_NE(agentd.output(id).find("up"), std::string::npos) << "its log is kept";
  endWithNothingLeft();
}

TEST_F(Kill9, EverythingAtOnce) {
  hireBoth(4);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(50, 350)(random_)));
    std::vector<pid_t> victims = processesMentioning(agentd.prefix());  // the launcher, the daemon, the spawner
    for (const char* agent : {"shell", "thinker"}) {
      const Answer answer = agentd.ctl({"inspect", agent, "-o", "json"});
      if (answer.status != 0) continue;
      const Json view = answer.json();
      if (view.value("state", "") == "running") victims.push_back(view.value("pid", -1));
    }
    for (const pid_t pid : victims) killHard(pid);
    for (const pid_t pid : victims) eventually([&] { return !isAlive(pid); });
    agentd.start();
  }
  eachIsDoneExactlyOnce();
  endWithNothingLeft();
}

TEST_F(Kill9, TheLauncherInTheMiddleOfWork) {
  hireBoth(3);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(50, 300)(random_)));
    killHard(agentd.launcher());
    agentd.start();  // at once: what is left of the first one is in nobody's way
  }
  eachIsDoneExactlyOnce();
  for (const auto& task : shellTasks_)
    EXPECT_EQ(readWhole(agentd.company() + "/knowledge/runs/" + task), "x\n") << task;
  endWithNothingLeft();
}

}  // namespace
}  // namespace agentos::test
