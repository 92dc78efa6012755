// SPDX-License-Identifier: Apache-2.0
// What a contract demands and this machine cannot give, and contracts that break while they are in force.
#include <filesystem>

#include "hostile.h"

namespace agentos::test {
namespace {

class Contracts : public Hostile {
 protected:
  std::string file(const std::string& binding, const std::string& rest) {
    const std::string path = agentd.prefix() + "/one.yaml";
    writeText(path, "apiVersion: agentos/v0.2\nkind: AgentContract\nname: one\nbinding: " + binding + "\n" + rest +
                        "run: { mode: job, command: [\"/bin/sleep\", \"1000\"] }\nrestart: { policy: no }\n");
    return path;
  }
  bool machineHas(const std::string& controller) {
    for (const auto& one : agentd.ask({"system", "info"})["controllers"])
      if (one == controller) return true;
    return false;
  }
};

TEST_F(Contracts, AStrictDemandThatCannotBeMetIsRefusedWithWhatWouldMeetIt) {
  agentd.start();
  if (machineHas("memory")) GTEST_SKIP() << "this machine enforces compute.mem; its limits are tested where they bind";
  const Answer strict = agentd.ctl({"spawn", "--contract", file("strict", "compute: { mem: 64MiB }\n")});
  EXPECT_EQ(strict.status, 4) << strict.err;
  EXPECT_NE(strict.err.find("compute.mem"), std::string::npos) << strict.err;
  EXPECT_NE(strict.err.find("memory"), std::string::npos) << strict.err;
  EXPECT_NE(strict.err.find("flexible"), std::string::npos) << "what would make it work: " << strict.err;
  const Reply raw = ask(socketPath(), "POST", "/v1/agents",
                        Json{{"contract", readWhole(file("strict", "compute: { mem: 64MiB }\n"))}}.dump());
  EXPECT_NE(raw.body.find("contract.unmet"), std::string::npos) << raw.body;
  EXPECT_FALSE(events("instance.refused").empty()) << "and audited";
  EXPECT_TRUE(agentd.ask({"ps", "--all"})["items"].empty()) << "nothing was half-started";
  const Answer flexible = agentd.ctl({"spawn", "--contract", file("flexible", "compute: { mem: 64MiB }\n")});
  ASSERT_EQ(flexible.status, 0) << flexible.err;
  ASSERT_TRUE(eventually([&] { return isRunning("one"); }));
  const Answer shown = agentd.ctl({"status", "one"});
  EXPECT_NE(shown.out.find("memory (no memory controller"), std::string::npos) << shown.out;
  const auto started = events("instance.started");
  ASSERT_EQ(started.size(), 1U);
  EXPECT_NE(started[0].dump().find("mem"), std::string::npos) << started[0];
  EXPECT_EQ(agentd.ctl({"kill", "one"}).status, 0);
  EXPECT_TRUE(eventually([&] { return !isRunning("one"); }));
  endWithNothingLeft();
}

TEST_F(Contracts, WithoutRootsPolicyFlexibleIsNoLicenceToRunUnlimited) {
  agentd.config("stop: { grace: 500ms }\n");
  agentd.start();
  if (machineHas("memory")) GTEST_SKIP() << "this machine enforces compute.mem";
  const Answer refused = agentd.ctl({"spawn", "--contract", file("flexible", "compute: { mem: 64MiB }\n")});
  EXPECT_EQ(refused.status, 4) << refused.err;
  EXPECT_NE(refused.err.find("allow_unlimited_without_controllers"), std::string::npos)
      << "what would make it work: " << refused.err;
  endWithNothingLeft();
}

TEST_F(Contracts, ABrokenOneLeavesTheOldOneInForceAndSaysWhere) {
  agentd.contract("maker", bashOnTask("echo old"));
  agentd.start();
  const std::string digest = agentd.ask({"contract", "show", "maker"})["digest"];
  for (const char* broken : {"run: { mode: [\n", "shcedule: { every: 5m }\n", "compute: { mem: lots }\n"}) {
    agentd.contract("maker", broken);
    const Answer report = agentd.ctl({"system", "reload"});
    EXPECT_EQ(report.status, 1);
    EXPECT_NE(report.err.find("maker.yaml:"), std::string::npos) << report.err;
    EXPECT_NE(report.err.find("stays in force"), std::string::npos) << report.err;
    EXPECT_EQ(agentd.ask({"contract", "show", "maker"})["digest"], digest);
  }
  const std::string task = agentd.addTask("work", "maker");
  EXPECT_TRUE(eventually([&] { return agentd.statusOf(task) == "done"; }));
  EXPECT_GT(agentd.countOutput(instanceOf("maker"), "old"), 0U);
  agentd.contract("maker", bashOnTask("echo new"));
  EXPECT_EQ(agentd.ask({"system", "reload"})["changed"].size(), 1U);
  const std::string again = agentd.addTask("work", "maker");
  EXPECT_TRUE(eventually([&] { return agentd.statusOf(again) == "done"; }));
  EXPECT_GT(agentd.countOutput(instanceOf("maker"), "new"), 0U);
  endWithNothingLeft();
}

}  // namespace
}  // namespace agentos::test
