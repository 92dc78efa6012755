// SPDX-License-Identifier: Apache-2.0
// What a room is like for the program in it, and for the host.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
#include "rig.h"
#include "sandbox/exit_record.h"

namespace agentos::sandbox::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class Rooms : public Rig {
 protected:
  unsigned ownerOf(const std::string& path) {
    struct stat info{};
    EXPECT_EQ(::stat((dir_ + path).c_str(), &info), 0) << path;
    return info.st_uid;
  }
};

TEST_F(Rooms, APayloadRunsAndItsEndIsRecorded) {
  auto told = runInRoom({"sleep", "0", "7"});
  EXPECT_EQ(told.code, 7);
  EXPECT_THAT(told.output, HasSubstr("stdout F sleeping"));
  EXPECT_TRUE(noGroups());
}

TEST_F(Rooms, WhatChangesInTheHostsEtcIsInTheNextRoom) {
  etc_ = dir_ + "/etc";
  std::filesystem::create_directories(etc_ + "/ssl/certs");
  std::ofstream(etc_ + "/ssl/certs/ca.pem") << "expired";
  killSpawner();
  startSpawner();
  EXPECT_THAT(runInRoom({"print", "/etc/ssl/certs/ca.pem"}).output, HasSubstr("expired"));
  std::ofstream(etc_ + "/ssl/certs/ca.new") << "renewed";
  std::filesystem::rename(etc_ + "/ssl/certs/ca.new", etc_ + "/ssl/certs/ca.pem");
  EXPECT_THAT(runInRoom({"print", "/etc/ssl/certs/ca.pem"}).output, HasSubstr("renewed"));
  // And still nobody's to write, whatever was made anew.
  EXPECT_EQ(runInRoom({"write", "/etc/ssl/certs/ca.pem"}).code, 1);
  EXPECT_EQ(runInRoom({"read", "/etc/passwd"}).code, 0) << "what the spawner wrote itself stays";
}

TEST_F(Rooms, TheMachineIsReported) {
  auto report = ask(client().platform());
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_TRUE(report->idmappedMounts);
  EXPECT_EQ(report->cgroupRoot, group_);
  EXPECT_THAT(report->cgroupMode, ::testing::AnyOf("unified", "hybrid"));
  EXPECT_FALSE(report->kernel.empty());
  // Every controller is either enabled or warned about.
  for (const char* name : {"cpu", "memory", "pids", "io"}) {
    bool on = std::ranges::find(report->controllers, name) != report->controllers.end();
    bool warned =
        std::ranges::any_of(report->warnings, [&](const auto& text) { return text.find(name) != std::string::npos; });
    EXPECT_NE(on, warned) << name;
  }
}

TEST_F(Rooms, TheProgramIsTheAgentAndSeesOnlyItsOwn) {
  EXPECT_THAT(runInRoom({"ids"}).output, HasSubstr("uid=1000 gid=1000 groups=0"));
  EXPECT_THAT(runInRoom({"env"}).output, HasSubstr("[HOME=/home/agent]"));
  EXPECT_THAT(runInRoom({"hostname"}).output, HasSubstr("host=room"));
  auto root = runInRoom({"list", "/"}).output;
  for (const char* name : {"[usr]", "[etc]", "[dev]", "[proc]", "[tmp]", "[home]", "[probe]"})
    EXPECT_THAT(root, HasSubstr(name));
  for (const char* name : {"[root]", "[boot]", "[media]", "[srv]", "[work]", "[opt]"})
    EXPECT_THAT(root, Not(HasSubstr(name)));
  EXPECT_THAT(runInRoom({"print", "/etc/passwd"}).output, HasSubstr("agent:x:1000:1000"));
  EXPECT_EQ(runInRoom({"write", "/tmp/x"}).code, 0);
  EXPECT_EQ(runInRoom({"write", "/dev/shm/x"}).code, 0);
  EXPECT_EQ(runInRoom({"write", "/dev/null"}).code, 0);
  EXPECT_EQ(runInRoom({"read", "/dev/urandom"}).code, 0);
  EXPECT_EQ(runInRoom({"write", "/dev/ptmx"}).code, 0);
}

TEST_F(Rooms, TheDeviceListIsThisAndNoMore) {
  std::vector<std::string> names;
  for (auto line : split(runInRoom({"list", "/dev"}).output, '\n')) {
    auto open = line.find('[');
    if (open != std::string_view::npos) names.emplace_back(line.substr(open + 1, line.rfind(']') - open - 1));
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre(".", "..", "fd", "full", "null", "ptmx", "pts", "random", "shm",
                                                     "stderr", "stdin", "stdout", "tty", "urandom", "zero"));
}

