// SPDX-License-Identifier: Apache-2.0
// The daemon as a whole: real files, real database, real audit log; rooms and time are the test's.
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "agentd/http/listen.h"
#include "world.h"

namespace agentos::test {
namespace {

using agentd::State;
using company::TaskStatus;

TEST(Daemon, ATaskIsClaimedRunAndDone) {
  World world;
  world.contract("maker");
  ASSERT_TRUE(world.start());
  const TaskId id = world.task("write a page");
  world.pass(10ms);
  const InstanceId run = world.only();
  EXPECT_EQ(world.status(id), TaskStatus::kInProgress);
  const auto& plan = world.spawner.plans.front();
  EXPECT_EQ(plan.command, std::vector<std::string>{"/bin/true"});
  EXPECT_TRUE(std::ranges::count(plan.env, std::pair<std::string, std::string>("AGENT_TASK", id.str())));
  EXPECT_TRUE(std::filesystem::exists(world.config.paths.instance(run) + "/context/prompt.md"));

  world.spawner.exit(run, 0);
  world.pass(10ms);
  EXPECT_EQ(world.status(id), TaskStatus::kDone);
  EXPECT_TRUE(world.live().empty());
  EXPECT_TRUE(world.spawner.swept.contains(run));
  EXPECT_EQ(world.daemon->supervisor().view(run)->state, State::kExited);
  for (const char* kind :
       {"task.created", "task.claimed", "instance.starting", "instance.started", "instance.ended", "task.completed"}) {
    EXPECT_EQ(world.audited(kind), 1U) << kind;
  }
}

TEST(Daemon, AnExitStatusOtherThanZeroIsAFailedAttemptAndIsTriedAgainLater) {
  World world;
  world.contract("maker");
  ASSERT_TRUE(world.start());
  const TaskId id = world.task("fails");
  world.pass(10ms);
  world.spawner.exit(world.only(), 3);
  world.pass(10ms);
  EXPECT_EQ(world.status(id), TaskStatus::kQueued);
  EXPECT_TRUE(world.live().empty()) << "it waits for its back-off";
  for (int minute = 0; minute < 60 && world.live().empty(); ++minute) world.pass(1min);
  ASSERT_EQ(world.live().size(), 1U) << "and is tried again without anybody's word";
  EXPECT_EQ(world.spawner.plans.size(), 2U);
}

TEST(Daemon, NothingToDoStartsNothingAndIsSaidOnce) {
  World world;
  world.contract("maker", "schedule: { every: 1m }\n");
  ASSERT_TRUE(world.start());
  world.pass(1h);
  EXPECT_TRUE(world.spawner.plans.empty());
  EXPECT_EQ(world.audited("cycle.idle"), 1U) << "sixty looks, one change";
}

TEST(Daemon, NoAlarmIsSetWhileNothingIsDue) {
  World world;
  world.contract("maker");
  ASSERT_TRUE(world.start());
  world.pass(10min);
  EXPECT_EQ(world.daemon->alarms().size(), 0U) << "an agent that waits for tasks needs no clock";
}

TEST(Daemon, AClockAgentGetsOneTaskATime) {
  World world;
  world.contract("maker", "schedule: { every: 10m }\n");
  ASSERT_TRUE(world.start());
  const TaskId first = world.task("one"), second = world.task("two");
  world.pass(10min);
  ASSERT_EQ(world.live().size(), 1U);
  world.spawner.exit(world.only(), 0);
  world.pass(1min);
  EXPECT_TRUE(world.live().empty());
  world.pass(10min);
  ASSERT_EQ(world.live().size(), 1U);
  world.spawner.exit(world.only(), 0);
  world.pass(1s);
  EXPECT_EQ(world.status(first), TaskStatus::kDone);
  EXPECT_EQ(world.status(second), TaskStatus::kDone);
}

TEST(Daemon, AClockThatIsSetBackHoldsNoAgentBack) {
  World world;
  world.contract("maker", "schedule: { every: 10m }\n");
  ASSERT_TRUE(world.start());
  for (int i = 0; i < 4; ++i) world.task("work");
  world.clock.jump(world.clock.now() + 24h);
  world.daemon->alarms().clockWasSet();
  world.pass(1s);
  ASSERT_EQ(world.live().size(), 1U) << "what was missed is caught up once";
  world.spawner.exit(world.only(), 0);
  world.pass(1min);
  EXPECT_TRUE(world.live().empty());
  world.clock.jump(world.clock.now() - 24h);
  world.daemon->alarms().clockWasSet();
  world.pass(5min);
  EXPECT_TRUE(world.live().empty()) << "and nothing twice";
  world.pass(6min);
  EXPECT_EQ(world.live().size(), 1U) << "ten minutes later, not a day";
}

TEST(Daemon, OneInstanceAnAgentHoweverMuchWorkThereIs) {
  World world;
  world.contract("maker");
  ASSERT_TRUE(world.start());
  for (int i = 0; i < 5; ++i) world.task("work");
  world.pass(1s);
  EXPECT_EQ(world.live().size(), 1U);
  for (int done = 0; done < 5; ++done) {
    ASSERT_EQ(world.live().size(), 1U);
    world.spawner.exit(world.only(), 0);
    world.pass(1s);
  }
  EXPECT_TRUE(world.live().empty());
  EXPECT_EQ(world.spawner.plans.size(), 5U);
}

TEST(Daemon, ConcurrentCyclesAreBoundedAndServedInTurn) {
  World world;
  world.config.concurrentCycles = 2;
  for (const char* name : {"anna", "bert", "carl", "dora"}) world.contract(name);
  ASSERT_TRUE(world.start());
  for (int i = 0; i < 8; ++i) world.task("work");
  world.pass(1s);
  EXPECT_EQ(world.live().size(), 2U);
  std::map<std::string, int> served;
  for (int done = 0; done < 8; ++done) {
    ASSERT_LE(world.live().size(), 2U);
    ASSERT_FALSE(world.live().empty());
    const auto oldest = world.live().back();
    ++served[oldest.agent.str()];
    world.spawner.exit(oldest.id, 0);
    world.pass(1s);
  }
  ASSERT_EQ(served.size(), 4U);
  for (const auto& [name, times] : served) EXPECT_EQ(times, 2) << name;
}

// anna's contract goes and comes back while her room is being made: it is one cycle all the time, and counted once.
void removeAndPutBackInMidSpawn(World& world) {
  world.spawner.shut(world.io);
  const TaskId task = world.task("anna's", "anna");
  world.pass(1s);
  ASSERT_EQ(world.spawner.plans.size(), 1U) << "in mid-spawn";
  std::filesystem::remove(world.config.contracts.front() + "/anna.yaml");
  ASSERT_TRUE(world.reload("test"));
  world.pass(1s);
  world.contract("anna");
  ASSERT_TRUE(world.reload("test"));
  world.pass(1s);
}

TEST(Daemon, AContractPutBackInMidSpawnIsStillOneCycle) {
  World world;
  world.config.concurrentCycles = 1;
  for (const char* name : {"anna", "bert"}) world.contract(name);
  ASSERT_TRUE(world.start());
  removeAndPutBackInMidSpawn(world);
  world.spawner.open();
  world.pass(1s);
  const InstanceId anna = world.only();
  world.task("bert's", "bert");
  world.pass(10s);
  EXPECT_EQ(world.live().size(), 1U) << "one cycle at a time, and it is anna's";
  world.spawner.exit(anna, 0);
  world.pass(1s);
  EXPECT_EQ(agentOf(world.only()), "bert");
}

TEST(Daemon, AContractPutBackWhileItsSpawnFailsGivesUpOnePlace) {
  World world;
  world.config.concurrentCycles = 2;
  for (const char* name : {"anna", "bert", "carl", "dora"}) world.contract(name);
  ASSERT_TRUE(world.start());
  removeAndPutBackInMidSpawn(world);
  world.spawner.refuseWith = Error{ErrorCode::kSandboxPolicy, "no room", "", 0, {}};
  world.spawner.open();
  world.run();
  world.spawner.refuseWith.reset();
  for (const char* name : {"bert", "carl", "dora"}) world.task("work", name);
  world.pass(1s);
  EXPECT_EQ(world.live().size(), 2U);
}

TEST(Daemon, AnAgentWhoseSpawnFailsDelaysNobody) {
  World world;
  world.config.concurrentCycles = 1;
  world.contract("aaa",
                 "schedule: { on: [task] }\nrun: { mode: cycle, command: [\"/bin/true\"] }\nworkspace: { mounts: [ { "
                 "source: products/missing, target: /workspace, mode: rw } ] }\n");
  world.contract("zzz");
  ASSERT_TRUE(world.start());
  const TaskId mine = world.task("for aaa", "aaa"), other = world.task("for zzz", "zzz");
  world.pass(1s);
  ASSERT_EQ(world.live().size(), 1U);
  EXPECT_EQ(world.live().front().agent.str(), "zzz");
  world.spawner.exit(world.only(), 0);
  world.pass(1s);
  EXPECT_EQ(world.status(other), TaskStatus::kDone);
  EXPECT_EQ(world.status(mine), TaskStatus::kQueued) << "given back, the attempt not counted";
  EXPECT_EQ(world.daemon->queue()->find(mine)->attempt, 0);
}

TEST(Daemon, PauseStopsTheTimeoutsClock) {
  World world;
  world.contract("maker", "schedule: { on: [task] }\nrun: { mode: cycle, command: [\"/bin/true\"], timeout: 10m }\n");
  ASSERT_TRUE(world.start());
  world.task("long");
  world.pass(1s);
  const InstanceId run = world.only();
  world.pass(9min);
  ASSERT_TRUE(world.await(world.daemon->supervisor().pause(run, "uid:0")));
  EXPECT_TRUE(world.spawner.rooms.at(run).frozen);
  EXPECT_EQ(world.daemon->supervisor().view(run)->state, State::kPaused);
  EXPECT_EQ(world.await(world.daemon->supervisor().pause(run, "uid:0")).error().code, ErrorCode::kConflict);
  world.pass(5h);
  EXPECT_EQ(world.daemon->supervisor().view(run)->state, State::kPaused);
  ASSERT_TRUE(world.await(world.daemon->supervisor().resume(run, "uid:0")));
  EXPECT_FALSE(world.spawner.rooms.at(run).frozen);
  world.pass(30s);
  EXPECT_EQ(world.daemon->supervisor().view(run)->state, State::kRunning);
  world.pass(35s);  // the tenth minute is over: signal, grace, kill
  EXPECT_EQ(world.daemon->supervisor().view(run)->state, State::kStopping);
  EXPECT_EQ(world.spawner.rooms.at(run).signals().size(), 1U);
  world.pass(11s);
  EXPECT_EQ(world.daemon->supervisor().view(run)->state, State::kExited);
  EXPECT_NE(world.daemon->supervisor().view(run)->reason.find("timed out after 10m"), std::string::npos);
}

TEST(Daemon, AKilledRunIsAFailedAttemptAStoppedOneIsGivenBack) {
  World world;
  world.contract("maker", "schedule: { every: 1h }\n");
  ASSERT_TRUE(world.start());
  const TaskId id = world.task("work");
  world.pass(1h);
  ASSERT_TRUE(world.await(world.daemon->supervisor().kill(world.only(), 9, "uid:0")));
  world.pass(1s);
  EXPECT_EQ(world.daemon->queue()->find(id)->attempt, 1);
  world.pass(1h);
  const InstanceId second = world.only();
  ASSERT_TRUE(world.await(world.daemon->supervisor().stop(second, std::nullopt, "uid:0")));
  world.spawner.exit(second, 0);
  world.pass(1s);
  EXPECT_EQ(world.status(id), TaskStatus::kQueued);
  EXPECT_EQ(world.daemon->queue()->find(id)->attempt, 1) << "stopped on request: not counted";
}

TEST(Daemon, WaitTellsTheEndOrTimesOut) {
  World world;
  world.contract("maker");
  ASSERT_TRUE(world.start());
  world.task("work");
  world.pass(1s);
  const InstanceId run = world.only();
  auto early = boost::asio::co_spawn(world.io, world.daemon->supervisor().wait(run, 5s), boost::asio::use_future);
  auto late =
      boost::asio::co_spawn(world.io, world.daemon->supervisor().wait(run, std::nullopt), boost::asio::use_future);
  world.pass(6s);
  ASSERT_TRUE(World::isReady(early));
  EXPECT_EQ(early.get().error().code, ErrorCode::kTimedOut);
  EXPECT_FALSE(World::isReady(late));
  world.spawner.exit(run, 4);
  world.pass(1s);
  ASSERT_TRUE(World::isReady(late));
  EXPECT_EQ(late.get()->exit->code, 4);
}

TEST(Daemon, AVanishedAgentInitIsLostAndTheTaskGoesBack) {
  World world;
  world.contract("maker", "schedule: { every: 1h }\n");
  ASSERT_TRUE(world.start());
  const TaskId id = world.task("work");
  world.pass(1h);
  const InstanceId run = world.only();
  world.spawner.end(run, std::nullopt);
  world.pass(1s);
  EXPECT_EQ(world.daemon->supervisor().view(run)->state, State::kLost);
  EXPECT_FALSE(world.daemon->supervisor().view(run)->exit) << "no invented code";
  EXPECT_EQ(world.status(id), TaskStatus::kQueued);
  EXPECT_EQ(world.audited("instance.lost"), 1U);
}

// A run that the audit log does not know of is not begun: the disk of the log alone is full.
TEST(Daemon, NothingIsSpawnedWhileTheAuditLogCannotBeWritten) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, for a small file system";
  World world;
  const std::string directory = world.config.paths.audit();
  std::filesystem::create_directories(directory);
  ASSERT_EQ(::mount("none", directory.c_str(), "tmpfs", 0, "mode=0750,size=64k"), 0);
  world.contract("maker", "schedule: { every: 24h }\n");
  ASSERT_TRUE(world.start());
  const TaskId id = world.task("write a page");
  const auto fill = [&] {  // to the last byte of the log's last page
    govern::AuditEvent event{.kind = "test.filler", .actor = "test"};
    for (int i = 0; i < 2000 && world.daemon->events().note(event); ++i) event.data = {{"n", i}};
  };
  fill();
  const AgentName maker = *AgentName::parse("maker");
  auto cycle = world.await(world.daemon->scheduler()->runNow(maker, "test"));
  ASSERT_FALSE(cycle);
  EXPECT_EQ(cycle.error().code, ErrorCode::kDiskFull) << cycle.error().message();
  EXPECT_NE(cycle.error().message().find(directory), std::string::npos) << cycle.error().message();
  auto spawned = world.await(world.daemon->supervisor().spawn({.contract = world.contracts().at(maker).contract}));
  ASSERT_FALSE(spawned);
  EXPECT_EQ(spawned.error().code, ErrorCode::kDiskFull);
  EXPECT_TRUE(world.spawner.plans.empty());
  EXPECT_EQ(world.status(id), TaskStatus::kQueued) << "not even claimed";
  EXPECT_TRUE(world.daemon->supervisor().list(true).empty());
  EXPECT_TRUE(std::filesystem::is_empty(world.config.paths.instances())) << "nothing half-made";
  ASSERT_EQ(::mount("none", directory.c_str(), "tmpfs", MS_REMOUNT, "mode=0750,size=4m"), 0);
  EXPECT_TRUE(world.await(world.daemon->scheduler()->runNow(maker, "test")));
  EXPECT_EQ(world.live().size(), 1U);
  EXPECT_EQ(world.audited("audit.reopened"), 1U);
  world.spawner.exit(world.only(), 0);
  world.pass(1s);
  EXPECT_EQ(world.status(id), TaskStatus::kDone);
  world.kill();
  EXPECT_EQ(::umount2(directory.c_str(), MNT_DETACH), 0);
}

// What a crash cut may have cost all that was reserved for it.
TEST(Daemon, ACallThatACrashCutCountsAgainstItsCap) {
  World world;
  world.contract("maker");
  ASSERT_TRUE(world.start());
  const models::Account account{"maker", "maker.aaaaaa", ""};
  const models::Caps caps{.perDay = MicroUsd{1000}};
  ASSERT_TRUE(world.daemon->ledger().reserve(account, caps, "test/model", MicroUsd{700}, 10));
  world.kill();
  ASSERT_TRUE(world.start());
  EXPECT_EQ(world.daemon->ledger().costOfRun("maker.aaaaaa")->count, 700);
  EXPECT_FALSE(world.daemon->ledger().reserve(account, caps, "test/model", MicroUsd{301}, 10));
  EXPECT_EQ(world.audited("model.settled"), 1U) << "and the log says so";
}

// One request over a socket that the world's own loop serves, on a connection of its own.
std::string askOver(World& world, const std::string& path, const std::string& target) {
  Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const std::string request = "GET " + target + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(::send(client.get(), request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::string answer;
  for (int i = 0; i < 2000; ++i) {
    world.run();
    std::array<char, 65536> buffer{};
    const auto got = ::recv(client.get(), buffer.data(), buffer.size(), 0);
    if (got == 0) return answer;
    if (got > 0) answer.append(buffer.data(), static_cast<std::size_t>(got));
    if (got < 0) ::usleep(1000);
  }
  ADD_FAILURE() << "no answer to " << target;
  return answer;
}

TEST(Daemon, WhileItRecoversItAnswersAndSaysSo) {
  World world;
  world.contract("maker");
  world.spawner.shut(world.io);  // recovery waits for the spawner's list of rooms
  auto made = agentd::Daemon::make({world.io, world.clock, world.spawner, agentd::Alarms::Mode::kManual}, world.config);
  ASSERT_TRUE(made);
  world.daemon = *std::move(made);
  const std::string path = world.root + "/api.sock";
  auto listener = agentd::listenUnix(path, 0600);
  ASSERT_TRUE(listener);
  auto started = boost::asio::co_spawn(world.io, world.daemon->start(*std::move(listener)), boost::asio::use_future);
  world.run();
  ASSERT_FALSE(World::isReady(started));
  EXPECT_TRUE(askOver(world, path, "/healthz").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(askOver(world, path, "/v1/contracts").starts_with("HTTP/1.1 200"));
  for (const char* target : {"/v1/agents", "/v1/agents/maker.aaaaaa", "/v1/agents/maker.aaaaaa/logs"}) {
    EXPECT_NE(askOver(world, path, target).find("Retry-After: 1\r\n"), std::string::npos) << target;
  }
  for (const char* target : {"/readyz", "/v1/agents", "/v1/agents/maker.aaaaaa"}) {
    const std::string answer = askOver(world, path, target);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 503")) << answer;
    EXPECT_NE(answer.find("starting"), std::string::npos) << answer;
  }
  world.spawner.open();
  world.pass(1s);
  ASSERT_TRUE(World::isReady(started));
  ASSERT_TRUE(started.get());
  EXPECT_TRUE(askOver(world, path, "/readyz").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(askOver(world, path, "/v1/agents").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(askOver(world, path, "/v1/agents/maker.aaaaaa").starts_with("HTTP/1.1 404"));
}

TEST(Daemon, ARestartedDaemonAdoptsWhatRunsAndHonoursWhatEnded) {
  World world;
  for (const char* name : {"anna", "bert", "carl"}) world.contract(name);
  ASSERT_TRUE(world.start());
  const TaskId first = world.task("runs on", "anna"), second = world.task("ends well", "bert"),
               third = world.task("fails", "carl");
  world.pass(1s);
  ASSERT_EQ(world.live().size(), 3U);
  std::map<std::string, InstanceId> runs;
  for (const auto& view : world.live()) runs[view.agent.str()] = view.id;
  world.kill();
  world.clock.advance(3min);
  world.spawner.exit(runs["bert"], 0);
  world.spawner.exit(runs["carl"], 7);

  auto report = world.start();
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->adopted, 1U);
  EXPECT_EQ(report->settled, 2U);
  EXPECT_EQ(world.status(first), TaskStatus::kInProgress) << "a living holder is never robbed";
  EXPECT_EQ(world.status(second), TaskStatus::kDone);
  EXPECT_EQ(world.status(third), TaskStatus::kQueued);
  EXPECT_EQ(world.daemon->supervisor().view(runs["carl"])->exit->code, 7);
  EXPECT_TRUE(world.daemon->supervisor().view(runs["anna"])->adopted);
  EXPECT_EQ(world.live().size(), 1U);
  world.spawner.exit(runs["anna"], 0);
  world.pass(1s);
  EXPECT_EQ(world.status(first), TaskStatus::kDone);
}

TEST(Daemon, AnAdoptedRunKeepsItsDeadline) {
  World world;
  world.contract("maker", "schedule: { on: [task] }\nrun: { mode: cycle, command: [\"/bin/true\"], timeout: 10m }\n");
  ASSERT_TRUE(world.start());
  world.task("long");
  world.pass(1s);
  const InstanceId run = world.only();
  world.pass(6min);
  world.kill();
  world.clock.advance(3min);
  ASSERT_TRUE(world.start());
  world.pass(30s);
  EXPECT_EQ(world.daemon->supervisor().view(run)->state, State::kRunning);
  world.pass(33s);
  EXPECT_EQ(world.daemon->supervisor().view(run)->state, State::kStopping)
      << "ten minutes since its start, not since the restart";
}

TEST(Daemon, APausedAgentIsAdoptedPaused) {
  World world;
  world.contract("maker");
  ASSERT_TRUE(world.start());
  world.task("work");
  world.pass(1s);
  const InstanceId run = world.only();
  ASSERT_TRUE(world.await(world.daemon->supervisor().pause(run, "uid:0")));
  world.kill();
  ASSERT_TRUE(world.start());
  EXPECT_EQ(world.daemon->supervisor().view(run)->state, State::kPaused);
  ASSERT_TRUE(world.await(world.daemon->supervisor().resume(run, "uid:0")));
  EXPECT_FALSE(world.spawner.rooms.at(run).frozen);
}

TEST(Daemon, ARoomThatNobodyKnowsIsSweptAndALeftOverDirectoryGoes) {
  World world;
  ASSERT_TRUE(world.start());
  world.kill();
  const InstanceId stranger = *InstanceId::parse("ghost.aaaaaa");
  const std::string left = world.config.paths.instances() + "/half.bbbbbb";
  std::filesystem::create_directories(world.config.paths.instance(stranger));
  std::filesystem::create_directories(left);
  world.spawner.rooms[stranger];
  auto report = world.start();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->swept, 1U);
  EXPECT_TRUE(world.spawner.swept.contains(stranger));
  EXPECT_FALSE(std::filesystem::exists(left));
}

// Killed between an end's books and the sweep of its room: the room would keep its group and its uid range.
TEST(Daemon, TheRoomOfAClosedRunIsSwept) {
  World world;
  world.contract("maker");
  ASSERT_TRUE(world.start());
  world.task("work");
  world.pass(1s);
  const InstanceId run = world.only();
  world.spawner.exit(run, 0);
  world.pass(1s);
  ASSERT_EQ(world.daemon->supervisor().view(run)->state, State::kExited);
  world.kill();
  world.spawner.swept.clear();
  world.spawner.rooms[run].dead = true;
  auto report = world.start();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->swept, 1U);
  EXPECT_TRUE(world.spawner.swept.contains(run));
  EXPECT_EQ(world.daemon->supervisor().view(run)->state, State::kExited);
}

TEST(Daemon, TwoHundredAgentsAreAdoptedQuickly) {
  World world;
  ASSERT_TRUE(world.start());
  auto contract = std::make_shared<contract::Contract>();
  contract->name = *AgentName::parse("sleeper");
  contract->apiVersion = "agentos/v0.2";
  contract->run.mode = contract::RunMode::kService;
  contract->run.command = {"/bin/sleep", "1000"};
  for (int i = 0; i < 200; ++i) {
    auto spawned = world.await(world.daemon->supervisor().spawn({.contract = contract, .source = "test"}));
    ASSERT_TRUE(spawned) << spawned.error().message();
  }
  world.kill();
  const auto began = std::chrono::steady_clock::now();
  auto report = world.start();
  const auto took = std::chrono::steady_clock::now() - began;
  ASSERT_TRUE(report);
  EXPECT_EQ(report->adopted, 200U);
  EXPECT_LT(took, 2s);
}

TEST(Daemon, HoldKeepsAnAgentFromItsWorkOverARestart) {
  World world;
  world.contract("maker");
  ASSERT_TRUE(world.start());
  const AgentName maker = *AgentName::parse("maker");
  ASSERT_TRUE(world.daemon->scheduler()->hold(maker, "uid:0"));
  world.task("work");
  world.pass(1s);
  EXPECT_TRUE(world.live().empty());
  world.kill();
  ASSERT_TRUE(world.start());
  world.pass(1h);
  EXPECT_TRUE(world.live().empty());
  ASSERT_TRUE(world.daemon->scheduler()->release(maker, "uid:0"));
  world.pass(1s);
  EXPECT_EQ(world.live().size(), 1U);
}

TEST(Daemon, CycleRunStartsNowOrSaysWhyNot) {
  World world;
  world.contract("maker", "schedule: { every: 24h }\n");
  ASSERT_TRUE(world.start());
  world.pass(1s);
  const AgentName maker = *AgentName::parse("maker");
  auto idle = world.await(world.daemon->scheduler()->runNow(maker, "uid:0"));
  ASSERT_TRUE(idle);
  EXPECT_EQ(idle->idle, "idle");
  world.task("work");
  auto started = world.await(world.daemon->scheduler()->runNow(maker, "uid:0"));
  ASSERT_TRUE(started) << started.error().message();
  EXPECT_TRUE(started->instance);
  EXPECT_EQ(world.await(world.daemon->scheduler()->runNow(maker, "uid:0")).error().code, ErrorCode::kConflict);
  EXPECT_EQ(world.await(world.daemon->scheduler()->runNow(*AgentName::parse("nobody"), "uid:0")).error().code,
            ErrorCode::kNotFound);
}

TEST(Daemon, AReloadTakesNewContractsAndKeepsTheOldOneOfABrokenFile) {
  World world;
  world.contract("maker");
  ASSERT_TRUE(world.start());
  world.contract("helper");
  std::ofstream(world.config.contracts.front() + "/maker.yaml") << "apiVersion: agentos/v0.2\nnmae: maker\n";
  auto report = world.reload("uid:0");
  ASSERT_TRUE(report);
  EXPECT_EQ((*report)["added"], Json::array({"helper"}));
  EXPECT_TRUE((*report)["removed"].empty());
  EXPECT_FALSE((*report)["problems"].empty());
  world.task("work", "maker");
  world.pass(1s);
  ASSERT_EQ(world.live().size(), 1U) << "the old contract is in force";
  EXPECT_EQ(world.live().front().agent.str(), "maker");
}

TEST(Daemon, AServiceStartsWithTheDaemonAndIsStartedAgainWhenItFails) {
  World world;
  world.contract("web",
                 "run: { mode: service, command: [\"/bin/true\"] }\nrestart: { policy: on-failure, backoff: 1s..8s, "
                 "max: 3, within: 5m }\n");
  ASSERT_TRUE(world.start());
  world.pass(10ms);
  for (int times = 0; times < 3; ++times) {
    ASSERT_EQ(world.live().size(), 1U) << times;
    EXPECT_EQ(world.live().front().restarts, times);
    world.spawner.exit(world.only(), 1);
    world.pass(10ms);
    EXPECT_TRUE(world.live().empty()) << "there is a back-off";
    world.pass(9s);
  }
  world.spawner.exit(world.only(), 1);
  world.pass(1h);
  EXPECT_TRUE(world.live().empty()) << "three within five minutes is enough";
  EXPECT_EQ(world.audited("instance.not_restarted"), 1U);
}

// However often agentd falls over with it, an agent that falls over starts no sooner and no more often.
TEST(Daemon, ABackOffOutlivesTheDaemon) {
  for (const char* mode : {"service", "job"}) {
    SCOPED_TRACE(mode);
    World world;
    world.contract("looper", std::string("run: { mode: ") + mode +
                                 ", command: [\"/bin/false\"] }\nrestart: { policy: on-failure, max: 10, within: 1h, "
                                 "backoff: 10s..10m }\n");
    ASSERT_TRUE(world.start());
    const AgentName looper = *AgentName::parse("looper");
    if (world.live().empty()) {
      ASSERT_TRUE(world.await(world.daemon->supervisor().spawn({.contract = world.contracts().at(looper).contract})));
    }
    for (std::size_t round = 1; round <= 4; ++round) {
      const Nanoseconds most = 10s * (1 << (round - 1)), least = most * 3 / 4 - 1s;
      world.spawner.exit(world.only(), 1);
      world.pass(10ms);
      ASSERT_TRUE(world.live().empty());
      for (int crash = 0; crash < 3; ++crash) {  // agentd starts again and again while it waits
        world.kill();
        ASSERT_TRUE(world.start());
        world.pass(least / 3 - 20ms);
        ASSERT_TRUE(world.live().empty()) << "round " << round << ", crash " << crash;
      }
      world.pass(most - least + 2s);
      ASSERT_EQ(world.live().size(), 1U) << "round " << round;
      ASSERT_EQ(world.spawner.plans.size(), round + 1) << "once";
      EXPECT_EQ(world.daemon->supervisor().view(world.only())->restarts, static_cast<std::int64_t>(round));
    }
    world.kill();
    ASSERT_TRUE(world.start());
    ASSERT_EQ(world.live().size(), 1U) << "it runs: nobody waits any more";
    const bool service = std::string_view(mode) == "service";
    world.pass(service ? Nanoseconds(1h) : Nanoseconds(20min));  // a job has a timeout, a service has none
    EXPECT_EQ(world.spawner.plans.size(), 5U);
  }
}

TEST(Daemon, ARestartThatWasStoppedStaysStoppedOverARestartOfTheDaemon) {
  World world;
  world.contract("looper",
                 "run: { mode: job, command: [\"/bin/false\"] }\nrestart: { policy: on-failure, backoff: 10s..1m }\n");
  ASSERT_TRUE(world.start());
  const auto contract = world.contracts().at(*AgentName::parse("looper")).contract;
  const auto id = world.await(world.daemon->supervisor().spawn({.contract = contract}));
  ASSERT_TRUE(id);
  world.spawner.exit(*id, 1);
  world.pass(10ms);
  ASSERT_TRUE(world.await(world.daemon->supervisor().stop(*id, std::nullopt, "test")));
  world.kill();
  ASSERT_TRUE(world.start());
  world.pass(1h);
  EXPECT_EQ(world.spawner.plans.size(), 1U);
}

TEST(Daemon, APrefixOfTwoIdsIsAmbiguous) {
  World world;
  for (const char* name : {"maker", "makes"}) world.contract(name, "run: { mode: job, command: [\"/bin/true\"] }\n");
  ASSERT_TRUE(world.start());
  for (const auto& [name, stored] : world.contracts())
    ASSERT_TRUE(world.await(world.daemon->supervisor().spawn({.contract = stored.contract})));
  auto both = world.daemon->supervisor().resolve("make");
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().code, ErrorCode::kAmbiguous);
  EXPECT_TRUE(world.daemon->supervisor().resolve("maker."));
}

TEST(Daemon, ACleanStopLetsCyclesFinishAndStopsTheRest) {
  World world;
  world.contract("maker");
  world.contract("web", "run: { mode: service, command: [\"/bin/true\"] }\n");
  ASSERT_TRUE(world.start());
  const TaskId id = world.task("work", "maker");
  world.pass(1s);
  ASSERT_EQ(world.live().size(), 2U);
  auto stopping = boost::asio::co_spawn(world.io, world.daemon->stop(), boost::asio::use_future);
  world.pass(2s);
  EXPECT_FALSE(World::isReady(stopping)) << "the cycle has its grace";
  for (const auto& view : world.live()) {
    if (view.mode == "cycle") world.spawner.exit(view.id, 0);
  }
  for (int i = 0; i < 600 && !World::isReady(stopping); ++i) world.pass(100ms);
  ASSERT_TRUE(World::isReady(stopping));
  EXPECT_EQ(world.status(id), TaskStatus::kDone);
  EXPECT_TRUE(world.live().empty());
}

TEST(Daemon, ACleanStopCanKeepTheAgentsForTheNextOne) {
  World world;
  world.config.stopAgents = agentd::StopAgents::kKeep;
  world.contract("web", "run: { mode: service, command: [\"/bin/true\"] }\n");
  ASSERT_TRUE(world.start());
  world.pass(1s);
  const InstanceId run = world.only();
  world.stop();
  world.kill();
  auto report = world.start();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->adopted, 1U);
  EXPECT_EQ(world.only(), run) << "and no second one is started beside it";
}

TEST(Daemon, OldRecordsGoAndTheNewestStay) {
  World world;
  world.config.recordsKept = 3;
  world.contract("maker");
  ASSERT_TRUE(world.start());
  std::vector<InstanceId> runs;
  for (int i = 0; i < 6; ++i) {
    world.task("work");
    world.pass(1s);
    runs.push_back(world.only());
    world.spawner.exit(runs.back(), 0);
    world.pass(1s);
  }
  EXPECT_EQ(world.daemon->supervisor().list(true).size(), 3U);
  EXPECT_FALSE(std::filesystem::exists(world.config.paths.instance(runs[0])));
  EXPECT_FALSE(std::filesystem::exists(world.config.paths.instanceLog(runs[0])));
  EXPECT_TRUE(std::filesystem::exists(world.config.paths.instance(runs[5])));
}

TEST(Daemon, ACompanysContractIsBoundedByRootsPolicy) {
  World world;
  std::ofstream(world.config.company + "/agents/contracts/greedy.yaml")
      << "apiVersion: agentos/v0.2\nkind: AgentContract\nname: greedy\nbinding: flexible\nschedule: { on: [task] }\n"
         "run: { mode: cycle, command: [\"/opt/evil\"] }\n";
  ASSERT_TRUE(world.start());
  const TaskId id = world.task("work");
  world.pass(1min);
  EXPECT_TRUE(world.spawner.plans.empty());
  EXPECT_EQ(world.status(id), TaskStatus::kQueued);
  EXPECT_EQ(world.audited("instance.refused"), 1U) << "said once, not at every look";
  const auto schedule = world.daemon->scheduler()->schedule();
  ASSERT_EQ(schedule.size(), 1U);
  EXPECT_EQ(schedule.front().state, "refused");
  EXPECT_NE(schedule.front().detail.find("policy.programs"), std::string::npos);
}

TEST(Daemon, AWordOnTheTaskCountsOnceAndEndsTheMatter) {
  World world;
  world.contract("maker", "schedule: { every: 1h }\nrun: { mode: cycle, command: [\"/bin/true\"], verdict: api }\n");
  ASSERT_TRUE(world.start());
  const TaskId id = world.task("work");
  world.pass(1h);
  const InstanceId run = world.only();
  agentd::Verdict verdict;
  verdict.word = agentd::Verdict::Word::kComplete;
  verdict.outcome = "partial";
  ASSERT_TRUE(world.daemon->supervisor().giveVerdict(run, verdict));
  EXPECT_EQ(world.status(id), TaskStatus::kDone);
  EXPECT_EQ(world.daemon->supervisor().giveVerdict(run, verdict).error().code, ErrorCode::kConflict);
  world.spawner.exit(run, 1);
  world.pass(1s);
  EXPECT_EQ(world.status(id), TaskStatus::kDone) << "the exit status judges nothing any more";
}

TEST(Daemon, SilenceIsAFailedAttemptWhereTheApiJudges) {
  World world;
  world.contract("maker", "schedule: { every: 1h }\nrun: { mode: cycle, command: [\"/bin/true\"], verdict: api }\n");
  ASSERT_TRUE(world.start());
  const TaskId id = world.task("work");
  world.pass(1h);
  world.spawner.exit(world.only(), 0);
  world.pass(1s);
  EXPECT_EQ(world.status(id), TaskStatus::kQueued);
  EXPECT_EQ(world.daemon->queue()->find(id)->attempt, 1);
}

TEST(Daemon, ASimulatedWeekOfFiveAgents) {
  World world;
  for (const char* name : {"a", "b", "c", "d", "e"}) world.contract(name, "schedule: { every: 30m }\n");
  ASSERT_TRUE(world.start());
  int done = 0;
  for (int hour = 0; hour < 7 * 24; ++hour) {
    world.task("hourly");
    world.pass(35min);
    for (const auto& view : world.live()) world.spawner.exit(view.id, 0);
    world.pass(25min);
    done += 1;
  }
  EXPECT_EQ(done, 168);
  EXPECT_EQ(world.daemon->queue()->list(TaskStatus::kDone)->size(), 168U);
  EXPECT_TRUE(world.daemon->queue()->list(TaskStatus::kQueued)->empty());
  EXPECT_EQ(govern::verifyAudit(world.config.paths.audit(), {})->state, govern::AuditVerdict::State::kUnanchored);
}

}  // namespace
}  // namespace agentos::test
