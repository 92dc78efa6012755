// SPDX-License-Identifier: Apache-2.0
// Root's policy out of agentd's own configuration, as both the units and the launcher have it.
#include "sandbox/house.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "../base/scratch_directory.h"
#include "sandbox/host.h"

namespace agentos::sandbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

House aHouse() { return {"/srv/a", "/srv/a/etc/agentd/agentd.yaml", "", ""}; }

Result<Policy> parsed(std::string_view text, House house = aHouse()) { return parseHousePolicy(text, house, {}); }

std::vector<std::string> mountsOf(const Policy& policy) {
  std::vector<std::string> words;
  for (const auto& rule : policy.mounts) words.push_back(rule.prefix + (rule.writable ? ":rw" : ""));
  return words;
}

TEST(House, AnEmptyFileGivesTheRoomsTheirOwnAndNothingElse) {
  auto policy = parsed("");
  ASSERT_TRUE(policy) << policy.error().message();
  EXPECT_EQ(policy->stateDir, "/srv/a/var/lib/agentd");
  EXPECT_EQ(policy->logDir, "/srv/a/var/log/agentd");
  EXPECT_EQ(policy->runDir, "/srv/a/run/agentd");
  EXPECT_THAT(mountsOf(*policy), ElementsAre("/srv/a/var/lib/agentd/scratch:rw", "/srv/a/var/lib/agentd/instances",
                                             "/srv/a/var/lib/agentd-root/runtime"));
}

TEST(House, TheFileGrantsAndItsPathsAreItsOwn) {
  auto policy = parsed(
      "company: acme/\nruntime: ../rt\nlog: { level: debug }\npolicy: { mounts: [/none/x, y] }\n"
      "spawner: { mounts: [{ path: /none/ro }], limits: { pids: 7 } }\n",
      aHouse());
  ASSERT_TRUE(policy) << policy.error().message();
  EXPECT_THAT(mountsOf(*policy),
              ElementsAre("/none/ro", "/srv/a/var/lib/agentd/scratch:rw", "/srv/a/var/lib/agentd/instances",
                          "/srv/a/var/lib/agentd-root/runtime", "/srv/a/etc/rt", "/srv/a/etc/agentd/acme:rw",
                          "/none/x:rw", "/srv/a/etc/agentd/y:rw"));
  EXPECT_EQ(policy->ceilings.pids, 7);
}

// A daemon that was taken over owns the directory that scratch lies in.
TEST(House, ALinkOfTheDaemonsOwnLeadsNowhere) {
  if (::geteuid() != 0) GTEST_SKIP() << "gives a link to another user";
  const test::ScratchDirectory scratch;
  const std::string root = std::filesystem::canonical(scratch.path()).string(), state = root + "/var/lib/agentd";
  std::filesystem::create_directories(state);
  std::filesystem::create_directory(root + "/treasure");
  for (const char* name : {"scratch", "instances"}) {
    std::filesystem::create_symlink(root + "/treasure", state + "/" + name);
    ASSERT_EQ(::lchown((state + "/" + name).c_str(), 1234, 1234), 0);
  }
  std::filesystem::create_symlink("treasure", root + "/roots-own");
  House house{root, root + "/etc/agentd/agentd.yaml", "", ""};
  Policy policy;
  policy.peerUid = 1234;
  auto made = parseHousePolicy("company: " + root + "/roots-own\n", house, std::move(policy));
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_THAT(mountsOf(*made), ElementsAre(state + "/scratch:rw", state + "/instances",
                                           root + "/var/lib/agentd-root/runtime", root + "/treasure:rw"));
}

TEST(House, TheCommandLineWins) {
  House house = aHouse();
  house.company = "/none/acme";
  auto policy = parseHousePolicy("company: /none/other\n", house, {});
  EXPECT_THAT(mountsOf(*policy), ::testing::Contains("/none/acme:rw"));
  EXPECT_THAT(mountsOf(*policy), ::testing::Not(::testing::Contains("/none/other:rw")));
}

TEST(House, WhatIsWrongIsNamedWithItsPlace) {
  for (const auto& [text, word] : std::vector<std::pair<std::string, std::string>>{
           {"company: [a]\n", ":1:10: company"},
           {"\npolicy: { mounts: /srv }\n", ":2:19: policy.mounts"},
           {"policy: { mounts: [{ a: b }] }\n", "policy.mounts must be a path"},
           {"spawner: { mount: [] }\n", "did you mean mounts"},
           {"a: b\na: c\n", "a"}}) {
    auto policy = parsed(text);
    ASSERT_FALSE(policy) << text;
    EXPECT_EQ(policy.error().code, ErrorCode::kConfig);
    EXPECT_THAT(policy.error().message(), HasSubstr(word)) << text;
  }
}

