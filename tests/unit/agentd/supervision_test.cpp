// SPDX-License-Identifier: Apache-2.0
// Halt, health, trees, dead letters and explain: the whole daemon with a clock of the test's.
#include <gmock/gmock.h>

#include "agentd/supervisor/health.h"
#include "agentd/supervisor/restarts.h"
#include "agentd/supervisor/tree.h"
#include "world.h"

namespace agentos::test {
namespace {

using agentd::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kService = "run: { mode: service, command: [\"/bin/true\"] }\n";

AgentName named(const std::string& name) { return *AgentName::parse(name); }

// The live instance of that agent.
InstanceId liveOf(World& world, const std::string& agent) {
  for (const auto& view : world.live())
    if (view.agent.str() == agent) return view.id;
  return {};
}
std::size_t countOf(World& world, const std::string& agent) {
  std::size_t count = 0;
  for (const auto& plan : world.spawner.plans) count += agentOf(plan.id) == agent ? 1U : 0U;
  return count;
}
State stateOf(World& world, const InstanceId& id) { return world.daemon->supervisor().view(id)->state; }
std::string codeOf(World& world, const std::string& name) {
  auto told = world.daemon->explain(name);
  return told ? (*told)["code"].get<std::string>() : told.error().message();
}
Result<agentd::HaltReport> halt(World& world, bool kill = false) {
  return world.await(world.daemon->supervisor().halt(kill, "drill", "uid:0"));
}
Result<void> unhalt(World& world) {
  auto done = world.await(world.daemon->unhalt("uid:0"));
  world.pass(10ms);
  return done ? Result<void>() : std::unexpected(done.error());
}

// ---- the halt

TEST(Halt, FreezesAllByOneRequestAndNothingStartsUntilItIsLifted) {
  World world;
  for (const char* name : {"web", "api"}) world.contract(name, kService);
  world.contract("maker");
  ASSERT_TRUE(world.start());
  ASSERT_EQ(world.live().size(), 2U);
  auto report = halt(world);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->instances, 2U);
  EXPECT_EQ(world.spawner.halts, 1);
  for (const auto& view : world.live()) {
    EXPECT_EQ(view.state, State::kPaused);
    EXPECT_TRUE(world.spawner.rooms.at(view.id).frozen);
  }
  world.task("work", "maker");
  world.pass(1h);
  auto spawned =
      world.await(world.daemon->supervisor().spawn({.contract = world.contracts().at(named("maker")).contract}));
  ASSERT_FALSE(spawned);
  EXPECT_EQ(spawned.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(spawned.error().message(), HasSubstr("drill"));
  const InstanceId web = liveOf(world, "web");
  EXPECT_FALSE(world.await(world.daemon->supervisor().resume(web, "uid:1")));
  EXPECT_FALSE(world.await(world.daemon->supervisor().stop(web, std::nullopt, "uid:1"))) << "a stop would thaw it";
  EXPECT_EQ(world.spawner.plans.size(), 2U);
  EXPECT_EQ(codeOf(world, "maker"), "halted");
  EXPECT_EQ(codeOf(world, "web"), "halted");
  ASSERT_TRUE(unhalt(world));
  world.pass(1s);
  EXPECT_EQ(stateOf(world, web), State::kRunning);
  EXPECT_FALSE(world.spawner.rooms.at(web).frozen);
  EXPECT_EQ(world.spawner.plans.size(), 3U) << "the task is served now";
  EXPECT_EQ(world.audited("agentd.halted"), 1U);
  EXPECT_EQ(world.audited("agentd.unhalted"), 1U);
}

TEST(Halt, OutlivesTheDaemonAndLeavesPausedWhatAPersonPaused) {
  World world;
  for (const char* name : {"web", "api"}) world.contract(name, kService);
  ASSERT_TRUE(world.start());
  const InstanceId web = liveOf(world, "web"), api = liveOf(world, "api");
  ASSERT_TRUE(world.await(world.daemon->supervisor().pause(api, "uid:7")));
  ASSERT_TRUE(halt(world));
  world.kill();
  ASSERT_TRUE(world.start());
  ASSERT_TRUE(world.daemon->supervisor().halted());
  EXPECT_EQ(world.daemon->supervisor().halted()->reason, "drill");
  EXPECT_EQ(stateOf(world, web), State::kPaused);
  EXPECT_EQ(codeOf(world, "api"), "paused");
  world.pass(1h);
  EXPECT_EQ(world.spawner.plans.size(), 2U);
  ASSERT_TRUE(unhalt(world));
  EXPECT_EQ(stateOf(world, web), State::kRunning);
  EXPECT_EQ(stateOf(world, api), State::kPaused) << "it was not the halt that paused it";
}

// The machine starts anew: no room is left, and nothing comes back by itself.
TEST(Halt, OutlivesTheMachine) {
  World world;
  world.contract("web", kService);
  ASSERT_TRUE(world.start());
  ASSERT_TRUE(halt(world));
  world.kill();
  world.spawner.rooms.clear();
  ASSERT_TRUE(world.start());
  world.pass(24h);
  EXPECT_EQ(world.spawner.plans.size(), 1U);
  EXPECT_EQ(codeOf(world, "web"), "halted");
  ASSERT_TRUE(unhalt(world));
  EXPECT_EQ(world.spawner.plans.size(), 2U) << "services come back";
}

TEST(Halt, KillsAndGivesTheTaskBack) {
  World world;
  world.contract("maker");
  world.contract("web", kService);
  ASSERT_TRUE(world.start());
  const TaskId task = world.task("work", "maker");
  world.pass(1s);
  ASSERT_EQ(world.live().size(), 2U);
  ASSERT_TRUE(halt(world, true));
  world.pass(1s);
  EXPECT_TRUE(world.live().empty());
  EXPECT_EQ(world.status(task), company::TaskStatus::kQueued) << "not the agent's doing";
  world.pass(24h);
  EXPECT_EQ(world.spawner.plans.size(), 2U);
  ASSERT_TRUE(unhalt(world));
  world.pass(10s);
  EXPECT_EQ(world.live().size(), 2U);
}

TEST(Halt, CatchesARoomThatWasInTheMaking) {
  World world;
  world.contract("web", "run: { mode: job, command: [\"/bin/true\"] }\n");
  ASSERT_TRUE(world.start());
  world.spawner.shut(world.io);
  auto spawning = boost::asio::co_spawn(
      world.io, world.daemon->supervisor().spawn({.contract = world.contracts().at(named("web")).contract}),
      boost::asio::use_future);
  world.run();
  ASSERT_TRUE(halt(world));
  world.spawner.open();
  world.pass(10ms);
  ASSERT_TRUE(World::isReady(spawning));
  const auto id = spawning.get();
  ASSERT_TRUE(id);
  EXPECT_EQ(stateOf(world, *id), State::kPaused);
  EXPECT_TRUE(world.spawner.rooms.at(*id).frozen);
}

TEST(Halt, ARestartThatComesDueWaitsForItsEnd) {
  World world;
  world.contract("web", kService + "restart: { policy: always, backoff: 10s..1m }\n");
  ASSERT_TRUE(world.start());
  world.spawner.exit(world.only(), 1);
  world.pass(1s);
  EXPECT_EQ(codeOf(world, "web"), "backing_off");
  ASSERT_TRUE(halt(world));
  world.pass(1h);
  EXPECT_EQ(world.spawner.plans.size(), 1U);
  ASSERT_TRUE(unhalt(world));
  world.pass(1s);
  EXPECT_EQ(world.spawner.plans.size(), 2U) << "once";
}

TEST(Halt, SaysWhenNotEverythingIsHeldAndHoldsTheRest) {
  World world;
  world.contract("web", kService);
  ASSERT_TRUE(world.start());
  world.spawner.haltProblem = Error{ErrorCode::kTimedOut, "1 room was not frozen", "", 0, {}};
  EXPECT_FALSE(halt(world));
  ASSERT_TRUE(world.daemon->supervisor().halted());
  EXPECT_FALSE(
      world.await(world.daemon->supervisor().spawn({.contract = world.contracts().at(named("web")).contract})));
}

// ---- health

TEST(Health, ASilentServiceIsEndedAfterItsMissesAndStartedAgain) {
  World world;
  world.contract(
      "web", kService + "health: { heartbeat: 10s, misses: 3 }\nrestart: { policy: on-failure, backoff: 1s..1s }\n");
  ASSERT_TRUE(world.start());
  const InstanceId web = world.only();
  EXPECT_EQ(codeOf(world, "web"), "not_ready");
  for (int i = 0; i < 20; ++i) {
    world.daemon->supervisor().heartbeat(web);
    world.pass(9s);
  }
  EXPECT_EQ(stateOf(world, web), State::kRunning);
  EXPECT_EQ(world.audited("instance.ready"), 1U);
  world.pass(15s);
  EXPECT_EQ(codeOf(world, "web"), "unhealthy");
  world.daemon->supervisor().heartbeat(web);
  EXPECT_EQ(codeOf(world, "web"), "running") << "a word takes the misses back";
  world.pass(29s);
  EXPECT_EQ(stateOf(world, web), State::kRunning);
  world.pass(2s);
  EXPECT_EQ(stateOf(world, web), State::kStopping);
  world.spawner.exit(web, 0);
  world.pass(2s);
  EXPECT_EQ(world.spawner.plans.size(), 2U) << "hung is a failure, whatever it exits with";
  EXPECT_THAT(world.daemon->supervisor().view(web)->reason, HasSubstr("no heartbeat for 10s, 3 times"));
}

TEST(Health, StandsStillWhilePausedAndHalted) {
  World world;
  world.contract("web", kService + "health: { heartbeat: 10s, misses: 1 }\n");
  ASSERT_TRUE(world.start());
  const InstanceId web = world.only();
  world.pass(9s);
  ASSERT_TRUE(world.await(world.daemon->supervisor().pause(web, "uid:0")));
  world.pass(24h);
  ASSERT_TRUE(world.await(world.daemon->supervisor().resume(web, "uid:0")));
  ASSERT_TRUE(halt(world));
  world.pass(24h);
  ASSERT_TRUE(unhalt(world));
  EXPECT_EQ(stateOf(world, web), State::kRunning);
  world.pass(2s);
  EXPECT_EQ(stateOf(world, web), State::kStopping) << "what was left of it was a second";
}

// An agentd that falls over again and again gives a hung agent no new time, beyond the moment in which it hears what
// was said meanwhile.
TEST(Health, ADeadlineOutlivesTheDaemon) {
  World world;
  world.contract("web", kService + "health: { heartbeat: 60s, misses: 1 }\n");
  ASSERT_TRUE(world.start());
  const InstanceId web = world.only();
  world.daemon->supervisor().heartbeat(web);
  for (int crash = 0; crash < 5; ++crash) {
    world.pass(10s);
    world.kill();
    ASSERT_TRUE(world.start());
    ASSERT_EQ(stateOf(world, web), State::kRunning) << crash;
  }
  world.pass(16s);
  EXPECT_EQ(stateOf(world, web), State::kStopping);
}

TEST(Health, ARunThatGetsNowhereIsEndedAndOneThatGetsOnIsNot) {
  World world;
  world.spawner.killsEnd = false;
  world.contract("maker",
                 "run: { mode: job, command: [\"/bin/true\"], no_progress: 10m, timeout: 10h }\n"
                 "restart: { policy: no }\n");
  ASSERT_TRUE(world.start());
  const auto id =
      world.await(world.daemon->supervisor().spawn({.contract = world.contracts().at(named("maker")).contract}));
  ASSERT_TRUE(id);
  world.pass(9min);
  world.daemon->supervisor().progress(*id);
  world.pass(9min);
  EXPECT_EQ(stateOf(world, *id), State::kRunning) << "it called";
  std::ofstream(world.config.paths.log() + "/" + id->str() + "/output.log") << "still here\n";
  world.pass(9min);
  EXPECT_EQ(stateOf(world, *id), State::kRunning) << "it printed";
  world.daemon->supervisor().heartbeat(*id);
  world.pass(2min + 2s);
  EXPECT_EQ(stateOf(world, *id), State::kStopping) << "a heartbeat is life, not progress";
  world.spawner.exit(*id, 0);
  world.pass(1s);
  EXPECT_THAT(world.daemon->supervisor().view(*id)->reason, HasSubstr("no progress for 10m"));
  EXPECT_EQ(codeOf(world, "maker"), "failed");
}

// ---- trees

agentd::TreeNode node(const std::string& agent, const std::string& parent, int started,
                      contract::SuperviseStrategy strategy = contract::SuperviseStrategy::kOneForOne) {
  agentd::TreeNode made{
      *InstanceId::parse(agent + ".aaaaaa"), named(agent), {}, strategy, Timestamp(std::chrono::seconds(started))};
  if (!parent.empty()) made.parent = named(parent);
  return made;
}
std::vector<std::string> agentsOf(const std::vector<InstanceId>& ids) {
  std::vector<std::string> names;
  for (const auto& id : ids) names.emplace_back(agentOf(id));
  return names;
}

TEST(Tree, StopsTheLastFirstAndEachAfterWhatIsBeneathIt) {
  const agentd::Tree tree = {node("lead", "", 1), node("a", "lead", 2), node("b", "lead", 3),
                             node("b1", "b", 4),  node("b2", "b", 5),   node("other", "", 6)};
  EXPECT_THAT(agentsOf(agentd::descendantsToStop(tree, named("lead"))), ElementsAre("b2", "b1", "b", "a"));
  EXPECT_TRUE(agentd::descendantsToStop(tree, named("other")).empty());
}

TEST(Tree, ACircleOfParentsIsWalkedOnce) {
  const agentd::Tree tree = {node("a", "c", 1), node("b", "a", 2), node("c", "b", 3)};
  EXPECT_THAT(agentsOf(agentd::descendantsToStop(tree, named("a"))), ElementsAre("c", "b"));
}

TEST(Tree, EachStrategyNamesItsSiblings) {
  using enum contract::SuperviseStrategy;
  for (const auto& [strategy, wanted] :
       {std::pair(kOneForOne, std::vector<std::string>{}), {kOneForAll, {"a", "c"}}, {kRestForOne, {"c"}}}) {
    const agentd::Tree tree = {node("lead", "", 1), node("c", "lead", 4), node("a", "lead", 2), node("x", "", 9)};
    EXPECT_EQ(agentsOf(agentd::siblingsToRestart(tree, node("b", "lead", 3, strategy))), wanted);
    EXPECT_TRUE(agentd::siblingsToRestart(tree, node("b", "", 3, strategy)).empty()) << "nobody's child has none";
  }
}

class Family : public ::testing::TestWithParam<const char*> {
 public:
  void found(const std::string& strategy) {
    world.contract("lead", kService + "restart: { policy: on-failure, backoff: 1s..1s }\n");
    for (const char* child : {"a", "b", "c"})
      world.contract(child, kService + "restart: { policy: on-failure, backoff: 1s..1s }\n" +
                                "supervise: { parent: lead, strategy: " + strategy + " }\n");
    ASSERT_TRUE(world.start());
    world.pass(100ms);
    ASSERT_EQ(world.live().size(), 4U) << "the parent first, then its children";
    ASSERT_EQ(agentOf(world.spawner.plans.front().id), "lead");
  }
  // As an agent does that obeys its stop signal at once.
  void obey() {
    for (int i = 0; i < 20; ++i) {
      for (const auto& view : world.live())
        if (view.state == State::kStopping) world.spawner.exit(view.id, 0);
      world.pass(100ms);
    }
  }
  World world;
};

TEST_F(Family, ChildrenEndWithTheirParentAndComeBackWithIt) {
  found("one_for_one");
  world.spawner.exit(liveOf(world, "lead"), 1);
  world.pass(10ms);
  for (const auto& view : world.live()) EXPECT_NE(view.agent.str(), "lead");
  obey();
  world.pass(2s);
  EXPECT_EQ(world.live().size(), 4U);
  for (const char* child : {"a", "b", "c"}) EXPECT_EQ(countOf(world, child), 2U) << child;
}

TEST_F(Family, AStopOfTheParentStopsItsChildrenFirstTheLastOneFirst) {
  found("one_for_one");
  auto stopping = boost::asio::co_spawn(
      world.io, world.daemon->supervisor().stop(liveOf(world, "lead"), std::nullopt, "uid:0"), boost::asio::use_future);
  std::vector<std::string> order;
  for (int i = 0; i < 50 && !world.live().empty(); ++i) {
    world.pass(10ms);
    for (const auto& view : world.live()) {
      if (view.state != State::kStopping) continue;
      order.push_back(view.agent.str());
      world.spawner.exit(view.id, 0);
    }
  }
  EXPECT_EQ(order.size(), 4U);
  EXPECT_EQ(order.back(), "lead");
  EXPECT_EQ(order.front(), agentOf(world.spawner.plans.back().id)) << "the last to start is the first to stop";
  world.pass(1h);
  EXPECT_TRUE(world.live().empty()) << "on request: nobody comes back";
  EXPECT_EQ(codeOf(world, "a"), "dependency");
}

TEST_F(Family, NobodyStartsWithoutItsParent) {
  world.contract("a", kService + "supervise: { parent: lead }\n");
  ASSERT_TRUE(world.start());
  EXPECT_TRUE(world.live().empty());
  auto spawned = world.await(world.daemon->supervisor().spawn({.contract = world.contracts().at(named("a")).contract}));
  ASSERT_FALSE(spawned);
  EXPECT_THAT(spawned.error().message(), HasSubstr("lead"));
}

TEST_F(Family, OneForOneRestartsTheOneAlone) {
  found("one_for_one");
  world.spawner.exit(liveOf(world, "b"), 1);
  obey();
  world.pass(2s);
  EXPECT_EQ(world.live().size(), 4U);
  EXPECT_EQ(countOf(world, "a") + countOf(world, "c"), 2U);
  EXPECT_EQ(countOf(world, "b"), 2U);
}

TEST_F(Family, OneForAllRestartsAllInTheOrderOfTheirStarts) {
  found("one_for_all");
  std::vector<std::string> first;
  for (const auto& plan : world.spawner.plans) first.emplace_back(agentOf(plan.id));
  world.spawner.exit(liveOf(world, "b"), 1);
  obey();
  world.pass(2s);
  EXPECT_EQ(world.live().size(), 4U);
  std::vector<std::string> second;
  for (std::size_t i = 4; i < world.spawner.plans.size(); ++i) second.emplace_back(agentOf(world.spawner.plans[i].id));
  first.erase(first.begin());  // the parent stays
  EXPECT_EQ(second, first);
}

TEST_F(Family, RestForOneRestartsThoseThatStartedAfterIt) {
  found("rest_for_one");
  const std::string second(agentOf(world.spawner.plans[2].id)), third(agentOf(world.spawner.plans[3].id));
  world.spawner.exit(liveOf(world, second), 1);
  obey();
  world.pass(2s);
  EXPECT_EQ(world.live().size(), 4U);
  ASSERT_EQ(world.spawner.plans.size(), 6U);
  EXPECT_EQ(agentOf(world.spawner.plans[4].id), second);
  EXPECT_EQ(agentOf(world.spawner.plans[5].id), third);
}

// Killed between the stop of the siblings and their start.
TEST_F(Family, AGroupThatIsBeingRestartedComesBackUnderANewDaemon) {
  found("one_for_all");
  world.spawner.exit(liveOf(world, "b"), 1);
  world.pass(10ms);
  world.kill();
  ASSERT_TRUE(world.start());
  obey();
  world.pass(5s);
  EXPECT_EQ(world.live().size(), 4U);
}

TEST_F(Family, AnOrphanThatIsAdoptedIsEnded) {
  found("one_for_one");
  const InstanceId lead = liveOf(world, "lead");
  world.kill();
  world.spawner.exit(lead, 1);
  ASSERT_TRUE(world.start());
  world.pass(10ms);
  std::size_t ending = 0;
  for (const auto& view : world.live()) ending += view.state == State::kStopping ? 1U : 0U;
  EXPECT_GE(ending, 1U);
  obey();
  world.pass(5s);
  EXPECT_EQ(world.live().size(), 4U) << "and comes back with its parent";
}

// ---- dead letters

TEST(Dead, AJobThatFailedForGoodLiesThereWithItsEvidenceUntilItIsRetried) {
  World world;
  world.contract("job", "run: { mode: job, command: [\"/bin/false\"] }\nrestart: { max: 2, backoff: 1s..1s }\n");
  ASSERT_TRUE(world.start());
  ASSERT_TRUE(world.await(world.daemon->supervisor().spawn({.contract = world.contracts().at(named("job")).contract})));
  for (int run = 0; run < 3; ++run) {
    std::ofstream(world.config.paths.log() + "/" + world.only().str() + "/output.log") << "it broke\n";
    world.spawner.exit(world.only(), 3);
    world.pass(2s);
  }
  EXPECT_TRUE(world.live().empty());
  auto letters = world.daemon->supervisor().dead();
  ASSERT_TRUE(letters);
  ASSERT_EQ(letters->size(), 1U);
  const auto letter = letters->front();
  EXPECT_EQ(letter.kind, "start_limit");
  EXPECT_EQ(letter.evidence["runs"].size(), 3U);
  EXPECT_EQ(letter.evidence["runs"][0]["code"], 3);
  EXPECT_THAT(letter.evidence["log"].get<std::string>(), HasSubstr("it broke"));
  EXPECT_EQ(codeOf(world, "job"), "start_limit");
  EXPECT_EQ(world.audited("instance.failed"), 1U);
  world.kill();
  ASSERT_TRUE(world.start());
  auto fresh = world.await(world.daemon->supervisor().retryDead(letter.id, "uid:0"));
  ASSERT_TRUE(fresh) << fresh.error().message();
  EXPECT_EQ(world.daemon->supervisor().view(*fresh)->contractDigest, letter.digest);
  EXPECT_TRUE(world.daemon->supervisor().dead()->empty());
  world.spawner.exit(*fresh, 0);
  world.pass(1h);
  EXPECT_EQ(codeOf(world, "job"), "done");
}

TEST(Dead, AServicePastItsLimitStaysDeadOverARestartOfTheDaemonAndANewContractRevivesIt) {
  World world;
  const std::string limit = "restart: { policy: on-failure, max: 1, within: 1h, backoff: 1s..1s }\n";
  world.contract("web", kService + limit);
  ASSERT_TRUE(world.start());
  for (int run = 0; run < 2; ++run) {
    world.spawner.exit(world.only(), 1);
    world.pass(2s);
  }
  EXPECT_TRUE(world.live().empty());
  world.kill();
  ASSERT_TRUE(world.start());
  world.pass(1h);
  EXPECT_TRUE(world.live().empty());
  EXPECT_EQ(codeOf(world, "web"), "start_limit");
  world.contract("web", kService + limit + "owner: somebody\n");
  ASSERT_TRUE(world.reload());
  world.pass(10ms);
  EXPECT_EQ(world.live().size(), 1U);
  EXPECT_TRUE(world.daemon->supervisor().dead()->empty());
}

TEST(Dead, DropForgetsItAndSaysSo) {
  World world;
  world.contract("job", "run: { mode: job, command: [\"/bin/false\"] }\nrestart: { policy: no }\n");
  ASSERT_TRUE(world.start());
  ASSERT_TRUE(world.await(world.daemon->supervisor().spawn({.contract = world.contracts().at(named("job")).contract})));
  const InstanceId id = world.only();
  world.spawner.exit(id, 1);
  world.pass(1s);
  ASSERT_EQ(world.daemon->supervisor().dead()->size(), 1U);
  EXPECT_EQ(codeOf(world, "job"), "failed");
  ASSERT_TRUE(world.daemon->supervisor().dropDead(id, "uid:0"));
  EXPECT_TRUE(world.daemon->supervisor().dead()->empty());
  EXPECT_EQ(world.daemon->supervisor().dropDead(id, "uid:0").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(world.audited("instance.dropped"), 1U);
}

// ---- explain

TEST(Explain, EachReasonHasItsWord) {
  World world;
  world.contract("maker");
  world.contract("timed", "schedule: { every: 1h }\n");
  world.contract("big", "binding: strict\nrun: { mode: job, command: [\"/bin/true\"] }\ncompute: { gpu_mem: 1GiB }\n");
  ASSERT_TRUE(world.start());
  EXPECT_EQ(codeOf(world, "maker"), "idle");
  EXPECT_EQ(codeOf(world, "timed"), "not_due");
  EXPECT_TRUE((*world.daemon->explain("timed"))["until"].is_string());
  ASSERT_TRUE(world.daemon->scheduler()->hold(named("maker"), "uid:5"));
  EXPECT_EQ(codeOf(world, "maker"), "held");
  EXPECT_THAT((*world.daemon->explain("maker"))["remedy"].get<std::string>(), HasSubstr("release"));
  EXPECT_FALSE(world.daemon->explain("nobody"));
  ASSERT_TRUE(world.daemon->scheduler()->release(named("maker"), "uid:5"));
  world.task("work", "maker");
  world.pass(1s);
  EXPECT_EQ(codeOf(world, "maker"), "running");
  ASSERT_TRUE(world.await(world.daemon->supervisor().pause(world.only(), "uid:5")));
  EXPECT_EQ(codeOf(world, "maker"), "paused");
  EXPECT_THAT((*world.daemon->explain("maker"))["reason"].get<std::string>(), HasSubstr("uid:5"));
  ASSERT_TRUE(world.await(world.daemon->supervisor().kill(world.only(), 9, "uid:5")));
  world.pass(1s);
  EXPECT_NE(codeOf(world, "maker"), "running");
}

TEST(Explain, ARefusalBringsItsAdmissionTable) {
  World world;
  std::ofstream(world.config.contracts.front() + "/big.yaml")
      << "apiVersion: agentos/v0.2\nkind: AgentContract\nname: big\nrun: { mode: job, command: [\"/bin/true\"] }\n"
         "compute: { gpu_mem: 1GiB }\n";
  ASSERT_TRUE(world.start());
  auto told = world.daemon->explain("big");
  ASSERT_TRUE(told);
  EXPECT_EQ((*told)["code"], "refused");
  EXPECT_FALSE((*told)["details"]["admission"]["admitted"].get<bool>());
}

// ---- a week

// A service that hangs every hour, a job a day that fails twice: seven days of it, and every deadline is kept.
TEST(Week, PassesInSecondsAndMissesNothing) {
  World world;
  world.config.recordsKept = 500;
  world.contract("web", kService +
                            "health: { heartbeat: 1m, misses: 3 }\nrestart: { policy: on-failure, backoff: 1s..1m, "
                            "max: 5, within: 5m }\n");
  ASSERT_TRUE(world.start());
  const auto begun = world.clock.bootNow();
  std::size_t hangs = 0;
  while (world.clock.bootNow() - begun < 7 * 24h) {
    const InstanceId web = world.only();
    for (int minute = 0; minute < 60; ++minute) {
      world.daemon->supervisor().heartbeat(web);
      if (minute < 59) world.pass(59s);
    }
    world.pass(3min);
    ASSERT_EQ(stateOf(world, web), State::kStopping) << "hour " << hangs;
    world.spawner.exit(web, 0);
    world.pass(5s);
    ++hangs;
  }
  EXPECT_EQ(world.spawner.plans.size(), hangs + 1) << "each hang is one restart, and none reaches the limit";
  EXPECT_GE(hangs, 150U);
  EXPECT_TRUE(world.daemon->supervisor().dead()->empty());
}

}  // namespace
}  // namespace agentos::test
