// SPDX-License-Identifier: Apache-2.0
// The program as a room starts it, from its slot: exit statuses, its log, a stop.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "fake_gateway.h"

namespace agentos::runner {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

class ProgramTest : public testing::Test {
 protected:
  ProgramTest() {
    std::filesystem::copy(AGENTOS_SLOT, folder.path + "/slot", std::filesystem::copy_options::recursive);
    folder.write("slot/config/runner.yaml", "roots: [\"" + folder.path + "/work\"]\nbackoff: 5ms\nretries: 1\n");
    folder.write("work/in.txt", "input");
    folder.write("prompt.md", "Do it.");
  }
  pid_t start(std::vector<std::string> wrapper = {}) {
    std::vector<std::string> words = std::move(wrapper);
    for (const std::string& word : {folder.path + "/slot/bin/agent-runner", std::string("--gateway"), gateway,
                                    std::string("--context"), folder.path + "/prompt.md"})
      words.push_back(word);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, (folder.path + "/log").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_addchdir_np(&actions, (folder.path + "/work").c_str());
    std::vector<std::string> environment{"PATH=/usr/bin:/bin", "HTTP_PROXY=http://127.0.0.1:1",
                                         "http_proxy=http://127.0.0.1:1"};
    std::vector<char*> env;
    for (std::string& one : environment) env.push_back(one.data());
    env.push_back(nullptr);
    pid_t pid = -1;
    EXPECT_EQ(posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), env.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
  }
  static int end(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  std::string log() const { return folder.read("log"); }

  Folder folder;
  FakeGateway fake;
  std::string gateway = fake.url();
};

TEST_F(ProgramTest, DoesItsWorkAndSaysEachStepInALine) {
  fake.answers = {callsOne("shell.exec", {{"command", "tr a-z A-Z < in.txt > out.txt"}}),
                  callsOne("fs.read", {{"path", "out.txt"}}), callsOne("task.complete", {{"summary", "shouted\nit"}})};
  EXPECT_EQ(end(start()), 0) << log();
  EXPECT_EQ(folder.read("work/out.txt"), "INPUT");
  EXPECT_EQ(fake.verdict().first, "complete");
  for (const char* line : {"run maker.aaaaaa of maker, task task-2026-1120-001 (Make it), tools: fs.read",
                           "turn 1: 10+5 tokens, 1 tool calls\n", "tool shell.exec {\"command\":\"tr a-z A-Z",
                           " ok, 7 bytes", "tool task.complete"})
    EXPECT_THAT(log(), HasSubstr(line));
}

TEST_F(ProgramTest, ExitStatusesAreThoseThatTheMonitorReads) {
  folder.write("slot/config/runner.yaml", "max_turns: zero\n");
  EXPECT_EQ(end(start()), 78);
  EXPECT_THAT(log(), HasSubstr("runner.yaml:1:12"));
  folder.write("slot/config/runner.yaml", "");
  std::filesystem::remove(folder.path + "/slot/prompts/system.md");
  EXPECT_EQ(end(start()), 71);
  folder.write("slot/prompts/system.md", "x");
  folder.write("slot/runtime.yaml", "version: 99");
  EXPECT_EQ(end(start()), 71);
  folder.write("slot/runtime.yaml", "version: 1");
  gateway = "http://127.0.0.1:1";
  EXPECT_EQ(end(start()), 75);
  EXPECT_THAT(log(), HasSubstr("127.0.0.1:1/self"));
  gateway = fake.url();
  std::filesystem::remove(folder.path + "/prompt.md");
  EXPECT_EQ(end(start()), 75);
}

TEST_F(ProgramTest, AnExceptionThatNobodyCatchesIsSeventy) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to take /proc away from the program";
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "a sanitizer's own runtime needs the /proc that this test takes away";
#endif
  EXPECT_EQ(end(start({"unshare", "-m", "sh", "-c", "umount -l /proc && exec \"$@\"", "sh"})), 70);
  EXPECT_THAT(log(), HasSubstr("unhandled: "));
}

TEST_F(ProgramTest, SigtermHandsTheTaskOver) {
  fake.rest = callsOne("shell.exec", {{"command", "sleep 30"}});
  const pid_t pid = start();
  for (int i = 0; i < 300 && fake.asked().empty(); ++i) std::this_thread::sleep_for(10ms);
  std::this_thread::sleep_for(100ms);
  const auto sent = std::chrono::steady_clock::now();
  kill(pid, SIGTERM);
  EXPECT_EQ(end(pid), 0) << log();
  EXPECT_LT(std::chrono::steady_clock::now() - sent, 4s);
  EXPECT_EQ(fake.verdict().first, "release");
  EXPECT_EQ(fake.verdict().second["reason"], "stopped");
}

}  // namespace
}  // namespace agentos::runner