struct OnDisk : ::testing::Test {
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "a file of root's needs root";
    std::filesystem::create_directories(directory.path() + "/etc/agentd");
    std::filesystem::create_directories(directory.path() + "/run/agentd");
    house = {directory.path(), directory.path() + "/etc/agentd/agentd.yaml", "", "nobody"};
    std::ofstream(cgroupFileOf(house)) << "/sys/fs/cgroup/agents.slice/agentd-agents.service\n";
  }
  void write(const std::string& text) { std::ofstream(house.configFile) << text; }
  test::ScratchDirectory directory;
  House house;
};

TEST_F(OnDisk, TheKeepersGroupIsTheOneItWroteDown) {
  auto policy = loadHousePolicy(house);
  ASSERT_TRUE(policy) << policy.error().message();
  EXPECT_EQ(policy->cgroupRoot, "/sys/fs/cgroup/agents.slice/agentd-agents.service");
  EXPECT_EQ(policy->peerUid, 65534U);
  std::filesystem::remove(cgroupFileOf(house));
  EXPECT_EQ(loadHousePolicy(house).error().code, ErrorCode::kSandboxCgroup);
}

TEST_F(OnDisk, AFileThatOthersMayWriteGrantsNothing) {
  write("company: /none\n");
  EXPECT_TRUE(loadHousePolicy(house));
  ASSERT_EQ(::chmod(house.configFile.c_str(), 0666), 0);
  EXPECT_THAT(loadHousePolicy(house).error().message(), HasSubstr("not root's alone"));
  ASSERT_EQ(::chmod(house.configFile.c_str(), 0644), 0);
  ASSERT_EQ(::chown(house.configFile.c_str(), 65534, 0), 0);
  EXPECT_THAT(loadHousePolicy(house).error().message(), HasSubstr("not root's alone"));
}

// A private instance below a directory of somebody else's: they could put any file of root's in the place of this one.
TEST_F(OnDisk, AFileWhosePlaceIsSomebodyElsesGrantsNothing) {
  write("company: /none\n");
  const std::string etc = directory.path() + "/etc";
  for (const auto& place : {etc, etc + "/agentd"}) {
    ASSERT_EQ(::chown(place.c_str(), 65534, 65534), 0);
    EXPECT_THAT(loadHousePolicy(house).error().message(), HasSubstr("on the way to the policy")) << place;
    ASSERT_EQ(::chown(place.c_str(), 0, 0), 0);
    ASSERT_EQ(::chmod(place.c_str(), 0777), 0);
    EXPECT_THAT(loadHousePolicy(house).error().message(), HasSubstr("on the way to the policy")) << place;
    ASSERT_EQ(::chmod(place.c_str(), 0755), 0);
    EXPECT_TRUE(loadHousePolicy(house)) << place;
  }
}

TEST_F(OnDisk, AFileThatSomebodyElsesLinkLeadsToGrantsNothing) {
  write("company: /none\n");
  const std::string link = directory.path() + "/link.yaml";
  std::filesystem::create_symlink(house.configFile, link);
  house.configFile = link;
  EXPECT_TRUE(loadHousePolicy(house)) << "root's own link may lead to it";
  ASSERT_EQ(::lchown(link.c_str(), 65534, 65534), 0);
  EXPECT_THAT(loadHousePolicy(house).error().message(), HasSubstr("on the way to the policy"));
}

// Rooms of the old company go on until agentd itself is started with the new one.
TEST_F(OnDisk, AReloadKeepsTheCompanyThatHolds) {
  write("company: /none/old\n");
  ASSERT_TRUE(loadHousePolicy(house));
  write("company: /none/new\n");
  auto again = loadHousePolicy(house);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_THAT(mountsOf(*again), ::testing::Contains("/none/old:rw"));
}

TEST_F(OnDisk, TheUserIsTheFilesOrTheCommandLines) {
  house.user = "";
  write("user: no-such-user-here\n");
  EXPECT_THAT(loadHousePolicy(house).error().message(), HasSubstr("no-such-user-here"));
  house.user = "nobody";
  EXPECT_TRUE(loadHousePolicy(house));
}

TEST(ApplyPolicy, MountsAndCeilingsChangeAndTheRestIsNamed) {
  Host host;
  host.policy.cgroupRoot = "/sys/fs/cgroup/x";
  host.policy.initBinary = "/usr/lib/agentd/agent-init";
  host.policy.peerUid = host.policy.peerGid = 990;
  Policy fresh = host.policy;
  fresh.mounts = {{"/srv/new", true, {}, {}}};
  fresh.ceilings.pids = 5;
  auto applied = applyPolicy(host, fresh);
  ASSERT_TRUE(applied) << applied.error().message();
  EXPECT_EQ(host.policy, fresh);
  Policy other = fresh;
  other.slots = 64;
  other.mounts.clear();
  EXPECT_THAT(applyPolicy(host, other).error().message(), HasSubstr("spawner.uids"));
  EXPECT_EQ(host.policy, fresh) << "all of it or nothing";
}

}  // namespace
}  // namespace agentos::sandbox
