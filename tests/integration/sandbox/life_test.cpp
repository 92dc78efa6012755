// SPDX-License-Identifier: Apache-2.0
// Freeze, kill, and lives that outlast the spawner.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/files.h"
#include "rig.h"
#include "sandbox/exit_record.h"

namespace agentos::sandbox::testing {
namespace {

using ::testing::HasSubstr;

class Lives : public Rig {
 protected:
  std::vector<std::string> countersOf(const RoomPlan& plan, int count) {
    std::vector<std::string> counters;
    for (int i = 0; i < count; ++i)
      counters.push_back(readUnder("/state/scratch/" + plan.id.str() + "/count" + std::to_string(i)));
    return counters;
  }
  // How many of them moved within a tenth of a second.
  int moved(const RoomPlan& plan, int count) {
    auto before = countersOf(plan, count);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    auto after = countersOf(plan, count);
    int moved = 0;
    for (std::size_t i = 0; i < before.size(); ++i) moved += before[i] != after[i] ? 1 : 0;
    return moved;
  }
  ExitRecord recordOf(const RoomPlan& plan) {
    auto record = parseExitRecord(readUnder("/state/instances/" + plan.id.str() + "/exit.json"));
    EXPECT_TRUE(record) << record.error().message();
    return record.value_or(ExitRecord{});
  }
};

TEST_F(Lives, FreezeStopsEveryDescendantAndThawLetsAllGoOn) {
  auto plan = this->plan({"spin", "6"});
  auto room = mustSpawn(plan);
  ASSERT_TRUE(says(plan.id, "spinning"));
  ASSERT_TRUE(eventually([&] { return moved(plan, 6) == 6; }));
  auto frozen = ask(client().freeze(plan.id));
  ASSERT_TRUE(frozen) << frozen.error().message();
  EXPECT_EQ(moved(plan, 6), 0);
  auto rooms = ask(client().list());
  ASSERT_TRUE(rooms && rooms->size() == 1);
  EXPECT_TRUE((*rooms)[0].frozen);
  EXPECT_EQ((*rooms)[0].processes, 7);
  EXPECT_EQ((*rooms)[0].initPid, room.identity.pid);
  EXPECT_TRUE(ask(client().thaw(plan.id)));
  EXPECT_TRUE(eventually([&] { return moved(plan, 6) == 6; }));
  EXPECT_TRUE(ask(client().sweep(plan.id)));
}

TEST_F(Lives, KillLeavesNoneOfTwoHundred) {
  auto plan = this->plan({"fork", "200"});
  auto room = mustSpawn(plan);
  ASSERT_TRUE(says(plan.id, "made 200"));
  auto pids = ask(client().processes(plan.id));
  ASSERT_TRUE(pids);
  ASSERT_EQ(pids->size(), 201U);
  EXPECT_TRUE(ask(client().kill(plan.id)));
  EXPECT_TRUE(ended(room, std::chrono::seconds(5)));
  for (auto pid : *pids) EXPECT_TRUE(::kill(pid, 0) != 0 && errno == ESRCH) << pid;
  EXPECT_EQ(recordOf(plan).signal, SIGKILL);
  EXPECT_TRUE(ask(client().sweep(plan.id)));
  EXPECT_TRUE(noGroups());
}

TEST_F(Lives, AFrozenRoomIsKilledToo) {
  auto plan = this->plan({"spin", "2"});
  auto room = mustSpawn(plan);
  ASSERT_TRUE(says(plan.id, "spinning"));
  ASSERT_TRUE(ask(client().freeze(plan.id)));
  EXPECT_TRUE(ask(client().kill(plan.id)));
  EXPECT_TRUE(ended(room, std::chrono::seconds(5)));
  EXPECT_EQ(recordOf(plan).signal, SIGKILL);
  EXPECT_TRUE(ask(client().sweep(plan.id)));
}

// agentd may be taken over: root's spawner does not read its files as often as somebody asks.
TEST_F(Lives, AFloodOfReloadsIsOneReadingASecond) {
  const auto readings = [&] {
    const std::string log = readUnder("/spawner.log");
    std::size_t count = 0;
    for (auto at = log.find("policy: "); at != std::string::npos; at = log.find("policy: ", at + 1)) ++count;
    return count;
  };
  const auto begin = std::chrono::steady_clock::now();
  int answered = 0, asked = 0;
  const auto flood = [&](int count) {
    for (int i = 0; i < count; ++i, ++asked) {
      boost::asio::co_spawn(io_, client().reloadPolicy(), [&](std::exception_ptr error, Result<void> done) {
        EXPECT_TRUE(!error && done);
        ++answered;
      });
    }
    io_.restart();
    while (answered < asked && io_.run_one() > 0) {
    }
  };
  for (int round = 0; round < 3; ++round) flood(50);
  EXPECT_EQ(answered, 150) << "everybody hears how it went";
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_GE(readings(), 2U);
  EXPECT_LE(readings(), static_cast<std::size_t>(seconds) + 1);
}

TEST_F(Lives, ARoomOutlivesTheSpawnerAndIsAdopted) {
  auto plan = this->plan({"spin", "1"});
  auto room = mustSpawn(plan);
  ASSERT_TRUE(says(plan.id, "spinning"));
  killSpawner();
  EXPECT_TRUE(eventually([&] { return moved(plan, 1) == 1; }));
  startSpawner();
  auto adopted = ask(client().adopt(plan.id, room.identity));
  ASSERT_TRUE(adopted) << adopted.error().message();
  EXPECT_EQ(adopted->identity, room.identity);
  ASSERT_EQ(adopted->listeners.size(), 1U);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(adopted->listeners[0].get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  EXPECT_EQ(ntohs(address.sin_port), 4242);
  EXPECT_FALSE(ended(*adopted, std::chrono::milliseconds(0)));
  // Its uid range is still its own: a new room gets another.
  auto other = this->plan({"sleep", "30000"});
  EXPECT_NE(mustSpawn(other).identity.slot, room.identity.slot);
  EXPECT_TRUE(ask(client().freeze(plan.id)));
  EXPECT_TRUE(ask(client().thaw(plan.id)));
  EXPECT_TRUE(ask(client().kill(plan.id)));
  EXPECT_TRUE(ended(*adopted, std::chrono::seconds(5)));
  EXPECT_EQ(recordOf(plan).signal, SIGKILL);
  EXPECT_TRUE(ask(client().sweep(plan.id)));
  EXPECT_TRUE(ask(client().sweep(other.id)));
  EXPECT_TRUE(noGroups());
}

TEST_F(Lives, ADifferentProcessIsNotAdopted) {
  auto plan = this->plan({"sleep", "30000"});
  auto room = mustSpawn(plan);
  auto refused = [&](auto change) {
    ProcessIdentity identity = room.identity;
    change(identity);
    auto adopted = ask(client().adopt(plan.id, identity));
    return !adopted && adopted.error().code == ErrorCode::kNotFound;
  };
  EXPECT_TRUE(refused([](auto& who) { who.startTicks += 1; }));
  EXPECT_TRUE(refused([](auto& who) { who.bootId = "another"; }));
  EXPECT_TRUE(refused([](auto& who) { who.cgroupInode += 1; }));
  EXPECT_TRUE(refused([](auto& who) { who.pid = 1; }));
  EXPECT_TRUE(refused([](auto& who) { who.pid = -1; }));
  EXPECT_TRUE(refused([&](auto& who) { who.pid = spawnerPid(); }));
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(ask(client().sweep(plan.id)));
  EXPECT_TRUE(refused([](auto&) {}));
}

TEST_F(Lives, SweepEndsEverythingAndMayBeAskedAgain) {
  auto plan = this->plan({"fork", "20"});
  auto room = mustSpawn(plan);
  ASSERT_TRUE(says(plan.id, "made 20"));
  EXPECT_TRUE(ask(client().sweep(plan.id)));
  EXPECT_TRUE(ended(room, std::chrono::seconds(1)));
  EXPECT_TRUE(noGroups());
  EXPECT_EQ(::access((dir_ + "/run/instances/" + plan.id.str() + ".sock").c_str(), F_OK), -1);
  EXPECT_TRUE(ask(client().sweep(plan.id)));
  EXPECT_EQ(ask(client().freeze(plan.id)).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ask(client().kill(plan.id)).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ask(client().processes(plan.id)).error().code, ErrorCode::kNotFound);
}

class KilledInMidSpawn : public Lives, public ::testing::WithParamInterface<const char*> {};

TEST_P(KilledInMidSpawn, LeavesNothing) {
  killSpawner();
  startSpawner({{"AGENTOS_FAULT", GetParam()}});
  auto plan = this->plan({"write", "/home/agent/ran"});
  auto refused = ask(client().spawn(plan));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnreachable);
  killSpawner();
  startSpawner();
  bool went = std::string(GetParam()) == "sandbox.spawn.went";
  // Before the go it leaves by itself; after it, it is an ordinary room that nobody was told of.
  if (!went) {
    EXPECT_TRUE(eventually([&] {
      auto rooms = ask(client().list());
      return rooms && (rooms->empty() || ((*rooms)[0].initPid == 0 && (*rooms)[0].processes == 0));
    }));
    EXPECT_NE(::access((dir_ + "/state/scratch/" + plan.id.str() + "/ran").c_str(), F_OK), 0) << "the payload ran";
  }
  EXPECT_TRUE(ask(client().sweep(plan.id)));
  EXPECT_TRUE(noGroups());
  // The control: the same plan under another name comes to its end.
  EXPECT_EQ(runInRoom({"write", "/home/agent/ran"}).code, 0);
}

INSTANTIATE_TEST_SUITE_P(Each, KilledInMidSpawn,
                         ::testing::Values("sandbox.spawn.cloned", "sandbox.spawn.mapped", "sandbox.spawn.recorded",
                                           "sandbox.spawn.went"),
                         [](const auto& name) { return std::string(name.param).substr(14); });

TEST_F(Lives, AHungSetUpIsGivenUpAndHoldsNobodyUp) {
  killSpawner();
  init_ = "/usr/bin/yes";  // it never says that it is ready
  startSpawner();
  auto plan = this->plan({"ids"});
  std::optional<Result<SpawnedRoom>> hung;
  boost::asio::co_spawn(io_, client().spawn(plan),
                        [&](std::exception_ptr, Result<SpawnedRoom> result) { hung = std::move(result); });
  io_.restart();
  io_.poll();
  auto before = std::chrono::steady_clock::now();
  EXPECT_TRUE(ask(client().list()));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(2));
  EXPECT_TRUE(eventually(
      [&] {
        io_.restart();
        io_.poll();
        return hung.has_value();
      },
      std::chrono::seconds(8)));
  ASSERT_TRUE(hung && !*hung);
  EXPECT_EQ(hung->error().code, ErrorCode::kTimedOut);
  EXPECT_TRUE(eventually([&] { return noGroups(); }));
}

TEST_F(Lives, WithoutASpawnerRequestsEndInTime) {
  killSpawner();
  SpawnerClientOptions options;
  options.socket = dir_ + "/run/spawner.sock";
  options.connectPatience = std::chrono::milliseconds(200);
  SpawnerClient lonely(io_.get_executor(), options);
  auto before = std::chrono::steady_clock::now();
  auto refused = ask(lonely.list());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnreachable);
  EXPECT_THAT(refused.error().message(), HasSubstr("start agentd-spawner"));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(2));
}

TEST_F(Lives, ManyAtOnceAreAllMade) {
  std::vector<RoomPlan> plans;
  for (int i = 0; i < 24; ++i) plans.push_back(plan({"sleep", "0", std::to_string(i)}));
  std::vector<Result<SpawnedRoom>> rooms;
  for (auto& one : plans) {
    boost::asio::co_spawn(io_, client().spawn(one),
                          [&](std::exception_ptr, Result<SpawnedRoom> room) { rooms.push_back(std::move(room)); });
  }
  EXPECT_TRUE(eventually(
      [&] {
        io_.restart();
        io_.poll();
        return rooms.size() == plans.size();
      },
      std::chrono::seconds(15)));
  for (auto& room : rooms) {
    ASSERT_TRUE(room) << room.error().message();
    EXPECT_TRUE(ended(*room, std::chrono::seconds(5)));
  }
  for (auto& one : plans) {
    EXPECT_TRUE(recordOf(one).code.has_value());
    EXPECT_TRUE(ask(client().sweep(one.id)));
  }
  EXPECT_TRUE(noGroups());
}

}  // namespace
}  // namespace agentos::sandbox::testing
