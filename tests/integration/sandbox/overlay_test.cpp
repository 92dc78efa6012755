// SPDX-License-Identifier: Apache-2.0
// Overlays as rooms have them: what the room changes lies in the upper layer, and the source stays as it was.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "rig.h"

namespace agentos::sandbox::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Overlays : public Rig {
 protected:
  void SetUp() override {
    Rig::SetUp();
    base_ = dir_ + "/state/scratch/base", layers_ = dir_ + "/state/scratch/layers";
    for (const std::string& path :
         {base_, base_ + "/sub", base_ + "/sub/deep", layers_, layers_ + "/upper", layers_ + "/work"})
      own(path);
    write(base_ + "/kept", "kept");
    write(base_ + "/changed", "before");
    write(base_ + "/gone", "gone");
    write(base_ + "/sub/inner", "inner");
  }
  void own(const std::string& path) {
    fs::create_directories(path);
    ASSERT_EQ(::chown(path.c_str(), kPeer, kPeer), 0);
  }
  void write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
    ASSERT_EQ(::chown(path.c_str(), kPeer, kPeer), 0);
  }
  // A shell in a room with the overlay on /workspace.
  RoomPlan shell(const std::string& script) {
    auto plan = this->plan({});
    plan.command = {"/bin/sh", "-ec", script};
    RoomMount overlay{.source = base_, .target = "/workspace"};
    overlay.layers = layers_;
    plan.mounts.push_back(overlay);
    return plan;
  }
  std::string upper(const std::string& name) { return readPath(layers_ + "/upper/" + name).value_or("(none)"); }

  std::string base_, layers_;
};

TEST_F(Overlays, ChangesLieInTheUpperLayerAndTheSourceStays) {
  auto told = runInRoom(shell(
      "cd /workspace; cat kept; echo after > changed; rm gone; mkdir new; echo x > new/file; echo y >> sub/inner; "
      "cat changed sub/inner; ls; test ! -e gone"));
  EXPECT_EQ(told.code, 0) << told.output << readUnder("/spawner.log");
  EXPECT_EQ(*readPath(base_ + "/changed"), "before");
  EXPECT_EQ(*readPath(base_ + "/gone"), "gone");
  EXPECT_EQ(*readPath(base_ + "/sub/inner"), "inner");
  EXPECT_FALSE(fs::exists(base_ + "/new"));
  EXPECT_EQ(upper("changed"), "after\n");
  EXPECT_EQ(upper("new/file"), "x\n");
  EXPECT_EQ(upper("sub/inner"), "innery\n");
  EXPECT_EQ(upper("kept"), "(none)");
  struct stat whiteout{};
  ASSERT_EQ(::lstat((layers_ + "/upper/gone").c_str(), &whiteout), 0);
  EXPECT_TRUE(S_ISCHR(whiteout.st_mode) && whiteout.st_rdev == makedev(0, 0));
  // All of it is agentd's on disk, whichever ids the room had.
  for (const auto& entry : fs::recursive_directory_iterator(layers_)) {
    struct stat info{};
    ASSERT_EQ(::lstat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, kPeer) << entry.path();
  }
}

TEST_F(Overlays, AnotherRoomTakesUpTheSameLayers) {
  EXPECT_EQ(runInRoom(shell("echo one > /workspace/changed; rm -r /workspace/sub; mkdir /workspace/sub")).code, 0);
  auto told = runInRoom(shell("cd /workspace; cat changed; test ! -e sub/inner; echo two > sub/inner; rm changed"));
  EXPECT_EQ(told.code, 0) << told.output;
  EXPECT_THAT(told.output, HasSubstr("one"));
  EXPECT_EQ(*readPath(base_ + "/sub/inner"), "inner");
}

TEST_F(Overlays, ARenamedDirectoryIsToldToBeCopied) {
  auto told = runInRoom(shell("cd /workspace; mv sub moved; test -e moved/inner; test ! -e sub"));
  EXPECT_EQ(told.code, 0) << told.output;  // mv copies when the kernel says EXDEV
  EXPECT_EQ(upper("moved/inner"), "inner");
}

TEST_F(Overlays, WithoutTheLayersTheSameWritesReachTheSource) {
  auto plan = shell("echo after > /workspace/changed");
  plan.mounts.back().layers.clear();
  plan.mounts.back().writable = true;
  EXPECT_EQ(runInRoom(plan).code, 0);
  EXPECT_EQ(*readPath(base_ + "/changed"), "after\n");
}

TEST_F(Overlays, LayersWhereRootAllowsNoWritingAreRefused) {
  for (const char* place : {"/ro", "/log", "/state/instances"}) {
    auto plan = shell("true");
    plan.mounts.back().layers = dir_ + place;
    auto refused = ask(client().spawn(plan));
    ASSERT_FALSE(refused) << place;
    EXPECT_EQ(refused.error().code, ErrorCode::kSandboxPolicy) << refused.error().message();
  }
}

// agentd's uid could put one there, to have the room's changes written elsewhere.
TEST_F(Overlays, ALinkInPlaceOfALayerLeadsNowhere) {
  own(dir_ + "/state/victim");
  fs::remove(layers_ + "/upper");
  fs::create_directory_symlink(dir_ + "/state/victim", layers_ + "/upper");
  auto plan = shell("echo x > /workspace/new");
  auto room = ask(client().spawn(plan));
  EXPECT_FALSE(room);
  EXPECT_FALSE(fs::exists(dir_ + "/state/victim/new"));
  fs::remove(layers_ + "/upper");
  fs::create_directory_symlink("../../../victim", layers_ + "/upper");
  EXPECT_FALSE(ask(client().spawn(shell("echo x > /workspace/new"))));
  EXPECT_FALSE(fs::exists(dir_ + "/state/victim/new"));
}

}  // namespace
}  // namespace agentos::sandbox::testing
