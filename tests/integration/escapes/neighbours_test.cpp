// SPDX-License-Identifier: Apache-2.0
// What two rooms can do to one another, and what one can do to the spawner by what lies in its mounts.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "escapes.h"

namespace agentos::sandbox::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Neighbours : public EscapeRig {
 protected:
  // One room offers a descriptor of its own file at that place, the other takes what it gets there.
  Try pass(const std::string& place, const std::string& shared) {
    auto giver = escapePlan({"give_descriptor", place, "/home/agent/private"});
    auto taker = escapePlan({"take_descriptor", place});
    std::ofstream(giver.mounts[0].source + "/private") << "of the giver";
    EXPECT_EQ(::chown((giver.mounts[0].source + "/private").c_str(), kPeer, kPeer), 0);
    for (RoomPlan* room : {&giver, &taker}) {
      if (!shared.empty()) room->mounts.push_back({shared, "/shared", true, true, false});
    }
    mustSpawn(giver);
    EXPECT_TRUE(says(giver.id, "offering"));
    auto told = runInRoom(taker);
    EXPECT_TRUE(ask(client().sweep(giver.id)));
    return {told.code.value_or(-1), told.output};
  }
};

TEST_F(Neighbours, ADescriptorDoesNotPassFromRoomToRoom) {
  EXPECT_EQ(pass(key_ + "-fd", "").code, 1);
  breach("network,landlock");
  auto through = pass(key_ + "-fd", "");
  EXPECT_EQ(through.code, 0) << through.output;
  EXPECT_THAT(through.output, HasSubstr("of the giver"));
}

// Not a wall, but said in docs/security.md: who shares a writable tree shares what the other gives away there.
TEST_F(Neighbours, ADescriptorPassesByASocketInATreeThatBothMayWrite) {
  const std::string shared = dir_ + "/state/scratch/shared";
  std::filesystem::create_directory(shared);
  ASSERT_EQ(::chown(shared.c_str(), kPeer, kPeer), 0);
  EXPECT_EQ(pass("/shared/socket", shared).code, 0);
}

// The agent owns the tree that a mount of another room lies in, and makes it a link to elsewhere and back, as fast as
// it can: whatever is mounted is the directory or nothing.
TEST_F(Neighbours, AMountRacesWithALinkAndIsNeverElsewhere) {
  const std::string tree = dir_ + "/state/scratch/raced", elsewhere = dir_ + "/elsewhere";
  for (const auto& path : {tree, elsewhere}) {
    std::filesystem::create_directory(path);
    ASSERT_EQ(::chown(path.c_str(), kPeer, kPeer), 0);
  }
  std::ofstream(elsewhere + "/loot") << "x";
  auto racer = escapePlan({"swap_with_link", "/race", elsewhere});
  racer.mounts.push_back({tree, "/race", true, true, false});
  mustSpawn(racer);
  ASSERT_TRUE(says(racer.id, "swapping"));
  int mounted = 0, refused = 0, ledAway = 0;
  for (int i = 0; i < 60; ++i) {
    if (Fd naive(::open((tree + "/sub/loot").c_str(), O_RDONLY | O_CLOEXEC)); naive) ++ledAway;  // the control
    auto room = escapePlan({"read", "/taken/loot"});
    room.mounts.push_back({tree + "/sub", "/taken", false, true, false});
    auto spawned = ask(client().spawn(room));
    if (!spawned) {
      ++refused;
      continue;
    }
    ++mounted;
    EXPECT_TRUE(ended(*spawned, std::chrono::seconds(10)));
    EXPECT_THAT(outputOf(room.id), HasSubstr("read: held"));
    EXPECT_TRUE(ask(client().sweep(room.id)));
  }
  EXPECT_TRUE(ask(client().sweep(racer.id)));
  EXPECT_GT(ledAway, 0) << "nobody was ever led away: the race was none";
  EXPECT_GT(refused, 0);
  EXPECT_GT(mounted, 0);
}

// /workspace is granted, /workspace-evil begins with the same letters.
TEST_F(Neighbours, ATwinOfAGrantedPathIsNotGranted) {
  auto granted = escapePlan({"read", "/taken/reference"});
  granted.mounts.push_back({dir_ + "/ro", "/taken", false, true, false});
  EXPECT_EQ(runInRoom(granted).code, 0);
  auto twin = escapePlan({"read", "/taken/secret"});
  twin.mounts.push_back({dir_ + "/ro-evil", "/taken", false, true, false});
  auto refused = ask(client().spawn(twin));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kSandboxPolicy) << refused.error().message();
  moreMounts_.push_back(dir_ + "/ro-evil");
  breach("");
  EXPECT_EQ(runInRoom(twin).code, 0) << "granted, it is mounted";
}

}  // namespace
}  // namespace agentos::sandbox::testing
