// SPDX-License-Identifier: Apache-2.0
#include "runner/room_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "fake_gateway.h"

namespace agentos::runner {
namespace {

class RoomFilesTest : public testing::Test {
 protected:
  static void fill(const Folder& room) {
    room.write("workspace/site/a.md", "a");
    room.write("secret", "s");
    std::filesystem::create_directory(room.path + "/workspace-other");
    std::filesystem::create_symlink("../secret", room.path + "/workspace/link");
    std::filesystem::create_directory_symlink("..", room.path + "/workspace/up");
  }
  Folder room;
  std::string workspace = (fill(room), room.path + "/workspace");
  RoomFiles files{{workspace, workspace + "/site", "/nonexistent"}, workspace};
};

TEST_F(RoomFilesTest, PathsAreResolvedBeneathTheirRoot) {
  EXPECT_EQ(files.place("site/a.md")->root, workspace + "/site");
  EXPECT_EQ(files.place("site/a.md")->rest, "a.md");
  EXPECT_EQ(files.place(workspace)->rest, "");
  EXPECT_EQ(files.place("./x//y/../z/")->shown, workspace + "/x/z");
  EXPECT_EQ(*readAll(files.open(*files.place("site/a.md"), O_RDONLY)->get(), 10), "a");
  EXPECT_EQ(files.roots().size(), 2U);
}

TEST_F(RoomFilesTest, WhatLeavesTheRootsIsRefused) {
  for (const std::string& path : std::vector<std::string>{"..", "../secret", "/etc/passwd", "site/../../secret", "/",
                                                          workspace + "-other/x", workspace + "/../secret"})
    EXPECT_EQ(files.place(path).error().code, ErrorCode::kPathEscapes) << path;
  EXPECT_EQ(files.place("").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(files.place(std::string("a\0b", 3)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(files.place(std::string(5000, 'x')).error().code, ErrorCode::kInvalidArgument);
}

// The wall is the kernel's: what a link points to must not be reached, though its name lies beneath the root.
TEST_F(RoomFilesTest, LinksAreNotFollowed) {
  EXPECT_FALSE(files.open(*files.place("link"), O_RDONLY));
  EXPECT_FALSE(files.open(*files.place("up/secret"), O_RDONLY));
  EXPECT_FALSE(files.parent(*files.place("up/evil"), true));
  EXPECT_FALSE(std::filesystem::exists(room.path + "/evil"));
  EXPECT_TRUE(std::ifstream(workspace + "/up/secret").good());  // without openBeneath it would be
}

TEST_F(RoomFilesTest, ParentsAreMadeWhenAskedFor) {
  EXPECT_FALSE(files.parent(*files.place("new/deep/f"), false));
  const auto made = files.parent(*files.place("new/deep/f"), true);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->name, "f");
  EXPECT_TRUE(std::filesystem::is_directory(workspace + "/new/deep"));
  EXPECT_FALSE(files.parent(*files.place("."), true));
}

}  // namespace
}  // namespace agentos::runner
