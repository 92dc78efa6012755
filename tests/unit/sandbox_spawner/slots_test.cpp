// SPDX-License-Identifier: Apache-2.0
#include "sandbox/slots.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/files.h"

namespace agentos::sandbox {
namespace {

class SlotsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::temp_directory_path() / "slots-XXXXXX";
    ASSERT_NE(::mkdtemp(path_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }
  std::unique_ptr<Slots> open(std::uint32_t count) {
    return std::make_unique<Slots>(*openDirectory(path_), count,
                                   [this](const InstanceId& id) { return alive_.contains(id.str()); });
  }
  static InstanceId id(char letter) { return *InstanceId::parse("a." + std::string(6, letter)); }
  std::string path_;
  std::set<std::string> alive_;
};

TEST_F(SlotsTest, TheLowestFreeIsGiven) {
  auto slots = open(3);
  auto a = slots->take(id('a')), b = slots->take(id('b'));
  EXPECT_EQ(a->number, 0U);
  EXPECT_EQ(b->number, 1U);
  EXPECT_EQ(slots->next(), 2U);
  a->lock.reset();
  slots->release(id('a'));
  EXPECT_EQ(slots->next(), 0U);
  EXPECT_EQ(slots->take(id('c'))->number, 0U);
}

TEST_F(SlotsTest, AllTakenIsAnError) {
  auto slots = open(2);
  auto a = slots->take(id('a')), b = slots->take(id('b'));
  auto none = slots->take(id('c'));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kSandboxNoSlot);
  b->lock.reset();
  slots->release(id('b'));
  EXPECT_TRUE(slots->take(id('c')));
}

// The room (its open descriptor) outlives the spawner: the next spawner leaves its range alone until it is gone.
TEST_F(SlotsTest, ALockThatIsHeldElsewhereIsRespected) {
  auto kept = open(2)->take(id('a'));
  auto slots = open(2);
  auto b = slots->take(id('b'));
  EXPECT_EQ(b->number, 1U);
  EXPECT_FALSE(slots->take(id('c')));
  kept->lock.reset();
  EXPECT_EQ(slots->take(id('c'))->number, 0U) << "found free without a word from anybody";
}

// PID 1 has closed the lock, but its processes are not all dead yet.
TEST_F(SlotsTest, ARangeWhoseGroupsStillHaveProcessesIsNotGiven) {
  {
    auto before = open(1);
    auto slot = before->take(id('a'));
    ASSERT_TRUE(before->sign(*slot, id('a')));
  }
  alive_.insert(id('a').str());
  auto slots = open(1);
  EXPECT_FALSE(slots->take(id('b')));
  alive_.clear();
  EXPECT_TRUE(slots->take(id('b')));
}

}  // namespace
}  // namespace agentos::sandbox
