// SPDX-License-Identifier: Apache-2.0
// What is decided about groups, on plain files in the places of the kernel's.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "base/files.h"
#include "sandbox/cgroup.h"
#include "sandbox/group_job.h"
#include "sandbox/halt_job.h"

namespace agentos::sandbox {
namespace {

class Groups : public ::testing::Test {
 protected:
  Groups() : keeper_(std::filesystem::path(::testing::TempDir()) / ("groups-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(keeper_);
  }
  ~Groups() override { std::filesystem::remove_all(keeper_); }

  void write(const std::string& file, const std::string& text) { std::ofstream(keeper_ / file) << text; }
  std::string read(const std::string& file) { return readPath((keeper_ / file).string()).value_or("none"); }
  void makeInstance(const std::string& id) {
    for (const char* group : {"", "/sup", "/pay"}) {
      std::filesystem::create_directory(keeper_ / (id + group));
      write(id + group + "/cgroup.procs", "");
    }
    write(id + "/pay/cgroup.events", "populated 1\nfrozen 0\n");
    write(id + "/pay/cgroup.freeze", "0\n");
  }

  std::filesystem::path keeper_;
};

// The kernel's own files lie in the keeper's group beside those of the instances, and have names like ids.
TEST_F(Groups, AnAgentMayBeCalledLikeAKernelFile) {
  makeInstance("cgroup.abcdef");
  makeInstance("maker.abcdef");
  std::filesystem::create_directory(keeper_ / "keep");
  write("cgroup.events", "populated 1\n");
  write("cgroup.freeze", "0\n");
  auto keeper = openDirectory(keeper_.string());
  ASSERT_TRUE(keeper);
  auto ids = listInstances(keeper->get());
  ASSERT_TRUE(ids);
  EXPECT_THAT(*ids,
              ::testing::UnorderedElementsAre(*InstanceId::parse("cgroup.abcdef"), *InstanceId::parse("maker.abcdef")));
}

// A stop thaws while a pause still waits for its last process: what it waits for must not freeze the room again.
TEST_F(Groups, AThawIsNotUndoneByTheFreezeThatItOvertakes) {
  makeInstance("maker.abcdef");
  const InstanceId id = *InstanceId::parse("maker.abcdef");
  Host host;
  auto keeper = openDirectory(keeper_.string());
  ASSERT_TRUE(keeper);
  host.keeper = *std::move(keeper);
  std::optional<ReplyBody> frozen, thawed;
  FreezeJob freeze(host, id, true, [&](ReplyBody body, std::vector<Fd>) { frozen = std::move(body); });
  EXPECT_TRUE(read("maker.abcdef/pay/cgroup.freeze").starts_with("1"));
  EXPECT_FALSE(frozen) << "not every process is frozen yet";
  FreezeJob thaw(host, id, false, [&](ReplyBody body, std::vector<Fd>) { thawed = std::move(body); });
  ASSERT_TRUE(thawed);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(*thawed));
  freeze.onWake();
  EXPECT_TRUE(read("maker.abcdef/pay/cgroup.freeze").starts_with("0"));
  ASSERT_TRUE(frozen && std::holds_alternative<Error>(*frozen));
  EXPECT_EQ(std::get<Error>(*frozen).code, ErrorCode::kConflict);
}

// One request for all: written everywhere before anything is waited for, and keep/ and agent-init's groups stay as they
// are: they have to answer.
TEST_F(Groups, AHaltFreezesEveryRoomThatStandsAndNothingElse) {
  for (const char* id : {"maker.aaaaaa", "maker.bbbbbb", "maker.cccccc"}) makeInstance(id);
  std::filesystem::create_directory(keeper_ / "keep");
  write("keep/cgroup.freeze", "0\n");
  write("cgroup.freeze", "0\n");
  write("maker.aaaaaa/sup/cgroup.freeze", "0\n");
  Host host;
  auto keeper = openDirectory(keeper_.string());
  ASSERT_TRUE(keeper);
  host.keeper = *std::move(keeper);
  std::optional<ReplyBody> said;
  HaltJob halt(host, false, {*InstanceId::parse("maker.cccccc")},
               [&](ReplyBody body, std::vector<Fd>) { said = std::move(body); });
  for (const char* id : {"maker.aaaaaa", "maker.bbbbbb"})
    EXPECT_TRUE(read(std::string(id) + "/pay/cgroup.freeze").starts_with("1")) << id;
  for (const char* other : {"maker.cccccc/pay", "maker.aaaaaa/sup", "keep", "."})
    EXPECT_TRUE(read(std::string(other) + "/cgroup.freeze").starts_with("0")) << other;
  write("maker.aaaaaa/pay/cgroup.events", "populated 1\nfrozen 1\n");
  halt.onWake();
  EXPECT_FALSE(said) << "the other is not frozen yet";
  std::filesystem::remove_all(keeper_ / "maker.bbbbbb" / "pay" / "cgroup.events");  // it ended
  halt.onWake();
  ASSERT_TRUE(said);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(*said));
}

TEST_F(Groups, AHaltThatKillsWaitsUntilNothingIsLeft) {
  makeInstance("maker.aaaaaa");
  write("maker.aaaaaa/pay/cgroup.kill", "");
  Host host;
  auto keeper = openDirectory(keeper_.string());
  ASSERT_TRUE(keeper);
  host.keeper = *std::move(keeper);
  std::optional<ReplyBody> said;
  HaltJob halt(host, true, {}, [&](ReplyBody body, std::vector<Fd>) { said = std::move(body); });
  EXPECT_EQ(read("maker.aaaaaa/pay/cgroup.kill"), "1");
  EXPECT_TRUE(read("maker.aaaaaa/pay/cgroup.freeze").starts_with("0"));
  EXPECT_FALSE(said);
  write("maker.aaaaaa/pay/cgroup.events", "populated 0\nfrozen 0\n");
  halt.onWake();
  ASSERT_TRUE(said);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(*said));
}

}  // namespace
}  // namespace agentos::sandbox
