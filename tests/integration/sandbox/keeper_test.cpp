// SPDX-License-Identifier: Apache-2.0
// The keeper's tree: made, kept, and all of it gone at the end with whoever was in it.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "rig.h"
#include "sandbox/cgroup.h"
#include "sandbox/keeper.h"

namespace agentos::sandbox::testing {
namespace {

class Keeper : public Rig {
 protected:
  static pid_t startKeeper(const std::vector<std::string>& words) {
    std::string program = std::string(AGENTOS_BIN_DIR) + "/agentd-keeper";
    pid_t pid = ::fork();
    if (pid != 0) return pid;
    std::vector<char*> argv = {program.data()};
    for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  static int statusOf(pid_t pid) {
    int status = -1;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string procsIn(const std::string& group) { return readPath(group + "/cgroup.procs").value_or("none"); }
};

TEST_F(Keeper, PreparedOnceItStaysWithoutAProcess) {
  std::string root = group_ + "-once";
  EXPECT_EQ(statusOf(startKeeper({"--once", "--root", root})), 0);
  EXPECT_EQ(procsIn(root + "/keep"), "");
  EXPECT_EQ(statusOf(startKeeper({"--once", "--root", root})), 0) << "prepared already is prepared";
  EXPECT_EQ(statusOf(startKeeper({"--remove", "--root", root})), 0);
  EXPECT_FALSE(std::filesystem::exists(root));
}

TEST_F(Keeper, ItsEndIsTheEndOfEveryAgent) {
  std::string root = group_ + "-stays";
  pid_t keeper = startKeeper({"--root", root});
  EXPECT_TRUE(eventually([&] { return procsIn(root + "/keep") == std::to_string(keeper) + "\n"; }));
  // Two agents, one in a group of its own below, neither of which minds a SIGTERM.
  std::vector<pid_t> agents;
  for (const char* name : {"/a.aaaaaa", "/a.aaaaaa/pay"}) {
    std::filesystem::create_directory(root + name);
    pid_t pid = ::fork();
    if (pid == 0) {
      ::signal(SIGTERM, SIG_IGN);
      std::ofstream(root + name + "/cgroup.procs") << "0";
      for (;;) ::pause();
    }
    EXPECT_TRUE(eventually([&] { return procsIn(root + name).find(std::to_string(pid)) != std::string::npos; }));
    agents.push_back(pid);
  }
  ::kill(keeper, SIGTERM);
  EXPECT_EQ(statusOf(keeper), 0);
  for (pid_t pid : agents) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  }
  EXPECT_FALSE(std::filesystem::exists(root));
}

// As under systemd, whose slice gives its controllers to the units in it: no process may enter the slice itself.
TEST_F(Keeper, ItEndsWellWhereItCannotLeaveItsGroup) {
  const std::string slice = group_ + "-slice", root = slice + "/agents", entry = slice + "/cgroup.procs";
  std::filesystem::create_directory(slice);
  pid_t keeper = startKeeper({"--root", root});
  EXPECT_TRUE(eventually([&] { return procsIn(root + "/keep") == std::to_string(keeper) + "\n"; }));
  std::filesystem::create_directory(root + "/a.aaaaaa");
  EXPECT_EQ(::mount("/dev/full", entry.c_str(), nullptr, MS_BIND, nullptr), 0);
  ::kill(keeper, SIGTERM);
  EXPECT_EQ(statusOf(keeper), 0);
  EXPECT_FALSE(std::filesystem::exists(root + "/a.aaaaaa"));
  EXPECT_EQ(::umount2(entry.c_str(), MNT_DETACH), 0);
  for (const auto& gone : {root + "/keep", root, slice}) ::rmdir(gone.c_str());
  EXPECT_FALSE(std::filesystem::exists(slice));
}

// A controller that was on when the spawner started, and is not when a room is made: a limit would silently not hold.
TEST_F(Keeper, AMissingControllerIsNamedAndLeavesNoGroup) {
  auto keeper = openGroup(group_);
  ASSERT_TRUE(keeper) << keeper.error().message();
  const InstanceId id = newId();
  auto made = makeInstanceGroups(keeper->get(), id, {"nothing-here"});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kSandboxControllerMissing);
  EXPECT_THAT(made.error().message(), ::testing::HasSubstr("nothing-here"));
  EXPECT_FALSE(std::filesystem::exists(group_ + "/" + id.str()));
  auto outside = openGroup(dir_);
  ASSERT_FALSE(outside);
  EXPECT_EQ(outside.error().code, ErrorCode::kSandboxCgroup);
}

TEST_F(Keeper, APlaceOutsideOfCgroupV2IsRefused) {
  EXPECT_NE(statusOf(startKeeper({"--once", "--root", dir_ + "/group"})), 0);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/group"));
}

}  // namespace
}  // namespace agentos::sandbox::testing
