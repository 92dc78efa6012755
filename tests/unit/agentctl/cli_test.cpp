// SPDX-License-Identifier: Apache-2.0
// What holds for every command: exit status by error, messages on stderr, where the socket is looked for.
#include <csignal>

#include "base/error.h"
#include "cli_fixture.h"

namespace agentos::agentctl {
namespace {

using ::testing::HasSubstr;

TEST_F(CliTest, EveryErrorOfTheTableEndsWithItsStatus) {
  for (const auto& info : allErrorCodes()) {
    server().on("GET /v1/agents/x",
                problem(info.httpStatus, std::string(info.name), "what is wrong", "what would be right"));
    auto ran = run({"status", "x"});
    EXPECT_EQ(ran.status, info.exitStatus) << info.name;
    EXPECT_EQ(ran.err, "agentctl: what is wrong; what would be right\n") << info.name;
    EXPECT_EQ(ran.out, "") << info.name;
  }
}

TEST_F(CliTest, NoDaemonIsThreeAndSaysHowToStartIt) {
  auto ran = run({"--socket", "/nowhere/s", "ps"}, false);
  EXPECT_EQ(ran.status, 3);
  EXPECT_THAT(ran.err, HasSubstr("start it"));
  EXPECT_THAT(ran.err, HasSubstr("/nowhere/s"));
}

TEST_F(CliTest, TheSocketIsFoundByOptionThenPrefixThenEnvironment) {
  ::setenv("AGENTD_SOCKET", "/env/s", 1);
  EXPECT_THAT(run({"--socket", "/opt/s", "--prefix", "/pre", "ps"}, false).err, HasSubstr("/opt/s"));
  EXPECT_THAT(run({"--prefix", "/pre", "ps"}, false).err, HasSubstr("/pre/run/agentd/agentd.sock"));
  EXPECT_THAT(run({"ps"}, false).err, HasSubstr("/env/s"));
  ::unsetenv("AGENTD_SOCKET");
  EXPECT_THAT(run({"ps", "--prefix", "/pre"}, false).err, HasSubstr("/pre/run/agentd/agentd.sock"));
  EXPECT_THAT(run({"--prefix", "", "ps"}, false).err, HasSubstr("/run/agentd/agentd.sock"));
}

TEST_F(CliTest, ATypoIsUsageAndGuessed) {
  auto verb = run({"spwan"});
  EXPECT_EQ(verb.status, 2);
  EXPECT_THAT(verb.err, HasSubstr("did you mean \"spawn\"?"));
  auto inGroup = run({"task", "lst"});
  EXPECT_EQ(inGroup.status, 2);
  EXPECT_THAT(inGroup.err, HasSubstr("did you mean \"list\"?"));
  auto far = run({"task", "zzzzzz"});
  EXPECT_THAT(far.err, HasSubstr("agentctl task --help"));
  auto group = run({"tsk", "list"});  // `list` alone is ps
  EXPECT_EQ(group.status, 2);
  EXPECT_THAT(group.err, HasSubstr("did you mean \"task\"?"));
  auto option = run({"task", "list", "--statsu", "queued"});
  EXPECT_EQ(option.status, 2);
  EXPECT_THAT(option.err, HasSubstr("\"--statsu\" is no option of agentctl task list; did you mean \"--status\"?"));
  EXPECT_THAT(run({"ps", "--sokcet=/x"}).err, HasSubstr("did you mean \"--socket\"?"));
  EXPECT_TRUE(server().asked().empty());
}

TEST_F(CliTest, WrongUsageIsTwoAndNothingIsAsked) {
  for (std::vector<std::string> args : {std::vector<std::string>{},
                                        {"task"},
                                        {"status"},
                                        {"status", "a", "b"},
                                        {"ps", "--bogus"},
                                        {"ps", "-o", "xml"},
                                        {"spawn"},
                                        {"task", "list", "--status", "wrong"},
                                        {"cost", "show", "--by", "moon"},
                                        {"stop", "x", "--grace", "10"},
                                        {"kill", "x", "--signal", "NOPE"},
                                        {"logs", "x", "--since", "yesterday"},
                                        {"wait", "x", "--timeout", "soon"},
                                        {"ps", "--request-timeout", "7"},
                                        {"completion", "csh"}}) {
    auto ran = run(args);
    EXPECT_EQ(ran.status, 2) << (args.empty() ? "" : args.back()) << ": " << ran.err;
    EXPECT_NE(ran.err, "");
    EXPECT_EQ(ran.out, "");
  }
  EXPECT_TRUE(server().asked().empty());
}

TEST_F(CliTest, HelpAndVersionAreDataAndDone) {
  auto help = run({"task", "add", "--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("--depends-on"));
  auto version = run({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.out, HasSubstr("agentctl "));
}

TEST_F(CliTest, TimesOutWithSix) {
  server().on("GET /v1/agents/x", {.body = "{}", .delayMs = 3000});
  auto ran = run({"status", "x", "--request-timeout", "50ms"});
  EXPECT_EQ(ran.status, 6);
}

TEST_F(CliTest, InterruptedIs130) {
  server().on("GET /v1/agents/x", {.body = "{}", .delayMs = 3000});
  pid_t child = start({"status", "x"});
  for (int i = 0; i < 200 && server().asked().empty(); ++i) ::usleep(5000);
  ::kill(child, SIGINT);
  EXPECT_EQ(finish(child).status, 130);
}

TEST_F(CliTest, AReaderThatGoesAwayIsNoFailure) {
  Json items = Json::array();
  for (int i = 0; i < 20000; ++i) items.push_back({{"id", "maker.aaaaaa"}, {"state", "running"}});
  server().on("GET /v1/agents", {.body = Json{{"items", items}, {"next", nullptr}}.dump()});
  auto head = run({"__complete", "--", "x"});  // warms nothing; only shows that the program runs
  EXPECT_EQ(head.status, 0);
  std::string command = "set -o pipefail; '" + std::string(AGENTCTL) + "' --socket '" + socket() + "' ps 2>'" +
                        socket() + ".err' | head -n 1 >/dev/null";
  EXPECT_EQ(std::system(("bash -c \"" + command + "\"").c_str()), 0);
  EXPECT_EQ(std::filesystem::file_size(socket() + ".err"), 0U);
}

TEST_F(CliTest, AFullDiskForTheOutputIsAFailure) {
  server().on("GET /v1/agents", {.body = R"json({"items":[{"id":"a"}],"next":null})json"});
  std::string command =
      "'" + std::string(AGENTCTL) + "' --socket '" + socket() + "' ps >/dev/full 2>'" + socket() + ".err'";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 1);
  EXPECT_NE(std::filesystem::file_size(socket() + ".err"), 0U);
}

TEST_F(CliTest, ColourOnATerminalOnlyAndNotAgainstNoColor) {
  server().on("GET /v1/agents",
              {.body = std::string(R"json({"items":[)json") + kRunning + R"json(],"next":null})json"});
  auto onTerminal = [&](const std::string& before, const std::string& after) {
    std::string command = before + " script -qec \"'" + std::string(AGENTCTL) + "' --socket '" + socket() + "' ps" +
                          after + "\" /dev/null >'" + socket() + ".tty'";
    EXPECT_EQ(std::system(command.c_str()), 0);
    return read("s.tty");
  };
  EXPECT_THAT(onTerminal("", ""), HasSubstr("\033[32mrunning\033[0m"));
  EXPECT_THAT(onTerminal("NO_COLOR=1", ""), ::testing::Not(HasSubstr("\033[")));
  EXPECT_THAT(onTerminal("", " --no-color"), ::testing::Not(HasSubstr("\033[")));
  EXPECT_THAT(run({"ps"}).out, ::testing::Not(HasSubstr("\033[")));
}

TEST_F(CliTest, CompletesVerbsOptionsAndLiveNames) {
  server().on("GET /v1/agents",
              {.body = std::string(R"json({"items":[)json") + kRunning + R"json(],"next":null})json"});
  EXPECT_THAT(run({"__complete", "--", "st"}).out, HasSubstr("status\n"));
  EXPECT_THAT(run({"__complete", "--", ""}).out, ::testing::Not(HasSubstr("__complete")));
  EXPECT_THAT(run({"__complete", "--", "task", ""}).out, HasSubstr("requeue\n"));
  EXPECT_THAT(run({"__complete", "--", "spawn", "--"}).out, HasSubstr("--contract\n"));
  EXPECT_THAT(run({"__complete", "--", "spawn", "--"}).out, HasSubstr("--socket\n"));
  EXPECT_EQ(run({"__complete", "--", "status", ""}).out, "maker.k3x9q2\n");
  EXPECT_EQ(run({"--socket", "/nowhere", "__complete", "--", "status", ""}, false).status, 0);
}

TEST_F(CliTest, TheCompletionScriptsAreAcceptedByTheirShells) {
  auto script = run({"completion", "bash"});
  EXPECT_EQ(script.status, 0);
  EXPECT_EQ(std::system(("bash -n '" + write("c.bash", script.out) + "'").c_str()), 0);
  write("ask", "source '" + std::filesystem::path(socket()).parent_path().string() + "/c.bash'\nPATH='" +
                   std::filesystem::path(AGENTCTL).parent_path().string() +
                   "':$PATH\nCOMP_WORDS=(agentctl tas); COMP_CWORD=1; _agentctl; echo \"${COMPREPLY[*]}\"\n");
  EXPECT_EQ(std::system(
                ("bash '" + std::filesystem::path(socket()).parent_path().string() + "/ask' > '" + socket() + ".reply'")
                    .c_str()),
            0);
  EXPECT_EQ(read("s.reply"), "task\n");
  EXPECT_THAT(run({"completion", "zsh"}).out, HasSubstr("#compdef agentctl"));
  EXPECT_THAT(run({"completion", "fish"}).out, HasSubstr("complete -c agentctl"));
}

}  // namespace
}  // namespace agentos::agentctl
