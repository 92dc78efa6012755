// SPDX-License-Identifier: Apache-2.0
// Scratch of a bounded size, and encrypted, against the same programs without the wall.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/text.h"
#include "rig.h"
#include "sandbox/volume.h"

namespace agentos::sandbox::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kMarker = "the-quick-brown-fox-7361";

class Volumes : public Rig {
 protected:
  void SetUp() override {
    if (auto why = whyNoVolumes(); !why.empty()) GTEST_SKIP() << why;
    Rig::SetUp();
  }
  RoomPlan scratch(std::string script, std::optional<Bytes> quota, bool encrypted = false) {
    auto made = plan({});
    made.command = {"/bin/sh", "-c", std::move(script)};
    made.limits.scratchQuota = quota;
    made.limits.scratchEncrypted = encrypted;
    return made;
  }
  // Loop devices that hold a file of this test.
  std::vector<std::string> loops() {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator("/sys/block")) {
      auto file = readPath((entry.path() / "loop/backing_file").string());
      if (file && file->starts_with(dir_)) found.push_back("/dev/" + entry.path().filename().string());
    }
    return found;
  }
  static bool holds(const std::string& path, std::string_view what) {
    std::ifstream in(path, std::ios::binary);
    std::string all(std::istreambuf_iterator<char>(in), {});
    return all.contains(what);
  }
};

TEST_F(Volumes, TheScratchHoldsAsMuchAsWasSaidAndNoMore) {
  const char* const kFill =
      "dd if=/dev/zero of=/home/agent/big bs=1M count=24; echo status $?; stat -c 'size %s' /home/agent/big";
  auto bounded = runInRoom(scratch(kFill, Bytes{16 << 20}));
  EXPECT_THAT(bounded.output, HasSubstr("No space left on device"));
  EXPECT_THAT(bounded.output, Not(HasSubstr("size 25165824")));
  auto free = runInRoom(scratch(kFill, std::nullopt));
  EXPECT_THAT(free.output, HasSubstr("size 25165824")) << "the control: without it all of it is written";
}

TEST_F(Volumes, IsTheAgentsOwnAndKeptBetweenRuns) {
  auto first =
      runInRoom(scratch("id -u; echo kept > /home/agent/note; ls -ld /home/agent; ls -A /home/agent", Bytes{16 << 20}));
  EXPECT_THAT(first.output, HasSubstr("drwx------"));
  EXPECT_THAT(first.output, Not(HasSubstr("lost+found")));
  auto second = runInRoom(scratch("cat /home/agent/note; stat -c 'owner %u' /home/agent/note", Bytes{16 << 20}));
  EXPECT_THAT(second.output, HasSubstr(" kept\n"));
  EXPECT_THAT(second.output, HasSubstr("owner 1000\n"));
  EXPECT_TRUE(eventually([&] { return loops().empty(); })) << "nothing of it is left in the kernel";
}

TEST_F(Volumes, TwoRoomsOfOneAgentShareIt) {
  auto one = scratch("echo one > /home/agent/note; sync; echo ready; sleep 30", Bytes{16 << 20});
  auto room = mustSpawn(one);
  ASSERT_TRUE(says(one.id, "ready"));
  EXPECT_EQ(loops().size(), 1U);
  auto other = runInRoom(scratch("cat /home/agent/note", Bytes{16 << 20}));
  EXPECT_THAT(other.output, HasSubstr(" one\n"));
  // The spawner is another one: what is mounted is found again, not mounted a second time beside it.
  killSpawner();
  startSpawner();
  auto third = runInRoom(scratch("cat /home/agent/note; echo more >> /home/agent/note", Bytes{16 << 20}));
  EXPECT_THAT(third.output, HasSubstr(" one\n"));
  EXPECT_EQ(loops().size(), 1U);
  EXPECT_TRUE(ask(client().sweep(one.id)));
  EXPECT_TRUE(eventually([&] { return loops().empty(); }));
}

TEST_F(Volumes, GrowsAndDoesNotShrink) {
  runInRoom(scratch("echo kept > /home/agent/note", Bytes{16 << 20}));
  auto grown = runInRoom(scratch(
      "cat /home/agent/note; dd if=/dev/zero of=/home/agent/big bs=1M count=24; stat -c 'size %s' /home/agent/big",
      Bytes{64 << 20}));
  EXPECT_THAT(grown.output, HasSubstr(" kept\n"));
  EXPECT_THAT(grown.output, HasSubstr("size 25165824"));
  auto refused = ask(client().spawn(scratch("true", Bytes{32 << 20})));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  EXPECT_THAT(refused.error().message(), HasSubstr("64MiB"));
  EXPECT_TRUE(noGroups());
}

// What was written is nowhere on the disk in the clear, and is gone with the run.
TEST_F(Volumes, EncryptedNothingIsInTheClearAndNothingIsLeft) {
  if (auto why = whyNoEncryption(); !why.empty()) GTEST_SKIP() << why;
  const std::string write = "for i in $(seq 1000); do echo " + std::string(kMarker) + "; done > /home/agent/name-" +
                            std::string(kMarker) + "; sync; echo ready; sleep 30";
  auto sealed = scratch(write, Bytes{16 << 20}, true);
  auto room = mustSpawn(sealed);
  ASSERT_TRUE(says(sealed.id, "ready")) << outputOf(sealed.id);
  EXPECT_TRUE(std::ranges::count(room.enforcement.enforced, "scratch encrypted") == 1);
  auto devices = loops();
  ASSERT_EQ(devices.size(), 1U);
  EXPECT_FALSE(holds(devices[0], kMarker)) << "not on the device";
  EXPECT_TRUE(fs::is_empty(dir_ + "/volumes")) << "no file of it has a name";
  EXPECT_TRUE(ask(client().sweep(sealed.id)));
  EXPECT_TRUE(eventually([&] { return loops().empty(); }));
  auto next = runInRoom(scratch("ls -A /home/agent | wc -l", Bytes{16 << 20}, true));
  EXPECT_THAT(next.output, HasSubstr(" 0\n")) << "another run has another key, and nothing to read";

  auto open = scratch(write, Bytes{16 << 20});
  auto control = mustSpawn(open);
  ASSERT_TRUE(says(open.id, "ready"));
  ASSERT_EQ(loops().size(), 1U);
  EXPECT_TRUE(holds(loops()[0], kMarker)) << "the control: without encryption it is there";
  EXPECT_TRUE(ask(client().sweep(open.id)));
}

TEST_F(Volumes, TheFileIsOutOfAgentdsReach) {
  runInRoom(scratch("true", Bytes{16 << 20}));
  struct stat info{};
  ASSERT_EQ(::stat((dir_ + "/volumes").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0U);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
}

TEST_F(Volumes, AFileSystemThatIsRefusedIsNamedAndNoRoomIsLeft) {
  runInRoom(scratch("true", Bytes{16 << 20}));
  const std::string file = dir_ + "/volumes/probe.ext4";
  ASSERT_TRUE(fs::exists(file));
  std::ofstream(file, std::ios::in | std::ios::binary) << std::string(1 << 20, '\0');
  auto refused = ask(client().spawn(scratch("true", Bytes{16 << 20})));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("the scratch"));
  EXPECT_TRUE(eventually([&] { return noGroups() && loops().empty(); }));
}

}  // namespace
}  // namespace agentos::sandbox::testing
