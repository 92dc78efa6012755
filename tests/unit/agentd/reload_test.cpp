// SPDX-License-Identifier: Apache-2.0
// Configuration that changes under a running daemon; and what its head and its agents come to when it ends.
#include <gmock/gmock.h>

#include <cstdlib>

#include "agentd/config/changes.h"
#include "agentd/config/definitions.h"
#include "agentd/config/models.h"
#include "agentd/launcher/notify.h"
#include "world.h"

namespace agentos::test {
namespace {

using agentd::Config;
using agentd::StopAgents;
using agentd::StopCause;
using ::testing::HasSubstr;

struct Reloading {
  Reloading() {
    world.contract("maker");
    fresh = world.config;
    EXPECT_TRUE(world.start());
    world.daemon->rereadWith([this] { return answer(); });
  }
  Result<Config> answer() const {
    if (broken) return std::unexpected(*broken);
    return fresh;
  }
  World world;
  Config fresh;
  std::optional<Error> broken;
};

TEST(Reload, WhatCanChangeDoesAndWhatCannotIsNamed) {
  Reloading scene;
  scene.fresh.concurrentCycles = 1;
  scene.fresh.policy.mounts = {"/srv/new"};
  scene.fresh.company = "/srv/elsewhere";
  scene.fresh.socketMode = 0600;
  auto report = scene.world.reload();
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ((*report)["configuration"]["changed"], Json::array({"limits.concurrent_cycles", "policy.mounts"}));
  EXPECT_EQ((*report)["configuration"]["needs_restart"], Json::array({"company", "socket.mode"}));
  EXPECT_EQ((*report)["configuration"]["kept"], false);
  EXPECT_EQ(scene.world.daemon->config().policy.mounts, std::vector<std::string>{"/srv/new"});
  EXPECT_EQ(scene.world.daemon->config().company, scene.world.config.company) << "from the next start";
  EXPECT_EQ(scene.world.spawner.policyReloads, 1) << "root's part is read by the spawner";
}

TEST(Reload, TheNewLimitHoldsForTheCyclesToCome) {
  Reloading scene;
  scene.world.contract("other");
  scene.fresh.concurrentCycles = 1;
  ASSERT_TRUE(scene.world.reload());
  scene.world.task("one", "maker");
  scene.world.task("two", "other");
  scene.world.pass(1s);
  EXPECT_EQ(scene.world.live().size(), 1U);
  scene.fresh.concurrentCycles = 2;
  ASSERT_TRUE(scene.world.reload());
  scene.world.pass(1s);
  EXPECT_EQ(scene.world.live().size(), 2U);
}

TEST(Reload, ABrokenFileChangesNothingAndSaysEveryLine) {
  Reloading scene;
  scene.broken = fail(ErrorCode::kConfig, "a.yaml:1:1: usr: unknown key\na.yaml:2:1: x: unknown key").error();
  auto report = scene.world.reload();
  ASSERT_TRUE(report) << "contracts are read all the same";
  EXPECT_EQ((*report)["configuration"]["kept"], true);
  EXPECT_EQ((*report)["problems"].size(), 2U);
  EXPECT_EQ(scene.world.spawner.policyReloads, 0);
}

// Root's part of the same file: agentd must not believe what the spawner will not grant.
TEST(Reload, WhatTheSpawnerRefusesKeepsAllOfTheOldOne) {
  Reloading scene;
  scene.fresh.policy.mounts = {"/srv/new"};
  scene.world.spawner.policyProblem = fail(ErrorCode::kConfig, "a.yaml:9:3: spawner: unknown key").error();
  auto report = scene.world.reload();
  ASSERT_TRUE(report);
  EXPECT_EQ((*report)["configuration"]["kept"], true);
  EXPECT_THAT((*report)["problems"].dump(), HasSubstr("a.yaml:9:3"));
  EXPECT_TRUE(scene.world.daemon->config().policy.mounts.empty());
}

TEST(Reload, ModelsComeAndGoAndABrokenOneLeavesTheOldOnes) {
  Reloading scene;
  const std::string script = scene.world.root + "/model.yaml";
  std::ofstream(script) << "models: [house/one]\nrules: [{ answer: { text: hello } }]\n";
  agentd::ModelSource source;
  source.driver = "scripted";
  source.script = scene.world.root + "/none.yaml";
  scene.fresh.models = {source};
  auto refused = scene.world.reload();
  ASSERT_TRUE(refused);
  EXPECT_EQ((*refused)["configuration"]["kept"], true) << "a script that is not there";
  EXPECT_TRUE(scene.world.daemon->config().models.empty());
  scene.fresh.models.front().script = script;
  auto taken = scene.world.reload();
  ASSERT_TRUE(taken);
  EXPECT_EQ((*taken)["configuration"]["kept"], false) << taken->dump();
  EXPECT_EQ((*taken)["configuration"]["changed"], Json::array({"models"}));
}

TEST(Changes, EveryKeyOfTheTableIsJudged) {
  std::vector<std::string> keys;
  for (const auto& one : agentd::definitions()) keys.push_back(one.key);
  EXPECT_THAT(agentd::judgedKeys(), ::testing::UnorderedElementsAreArray(keys));
}

TEST(Credentials, ANameIsLookedUpWhereSystemdPutIt) {
  EXPECT_EQ(agentd::keyPath("/etc/key").value(), "/etc/key");
  ::unsetenv("CREDENTIALS_DIRECTORY");
  EXPECT_THAT(agentd::keyPath("credential:key_a").error().message(), HasSubstr("/etc/agentd/keys"));
  ::setenv("CREDENTIALS_DIRECTORY", "/run/credentials/agentd.service", 1);
  EXPECT_EQ(agentd::keyPath("credential:key_a").value(), "/run/credentials/agentd.service/key_a");
  for (const char* name : {"credential:", "credential:..", "credential:../shadow", "credential:a/b"}) {
    EXPECT_FALSE(agentd::keyPath(name)) << name;
  }
  ::unsetenv("CREDENTIALS_DIRECTORY");
  auto config = agentd::loadConfig(
      "models: [{ driver: openai, base_url: \"http://x/v1\", key_file: "
      "\"credential:key_a\", models: [m] }]\n",
      "f", "/etc/agentd");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->models.front().keyFile, "credential:key_a") << "no path below /etc/agentd";
}

TEST(StopCause, IsWhatTheUnitSaidOfThisProcess) {
  using agentd::stopCauseFrom;
  EXPECT_EQ(stopCauseFrom("41 1234 agentd.service stop running\n", 41), StopCause::kStop);
  EXPECT_EQ(stopCauseFrom("41   1234 agentd.service restart running\n", 41), StopCause::kRestart);
  EXPECT_EQ(stopCauseFrom("41 1234 agentd.service try-restart running", 41), StopCause::kRestart);
  EXPECT_EQ(stopCauseFrom("40 1234 agentd.service stop running\n", 41), std::nullopt) << "an earlier agentd's";
  for (const char* text : {"", "41", "41 \n", "41 No jobs\n", " 1234 agentd.service stop running"}) {
    EXPECT_EQ(stopCauseFrom(text, 41), std::nullopt) << text;
  }
}

TEST(StopCause, OnlyAStopEndsAgents) {
  using agentd::agentsAtStop;
  for (const auto cause : {StopCause::kStop, StopCause::kUnmanaged}) {
    EXPECT_EQ(agentsAtStop(StopAgents::kStop, cause), StopAgents::kStop);
    EXPECT_EQ(agentsAtStop(StopAgents::kKeep, cause), StopAgents::kKeep);
  }
  for (const auto cause : {StopCause::kRestart, StopCause::kSignal, StopCause::kUnknown}) {
    EXPECT_EQ(agentsAtStop(StopAgents::kStop, cause), StopAgents::kKeep) << describe(cause);
  }
}

TEST(Stop, AnAgentIsLeftAloneWhenItIsToBe) {
  World world;
  world.contract("web", "run: { mode: service, command: [\"/bin/true\"] }\n");
  ASSERT_TRUE(world.start());
  world.pass(1s);
  const InstanceId run = world.only();
  world.stop(StopAgents::kKeep);
  EXPECT_FALSE(world.spawner.rooms.at(run).dead);
  EXPECT_FALSE(world.spawner.swept.contains(run));
}

TEST(Anchor, TheSpawnerHearsOfTheHeadWithinASecondAndAtTheEnd) {
  World world;
  ASSERT_TRUE(world.start());
  world.pass(2s);
  ASSERT_EQ(world.spawner.anchored.size(), 1U) << "one a second, however many events";
  EXPECT_EQ(world.spawner.anchored.back().sequence, world.daemon->events().log().head().sequence);
  world.task("leave a trace");
  world.pass(2s);
  EXPECT_EQ(world.spawner.anchored.size(), 2U);
  world.stop();
  EXPECT_EQ(world.spawner.anchored.back().sequence, world.daemon->events().log().head().sequence);
}

// As in `systemctl restart agentd-spawner agentd`: its socket is open, and it answers when agentd has ended.
TEST(Anchor, ASpawnerThatDoesNotAnswerHoldsUpTheEndForASecond) {
  World world;
  ASSERT_TRUE(world.start());
  world.pass(2s);
  world.spawner.shut(world.io);
  const auto before = std::chrono::steady_clock::now();
  world.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
  EXPECT_EQ(world.spawner.anchored.back().sequence, world.daemon->events().log().head().sequence);
}

}  // namespace
}  // namespace agentos::test