TEST_F(Rooms, WhatTheAgentWritesBelongsToAgentdOnDisk) {
  auto plan = this->plan({"write", "/home/agent/made"});
  auto id = plan.id.str();
  EXPECT_EQ(runInRoom(plan).code, 0);
  EXPECT_EQ(ownerOf("/state/scratch/" + id + "/made"), kPeer);
  EXPECT_EQ(ownerOf("/log/" + id + "/output.log"), kPeer);
  EXPECT_EQ(ownerOf("/state/instances/" + id + "/exit.json"), kPeer);
  EXPECT_EQ(ownerOf("/state/instances/" + id + "/launch.jsonl"), 0U);
  // Its own directory shows as its own, and a host directory that is not mapped as nobody's.
  auto seen = this->plan({"stat", "/home/agent"});
  EXPECT_THAT(runInRoom(seen).output, HasSubstr("uid=1000 gid=1000"));
  seen = this->plan({"stat", "/home/agent"});
  seen.mounts[0].idmapped = seen.mounts[0].writable = false;
  EXPECT_THAT(runInRoom(seen).output, HasSubstr("uid=65534 gid=65534"));
  // Writable without the map: what the room made would belong to nobody who is known.
  auto unmapped = this->plan({"write", "/home/agent/made"});
  unmapped.mounts[0].idmapped = false;
  auto refused = ask(client().spawn(unmapped));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kSandboxPolicy);
}

TEST_F(Rooms, TheLaunchRecordIsThereBeforeThePayload) {
  auto plan = this->plan({"sleep", "30000"});
  auto room = mustSpawn(plan);
  auto text = readUnder("/state/instances/" + plan.id.str() + "/launch.jsonl");
  auto end = text.find('\n');
  ASSERT_NE(end, std::string::npos);
  EXPECT_EQ(text.substr(0, end), plan.launchRecord);
  auto facts = parseLaunchFacts(text.substr(end + 1));
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->identity, room.identity);
  EXPECT_EQ(facts->enforcement, room.enforcement);
  EXPECT_TRUE(ask(client().sweep(plan.id)));
}

