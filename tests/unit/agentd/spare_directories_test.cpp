// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/spare_directories.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "base/ids.h"

namespace agentos::agentd {
namespace {

namespace fs = std::filesystem;

class SpareDirectoriesTest : public testing::Test {
 protected:
  SpareDirectoriesTest() : dir_(fs::temp_directory_path() / ("spares-" + randomToken(6))) {
    fs::create_directories(instances());
    fs::create_directories(logs());
  }
  ~SpareDirectoriesTest() override { fs::remove_all(dir_); }
  std::string instances() const { return (dir_ / "instances").string(); }
  std::string logs() const { return (dir_ / "logs").string(); }
  std::size_t count(const std::string& directory) const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
  }
  void awaitSpares(std::size_t wanted) const {
    for (int i = 0; i < 500 && count(logs()) < wanted; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // its files come after it
  }

  fs::path dir_;
  AgentName agent_ = *AgentName::parse("maker");
};

TEST_F(SpareDirectoriesTest, ASpareBecomesTheRunsOwn) {
  SpareDirectories spares(instances(), logs(), 2);
  awaitSpares(2);
  auto id = spares.take(agent_);
  ASSERT_TRUE(id);
  EXPECT_EQ(id->str().substr(0, 6), "maker.");
  EXPECT_TRUE(fs::is_empty(instances() + "/" + id->str() + "/context/prompt.md"));
  EXPECT_TRUE(fs::is_empty(instances() + "/" + id->str() + "/exit.json.tmp"));
  EXPECT_TRUE(fs::is_empty(logs() + "/" + id->str() + "/output.log"));
  // Moved, not copied; and not made again before it is asked for.
  EXPECT_EQ(count(instances()), 2U);
}

TEST_F(SpareDirectoriesTest, NoneIsGivenTwice) {
  SpareDirectories spares(instances(), logs(), 4);
  awaitSpares(4);
  std::set<std::string> given;
  for (int i = 0; i < 20; ++i) {
    auto id = spares.take(agent_);
    ASSERT_TRUE(id);
    EXPECT_TRUE(given.insert(id->str()).second);
    EXPECT_TRUE(fs::is_directory(instances() + "/" + id->str()));
    if (i % 3 == 0) spares.refill();
  }
}

TEST_F(SpareDirectoriesTest, WithoutSparesTheIdIsTakenAllTheSame) {
  SpareDirectories spares(instances(), logs(), 0);
  auto id = spares.take(agent_);
  ASSERT_TRUE(id);
  EXPECT_TRUE(fs::is_directory(instances() + "/" + id->str()));
}

TEST_F(SpareDirectoriesTest, WhatACrashLeftIsRemovedAndOthersStay) {
  fs::create_directories(instances() + "/.spare-dead00/context");
  fs::create_directories(logs() + "/.spare-dead00");
  fs::create_directories(instances() + "/maker.abcdef");
  {
    SpareDirectories spares(instances(), logs(), 1);
    awaitSpares(1);
  }
  EXPECT_FALSE(fs::exists(instances() + "/.spare-dead00"));
  EXPECT_FALSE(fs::exists(logs() + "/.spare-dead00"));
  EXPECT_EQ(count(instances()), 1U);
  EXPECT_EQ(count(logs()), 0U);
}

TEST_F(SpareDirectoriesTest, NothingHalfMadeStays) {
  {
    SpareDirectories spares(instances(), logs() + "/not-there", 3, Worker::Mode::kInline);
    EXPECT_EQ(count(instances()), 0U);
    for (int i = 0; i < 3; ++i) spares.refill();
    EXPECT_EQ(count(instances()), 0U);
    EXPECT_TRUE(spares.take(agent_)) << "the run makes its own";
  }
  EXPECT_EQ(count(instances()), 1U);
}

TEST_F(SpareDirectoriesTest, OfARunThatNeverBeganOnlyWhatIsUnusedGoes) {
  SpareDirectories spares(instances(), logs(), 1);
  awaitSpares(1);
  auto id = spares.take(agent_);
  ASSERT_TRUE(id);
  std::ofstream(logs() + "/" + id->str() + "/output.log") << "a line";
  spares.discardUnused(*id);
  EXPECT_FALSE(fs::exists(instances() + "/" + id->str() + "/exit.json.tmp"));
  EXPECT_TRUE(fs::exists(logs() + "/" + id->str() + "/output.log"));
}

}  // namespace
}  // namespace agentos::agentd
