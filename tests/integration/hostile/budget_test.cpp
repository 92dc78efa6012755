// SPDX-License-Identifier: Apache-2.0
// An agent that never stops talking: the cap holds to the last micro-dollar, and what it did is handed over.
#include <filesystem>

#include "base/sqlite.h"
#include "hostile.h"

namespace agentos::test {
namespace {

class Budget : public Hostile {
 protected:
  void ledgerKeeps(std::int64_t perRun, std::int64_t perDay) {
    auto db = Database::open(agentd.prefix() + "/var/lib/agentd/agentd.db");
    ASSERT_TRUE(db.has_value());
    auto runs = (*db)->prepare("SELECT instance, sum(cost) FROM ledger_settlements GROUP BY instance");
    std::size_t count = 0;
    std::int64_t all = 0;
    while (runs->step().value_or(false)) {
      EXPECT_LE(runs->integer(1), perRun) << runs->text(0);
      EXPECT_GT(runs->integer(1), 0);
      all += runs->integer(1);
      ++count;
    }
    EXPECT_GT(count, 0U);
    EXPECT_LE(all, perDay);
  }
};

constexpr const char* kEndless = R"(
  - name: endless
    answer: { text: "again", tool_calls: [ { name: fs.write, arguments: { path: "/home/agent/${turn}", content: more } } ], usage: { input: 1000, output: 500 } }
)";

// Each call differs from the one before, or agent-runner's own guard against loops ends it. At 1 USD a million: 1,500
// micro-dollars a call, of which the contract allows 20,000 a run and 50,000 a day.
TEST_F(Budget, ALoopingAgentMeetsItsCapAndHandsOver) {
  model(kEndless);
  agentd.contract(
      "looper",
      "schedule: { every: 24h }\nrun: { mode: cycle, timeout: 30s }\ncapabilities: [fs.write, task.complete]\n"
      "modelPolicy: { allow: [\"house/*\"] }\nbudget: { per_run_usd: 0.02, per_day_usd: 0.05, max_turns: 1000 }\n");
  agentd.start();
  const std::string task = agentd.addTask("never end", "looper");
  ASSERT_EQ(agentd.ctl({"cycle", "run", "looper"}).status, 0);
  const std::string first = instanceOf("looper");
  ASSERT_TRUE(eventually([&] { return agentd.status(first)["state"] == "exited"; }, 20s)) << agentd.output(first);
  EXPECT_NE(agentd.output(first).find("per_run_usd"), std::string::npos) << agentd.output(first);
  EXPECT_EQ(agentd.statusOf(task), "queued") << "handed over, not failed";
  EXPECT_NE(readWhole(agentd.company() + "/agents/tasks/queued/" + task + ".md").find("budget"), std::string::npos);
  // Further runs, until the day's cap: then not even a first call.
  for (int i = 0; i < 4; ++i) {
    agentd.ctl({"cycle", "run", "looper"});
    EXPECT_TRUE(eventually([&] { return agentd.ask({"ps"})["items"].empty(); }, 20s));
  }
  const std::string last = instanceOf("looper");
  EXPECT_NE(agentd.output(last).find("per_day_usd"), std::string::npos) << agentd.output(last);
  endWithNothingLeft();
  ledgerKeeps(20'000, 50'000);
}

// Twenty calls at once cannot each fit into the same last cents.
TEST_F(Budget, CallsAtOnceDoNotShareTheSameMoney) {
  model("  - name: one\n    delay: 300ms\n    answer: { text: hello, usage: { input: 1000, output: 1000 } }\n");
  agentd.contract(
      "crowd",
      bashOnTask("b='{\"model\":\"auto\",\"max_tokens\":1000,\"messages\":[{\"role\":\"user\",\"content\":\"go\"}]}'\n"
                 "call() { exec {fd}<>/dev/tcp/127.0.0.1/4242; printf 'POST /v1/chat/completions HTTP/1.1\\r\\nHost: "
                 "x\\r\\nConnection: close\\r\\nContent-Length: %s\\r\\n\\r\\n%s' ${#b} \"$b\" >&$fd; read -r line "
                 "<&$fd; echo \"$line\"; }\n"
                 "for i in $(seq 20); do call & done; wait; echo all",
                 "modelPolicy: { allow: [\"house/*\"] }\nbudget: { per_run_usd: 0.005 }\n"));
  agentd.start();
  const std::string task = agentd.addTask("all at once", "crowd");
  ASSERT_TRUE(eventually([&] { return agentd.statusOf(task) == "done"; }, 15s));
  const std::string id = instanceOf("crowd");
  EXPECT_GE(agentd.countOutput(id, "HTTP/1.1 200"), 1U) << agentd.output(id);
  EXPECT_GE(agentd.countOutput(id, "HTTP/1.1 429"), 15U) << agentd.output(id);
  EXPECT_EQ(agentd.countOutput(id, "HTTP/1.1 "), 20U) << agentd.output(id);
  endWithNothingLeft();
}

}  // namespace
}  // namespace agentos::test
