// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <thread>

#include "tool_test.h"

namespace agentos::runner {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;
class ShellToolTest : public ToolTest {
 protected:
  std::string run(const std::string& command, std::int64_t timeout = 20) {
    return text("shell.exec", {{"command", command}, {"timeout_s", timeout}});
  }
};

TEST_F(ShellToolTest, OutputAndStatusComeBack) {
  EXPECT_EQ(run("echo hi; echo err >&2; exit 3"), "exit 3\nhi\nerr\n");
  EXPECT_EQ(run("kill -9 $$"), "ended by signal 9\n");
  EXPECT_EQ(run("cat"), "exit 0\n");  // stdin is empty, nobody waits
  EXPECT_EQ(run("pwd"), "exit 0\n" + std::filesystem::canonical(room.path).string() + "\n");
  room.write("sub/x", "");
  EXPECT_THAT(text("shell.exec", {{"command", "ls"}, {"cwd", "sub"}}), HasSubstr("x"));
  EXPECT_FALSE(use("shell.exec", {{"command", "ls"}, {"cwd", "/"}}));
  EXPECT_FALSE(use("shell.exec", {{"command", "ls"}, {"cwd", "none"}}));
}

TEST_F(ShellToolTest, EndlessOutputIsCutInTheMiddle) {
  settings.maxResult = Bytes{2000};
  const std::string output = run("echo first; head -c 5000000 /dev/zero | tr '\\0' x; echo last");
  EXPECT_LT(output.size(), 2200U);
  EXPECT_THAT(output, HasSubstr("first"));
  EXPECT_THAT(output, HasSubstr("bytes cut"));
  EXPECT_THAT(output, HasSubstr("last"));
  EXPECT_THAT(run("head -c 10000 /dev/zero | tr '\\0' x"), HasSubstr("8000 bytes cut"));  // in one piece, maybe
  EXPECT_THAT(run("yes", 1), HasSubstr("timed out"));
}

// The last words are in the pipe when the shell has gone already.
TEST_F(ShellToolTest, NothingOfTheEndIsLost) {
  for (int i = 0; i < 20; ++i)
    ASSERT_THAT(run("printf a; head -c 60000 /dev/zero | tr '\\0' x; printf b; printf last"),
                testing::EndsWith("xblast"));
}

TEST_F(ShellToolTest, WhatHangsIsEndedInTimeEvenWhenItIgnoresTerm) {
  auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(run("sleep 60", 1), HasSubstr("timed out after 1s"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
  start = std::chrono::steady_clock::now();
  EXPECT_THAT(run("trap '' TERM; while true; do sleep 0.1; done", 1), HasSubstr("timed out"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  EXPECT_FALSE(fake.bodiesOf("/self/heartbeat").empty());  // and agentd heard that the runner lives
}

TEST_F(ShellToolTest, WhatItLeavesRunningIsEndedAndNotWaitedFor) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(run("sleep 300 & echo $! > pid"), "exit 0\n");
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  const int pid = std::stoi(room.read("pid"));
  for (int i = 0; i < 100 && kill(pid, 0) == 0; ++i) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(stat, line);
    if (line.find(") Z") != std::string::npos) break;  // nobody reaps orphans here; agent-init does in a room
    std::this_thread::sleep_for(10ms);
    ASSERT_LT(i, 99);
  }
}

TEST_F(ShellToolTest, AStopEndsTheCommand) {
  std::thread stopper([this] {
    std::this_thread::sleep_for(200ms);
    stop = true;
  });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(run("sleep 60"), HasSubstr("being stopped"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
  stopper.join();
}

}  // namespace
}  // namespace agentos::runner
