// SPDX-License-Identifier: Apache-2.0
// Claude Code and Codex, unchanged: a headless prompt with one tool call, in a real room, against the gateway. They are
// told where the model is by the environment that every room has, or by a file of their own.
#include <sys/utsname.h>

#include <filesystem>
#include <fstream>

#include "real_agentd.h"

namespace agentos::test {
namespace {
namespace fs = std::filesystem;

// Each is the program alone; the packages that users install choose among these by machine.
constexpr const char* kClaude = "@anthropic-ai/claude-code-linux-x64@2.1.197";
constexpr const char* kCodex = "@openai/codex@0.169.0-linux-x64";

// A rule for the tool call, one for what follows when its result is back.
std::string scriptFor(const std::string& agent, const std::string& tool, const Json& arguments) {
  return "  - name: " + agent + " works\n    when: { agent: " + agent + ", tool: " + tool +
         " }\n    answer: { text: \"all written\", usage: { input: 900, output: 7 } }\n"
         "  - name: " +
         agent + " begins\n    when: { agent: " + agent + ", turn: 1 }\n    answer: { tool_calls: [{ name: " + tool +
         ", arguments: " + arguments.dump() + " }], usage: { input: 800, output: 40 } }\n";
}

class RealAgents : public testing::Test {
 protected:
  void SetUp() override {
    utsname machine{};
    if (::uname(&machine) != 0 || std::string(machine.machine) != "x86_64")
      GTEST_SKIP() << "the pinned packages are x86-64's";
  }

  // Where the package lies; empty when the test was skipped or has failed.
  std::string fetch(const char* package) {
    const Answer answer = runProgram({AGENTOS_FETCH, package});
    if (answer.status == 0) return answer.out.substr(0, answer.out.find('\n'));
    EXPECT_EQ(answer.status, 77) << answer.err;
    return {};
  }

  // A company whose agents work in products/site, with a scripted model.
  void prepare(const std::string& script, const std::string& programs) {
    workspace_ = agentd.company() + "/products/site";
    fs::create_directories(workspace_);
    const auto owner = fs::status(agentd.company()).permissions();
    fs::permissions(workspace_, owner);
    runProgram({"/bin/chown", "--reference=" + agentd.company(), agentd.company() + "/products", workspace_});
    std::ofstream(agentd.prefix() + "/etc/agentd/script.yaml") << "models: [scripted/default]\nrules:\n" << script;
    agentd.config("stop: { grace: 500ms }\npolicy: { allow_unlimited_without_controllers: true, mounts: [" + programs +
                  "] }\nmodels: [{ driver: scripted, script: " + agentd.prefix() + "/etc/agentd/script.yaml }]\n");
  }

  std::string contractOf(const std::string& programs, const Json& command, const std::string& env) {
    return "schedule: { on: [task] }\nmodelPolicy: { allow: [\"scripted/*\"] }\nworkspace: { mounts: [{ source: " +
           programs + ", target: /opt/agent }, { source: products/site, target: /workspace, mode: rw }] }\n" +
           "run: { mode: cycle, timeout: 3m, command: " + command.dump() + ", env: { " + env + " } }\n";
  }

  // The task is done, the file is there, and both calls are on the ledger.
  void expectDone(const std::string& agent, const std::string& task, const std::string& said) {
    const bool done = eventually(
        [&] {
          const std::string status = agentd.statusOf(task);
          return status == "done" || status == "failed" || agentd.status(agent)["state"] == "exited";
        },
        150s);
    const Json state = agentd.status(agent);
    const std::string output = agentd.output(state.value("id", ""));
    EXPECT_TRUE(done && eventually([&] { return agentd.statusOf(task) == "done"; })) << state.dump(1) << output;
    EXPECT_NE(output.find(said), std::string::npos) << output;
    EXPECT_EQ(readWhole(workspace_ + "/" + agent + ".txt"), "made by " + agent + "\n") << output;
    EXPECT_GE(state.value("model_calls", 0), 2) << state.dump(1);
  }

  RealAgentd agentd;
  std::string workspace_;
};

TEST_F(RealAgents, ClaudeCodeCompletesAPromptWithAToolCall) {
  const std::string programs = fetch(kClaude);
  if (programs.empty()) GTEST_SKIP() << "npm or its registry is not to be had";
  prepare(scriptFor("claude", "Bash",
                    {{"command", "echo made by claude > /workspace/claude.txt"}, {"description", "write"}}),
          programs);
  agentd.contract(
      "claude", contractOf(programs,
                           {"/opt/agent/claude", "-p", "write the file", "--output-format", "json", "--permission-mode",
                            "bypassPermissions"},
                           "ANTHROPIC_MODEL: scripted/default, ANTHROPIC_DEFAULT_HAIKU_MODEL: scripted/default, "
                           "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: \"1\""));
  agentd.start();
  expectDone("claude", agentd.addTask("write the file", "claude"), "all written");
}

TEST_F(RealAgents, CodexCompletesAPromptWithAToolCall) {
  const std::string package = fetch(kCodex);
  if (package.empty()) GTEST_SKIP() << "npm or its registry is not to be had";
  const std::string programs = package + "/vendor/x86_64-unknown-linux-musl";
  prepare(scriptFor("codex", "exec_command", {{"cmd", "echo made by codex > /workspace/codex.txt"}}), programs);
  fs::create_directories(workspace_ + "/.codex");
  std::ofstream(workspace_ + "/.codex/config.toml")
      << "model = \"scripted/default\"\nmodel_provider = \"agentd\"\n[model_providers.agentd]\nname = \"agentd\"\n"
         "base_url = \"http://127.0.0.1:4242/v1\"\nwire_api = \"responses\"\nenv_key = \"OPENAI_API_KEY\"\n";
  runProgram({"/bin/chown", "-R", "--reference=" + agentd.company(), workspace_});
  agentd.contract("codex", contractOf(programs,
                                      {"/opt/agent/bin/codex", "exec", "--json", "--skip-git-repo-check",
                                       "--dangerously-bypass-approvals-and-sandbox", "write the file"},
                                      "CODEX_HOME: /workspace/.codex"));
  agentd.start();
  expectDone("codex", agentd.addTask("write the file", "codex"), "all written");
}

}  // namespace
}  // namespace agentos::test
