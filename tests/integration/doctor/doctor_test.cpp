// SPDX-License-Identifier: Apache-2.0
// `agentd-spawner --examine` on this machine as it is, and in a user namespace where something was taken away: what is
// missing is found by trying, and the command that mends it mends it.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "base/files.h"
#include "base/json.h"

namespace agentos {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class Doctor : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "these tests need root";
    std::string pattern = "/var/tmp/agentd-doctor-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
    for (const char* name : {"/state", "/log", "/run"}) fs::create_directory(dir_ + name);
  }
  void TearDown() override { fs::remove_all(dir_); }

  struct Said {
    int status = -1;
    std::string out;
  };
  static Said shell(const std::string& command) {
    Said said;
    FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return said;
    std::array<char, 4096> block{};
    for (std::size_t got = 0; (got = std::fread(block.data(), 1, block.size(), pipe)) > 0;)
      said.out.append(block.data(), got);
    const int status = ::pclose(pipe);
    said.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return said;
  }
  std::string examine() const {
    return std::string(AGENTOS_BIN_DIR) + "/agentd-spawner --examine --peer 64124 --state " + dir_ + "/state --logs " +
           dir_ + "/log --run " + dir_ + "/run";
  }
  static Json find(const Json& trials, const std::string& name) {
    auto found = std::ranges::find_if(trials, [&](const Json& trial) { return trial.value("name", "") == name; });
    return found == trials.end() ? Json::object() : *found;
  }
  // The control groups that there are, two levels deep.
  static std::set<std::string> groups() {
    std::set<std::string> found;
    std::string point = "/sys/fs/cgroup";
    if (fs::exists(point + "/unified")) point += "/unified";
    for (const auto& entry : fs::directory_iterator(point)) {
      if (entry.path().filename().string().starts_with("agentd-examine")) found.insert(entry.path());
    }
    return found;
  }
  std::string dir_;
};

TEST_F(Doctor, TriesEverythingOnThisMachineAndLeavesNothing) {
  auto said = shell(examine());
  ASSERT_EQ(said.status, 0) << said.out;
  auto trials = parseJson(said.out);
  ASSERT_TRUE(trials) << said.out;
  std::set<std::string> names;
  for (const auto& trial : *trials) {
    EXPECT_TRUE(names.insert(trial["name"]).second) << trial["name"] << " twice";
    EXPECT_FALSE(trial["what"].get<std::string>().empty());
    EXPECT_FALSE(trial["tried"].get<std::string>().empty());
    EXPECT_EQ(trial["state"] == "ok", trial["remedy"].get<std::string>().empty()) << trial.dump();
  }
  for (const char* name :
       {"user_namespaces", "namespaces",    "private_root",    "proc",        "network",        "seccomp",
        "keyring",         "landlock",      "nested_userns",   "apparmor",    "idmapped_state", "overlay",
        "disk_quota",      "encrypted",     "cgroup2",         "memory",      "swap",           "cpu",
        "cpu_weight",      "pids",          "io_weight",       "freeze",      "kill",           "deadline",
        "batch",           "locked_memory", "memory_pressure", "cpu_pressure"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  // Rooms are made on this machine by the other tests: what they need cannot be missing.
  for (const char* name : {"user_namespaces", "namespaces", "private_root", "proc", "network", "seccomp", "keyring",
                           "idmapped_state", "cgroup2", "freeze", "kill"}) {
    EXPECT_EQ(find(*trials, name)["state"], "ok") << find(*trials, name).dump();
  }
  EXPECT_TRUE(fs::is_empty(dir_ + "/state"));
  EXPECT_TRUE(fs::is_empty(dir_ + "/run"));
  EXPECT_TRUE(groups().empty()) << *groups().begin();
}

// A limit of a user namespace of the test's own, in which the same program finds what it cannot do.
TEST_F(Doctor, WhatIsTakenAwayIsFoundAndTheCommandGivesItBack) {
  const std::string taken = "unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; ";
  auto said = shell(taken + "exec " + examine() + "'");
  ASSERT_EQ(said.status, 0) << said.out;
  auto trials = parseJson(said.out);
  ASSERT_TRUE(trials) << said.out;
  auto missing = find(*trials, "user_namespaces");
  EXPECT_EQ(missing["state"], "failed");
  EXPECT_THAT(missing["what"].get<std::string>(), HasSubstr("No space left on device"));
  const std::string remedy = missing["remedy"];
  EXPECT_THAT(remedy, HasSubstr("sysctl -w user.max_user_namespaces=15000"));
  EXPECT_EQ(find(*trials, "nested_userns")["state"], "warning");
  // The second half of the command, in the place where the first was done.
  auto mended = shell(taken + "echo 15000 > /proc/sys/user/max_user_namespaces; exec unshare --user true'");
  EXPECT_EQ(mended.status, 0);
  EXPECT_NE(shell(taken + "exec unshare --user true' 2>&1").status, 0) << "the control";
}

TEST_F(Doctor, OnlyRootTries) {
  fs::permissions(dir_, fs::perms::all);
  auto said = shell("setpriv --reuid 64124 --regid 64124 --clear-groups " + examine() + " 2>&1");
  EXPECT_NE(said.status, 0);
  EXPECT_THAT(said.out, HasSubstr("needs root"));
}

TEST_F(Doctor, TheCommandWorksWithoutADaemonAndSaysSo) {
  auto said = shell(std::string(AGENTOS_BIN_DIR) + "/agentctl --prefix " + dir_ + "/none -o json system doctor");
  EXPECT_EQ(said.status, 1);
  auto json = parseJson(said.out);
  ASSERT_TRUE(json) << said.out;
  EXPECT_EQ(find((*json)["items"], "seccomp")["state"], "ok");
  EXPECT_THAT(said.out, HasSubstr("agentd does not run here"));
}

}  // namespace
}  // namespace agentos