TEST_F(Rooms, ListenersLieInsideAndAreAnsweredFromOutside) {
  auto plan = this->plan({"connect", "4242", "hello"});
  auto room = mustSpawn(plan);
  ASSERT_EQ(room.listeners.size(), 1U);
  pollfd set{room.listeners[0].get(), POLLIN, 0};
  ASSERT_EQ(::poll(&set, 1, 5000), 1);
  Fd call(::accept4(room.listeners[0].get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(call);
  EXPECT_EQ(*readAll(call.get(), 100), "hello");
  EXPECT_TRUE(ended(room, std::chrono::seconds(5)));
  EXPECT_TRUE(ask(client().sweep(plan.id)));
}

TEST_F(Rooms, MountsMayLieInOneAnotherAndMayBeMissing) {
  std::ofstream(dir_ + "/ro/text") << "words";
  ASSERT_EQ(::mkdir((dir_ + "/ro/inner").c_str(), 0755), 0);
  std::string scratch = dir_ + "/state/scratch/deep";
  ASSERT_EQ(::mkdir(scratch.c_str(), 0755), 0);
  ASSERT_EQ(::chown(scratch.c_str(), kPeer, kPeer), 0);
  auto mounts = [&](RoomPlan plan) {
    plan.mounts.push_back({scratch, "/company/inner", true, true, false});
    plan.mounts.push_back({dir_ + "/ro", "/company", false, true, false});
    plan.mounts.push_back({dir_ + "/ro/text", "/context/prompt.md", false, true, false});
    plan.mounts.push_back({dir_ + "/ro/none", "/none", false, true, true});
    return plan;
  };
  EXPECT_EQ(runInRoom(mounts(plan({"write", "/company/inner/x"}))).code, 0);
  EXPECT_EQ(runInRoom(mounts(plan({"write", "/company/x"}))).code, 1);
  EXPECT_THAT(runInRoom(mounts(plan({"print", "/context/prompt.md"}))).output, HasSubstr("words"));
  EXPECT_EQ(runInRoom(mounts(plan({"list", "/none"}))).code, 1);
  auto needed = mounts(plan({"ids"}));
  needed.mounts.back().optional = false;
  auto refused = ask(client().spawn(needed));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(refused.error().message(), HasSubstr("/ro/none"));
  EXPECT_TRUE(eventually([&] { return noGroups(); }));
}

TEST_F(Rooms, AStepThatFailsIsNamed) {
  auto bad = plan({"ids"});
  bad.mounts.push_back({dir_ + "/ro", "/probe/none", false, true, false});
  auto refused = ask(client().spawn(bad));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kSandboxSetup);
  EXPECT_EQ(refused.error().sysErrno, ENOENT);
  EXPECT_THAT(refused.error().message(), HasSubstr("finding the mount target probe/none"));
  EXPECT_TRUE(eventually([&] { return noGroups(); }));
  EXPECT_EQ(readUnder("/state/instances/" + bad.id.str() + "/launch.jsonl"), "");
}

TEST_F(Rooms, WhatIsNotEnforcedIsSaid) {
  auto report = ask(client().platform());
  ASSERT_TRUE(report);
  auto plan = this->plan({"sleep", "30000"});
  plan.limits = {.cpu = MilliCpu{500},
                 .memory = Bytes{256 << 20},
                 .memoryHigh = {},
                 .swap = {},
                 .pids = 64,
                 .cpuWeight = 50,
                 .ioWeight = 50,
                 .ioMax = {.read = {}, .write = Bytes{1 << 20}, .readOps = {}, .writeOps = 100},
                 .cpus = {},
                 .scratchQuota = {}};
  auto room = mustSpawn(plan);
  auto text = [](const std::vector<std::string>& all) { return join(all, "\n"); };
  auto has = [&](const char* name) {
    return std::ranges::find(report->controllers, name) != report->controllers.end();
  };
  EXPECT_THAT(text(has("memory") ? room.enforcement.enforced : room.enforcement.missing), HasSubstr("memory"));
  EXPECT_THAT(text(has("cpu") ? room.enforcement.enforced : room.enforcement.missing), HasSubstr("cpu"));
  EXPECT_THAT(text(has("pids") ? room.enforcement.enforced : room.enforcement.substituted),
              HasSubstr(has("pids") ? "pids.max=64" : "RLIMIT_NPROC=64"));
  EXPECT_THAT(text(has("io") ? room.enforcement.enforced : room.enforcement.missing),
              HasSubstr(has("io") ? "wbps=1048576 riops=max wiops=100" : "io max (no io controller in cgroup v2)"));
  EXPECT_TRUE(ask(client().sweep(plan.id)));
}

// The figures of the room, from inside; and what does not hold on this machine says so itself.
TEST_F(Rooms, TheyAreToldTheirLimits) {
  auto report = ask(client().platform());
  ASSERT_TRUE(report);
  const bool memory = std::ranges::find(report->controllers, "memory") != report->controllers.end();
  auto plan = this->plan({});
  plan.command = {"/bin/sh", "-c", "cat /run/agent/limits.json; echo x >> /run/agent/limits.json; ls /run/agent"};
  plan.limits.memory = Bytes{64 << 20};
  plan.limits.pids = 32;
  auto told = runInRoom(plan);
  ASSERT_TRUE(told.output.contains("{\"limits\":")) << told.output;
  const std::string_view text = std::string_view(told.output).substr(told.output.find("{\"limits\":"));
  auto json = parseJson(text.substr(0, text.find('\n')));
  ASSERT_TRUE(json) << told.output;
  const Json& limits = (*json)["limits"];
  EXPECT_EQ(limits["memory_bytes"]["limit"], 64 << 20);
  EXPECT_EQ(limits["memory_bytes"]["enforced"], memory) << told.output;
  EXPECT_EQ(limits["memory_bytes"].contains("why"), !memory);
  EXPECT_EQ(limits["pids"]["limit"], 32);
  EXPECT_EQ(limits["pids"]["enforced"], true) << "by the group, or by RLIMIT_NPROC";
  EXPECT_GT(limits["tmp_bytes"]["limit"], 0);
  EXPECT_FALSE(limits.contains("cpus"));
  EXPECT_TRUE(told.output.contains("Read-only file system") || told.output.contains("Permission denied"))
      << told.output;
}

// One processor of many, and another one for the next room: a pool of threads sized by their number fits the share.
TEST_F(Rooms, TheySeeAsManyProcessorsAsTheirShareFills) {
  const long all = ::sysconf(_SC_NPROCESSORS_ONLN);
  if (all < 2) GTEST_SKIP() << "this machine has one processor";
  auto seen = [&](std::optional<std::int64_t> cpus) {
    auto plan = this->plan({});
    plan.command = {"/bin/sh", "-c", "nproc; grep Cpus_allowed_list /proc/self/status"};
    plan.limits.cpus = cpus;
    return runInRoom(plan).output;
  };
  const std::string first = seen(1), second = seen(1), free = seen({});
  EXPECT_THAT(first, HasSubstr(" 1\n"));
  EXPECT_THAT(free, HasSubstr(" " + std::to_string(all) + "\n")) << "the control: without it, all of them";
  auto list = [](const std::string& text) { return text.substr(text.find("Cpus_allowed_list")); };
  EXPECT_NE(list(first), list(second));
}

}  // namespace
}  // namespace agentos::sandbox::testing
