// SPDX-License-Identifier: Apache-2.0
// A directory of plain files stands for the group: what inotify says of them is the same.
#include "agentd/supervisor/limit_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/clock.h"

namespace agentos::agentd {
namespace {

class LimitWatchTest : public ::testing::Test {
 protected:
  struct Told {
    std::string id, kind;
    Json data;
  };

  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/limits-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    group_ = pattern;
    write("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
    write("pids.events", "max 0\n");
  }
  void TearDown() override { std::filesystem::remove_all(group_); }

  // In place, as the kernel's file changes: the watch is on the inode.
  void write(const std::string& file, const std::string& text) {
    std::ofstream(group_ + "/" + file, std::ios::trunc) << text;
  }
  void run() {
    io_.restart();
    for (int i = 0; i < 20; ++i) io_.run_for(std::chrono::milliseconds(2));
  }

  boost::asio::io_context io_;
  FakeClock clock_{Timestamp(std::chrono::hours(500'000))};
  Alarms alarms_{io_, clock_, Alarms::Mode::kManual};
  std::vector<Told> told_;
  LimitWatch watch_{io_, clock_, alarms_, [this](const InstanceId& id, const char* kind, Json data) {
                      told_.push_back({id.str(), kind, std::move(data)});
                    }};
  std::string group_;
  InstanceId id_ = *InstanceId::parse("maker.abc234");
  sandbox::Limits limits_{.cpu = MilliCpu{250},
                          .memory = Bytes{64 << 20},
                          .memoryHigh = Bytes{48 << 20},
                          .swap = {},
                          .pids = 16,
                          .cpuWeight = {},
                          .ioWeight = {},
                          .ioMax = {},
                          .cpus = {},
                          .scratchQuota = {}};
};

TEST_F(LimitWatchTest, TellsEachKindOnceWithItsFigure) {
  watch_.begin(id_, group_, limits_);
  run();
  EXPECT_TRUE(told_.empty()) << "nothing was met";
  write("memory.events", "low 0\nhigh 7\nmax 2\noom 1\noom_kill 1\n");
  write("pids.events", "max 3\n");
  run();
  ASSERT_EQ(told_.size(), 3U);
  std::map<std::string, Json> byKind;
  for (const auto& one : told_) byKind[one.kind] = one.data;
  EXPECT_EQ(byKind["limit.memory"], (Json{{"limit_bytes", 64 << 20}, {"new", 1}, {"total", 1}}));
  EXPECT_EQ(byKind["limit.memory_high"], (Json{{"limit_bytes", 48 << 20}, {"new", 7}, {"total", 7}}));
  EXPECT_EQ(byKind["limit.pids"], (Json{{"limit", 16}, {"new", 3}, {"total", 3}}));
  EXPECT_EQ(told_[0].id, "maker.abc234");
  EXPECT_EQ(alarms_.size(), 0U) << "nothing is due";
}

TEST_F(LimitWatchTest, AFloodIsOneEventAMinuteAndNoneIsLost) {
  watch_.begin(id_, group_, limits_);
  for (int i = 1; i <= 50; ++i) {
    write("pids.events", "max " + std::to_string(i * 1000) + "\n");
    run();
  }
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(watch_.counts(id_)["pids"], 50'000U) << "counted all the same";
  clock_.advance(std::chrono::seconds(61));
  write("pids.events", "max 50001\n");
  run();
  ASSERT_EQ(told_.size(), 2U);
  EXPECT_EQ(told_[1].data["total"], 50'001);
  EXPECT_EQ(told_[0].data["new"].get<int>() + told_[1].data["new"].get<int>(), 50'001);
}

TEST_F(LimitWatchTest, WhatWasMetWhileNobodyLookedIsToldAtTheBeginning) {
  write("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 2\n");
  watch_.begin(id_, group_, limits_);
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told_[0].kind, "limit.memory");
  EXPECT_EQ(told_[0].data["total"], 2);
}

TEST_F(LimitWatchTest, ShortThrottlingIsNoEvent) {
  watch_.begin(id_, group_, limits_);
  write("cpu.stat", "usage_usec 1\nnr_periods 9\nnr_throttled 4\nthrottled_usec 499999\n");
  EXPECT_TRUE(watch_.end(id_).empty());
  EXPECT_TRUE(told_.empty());
  watch_.begin(id_, group_, limits_);
  write("cpu.stat", "usage_usec 1\nnr_periods 9\nnr_throttled 8\nthrottled_usec 900000\n");
  EXPECT_EQ(watch_.end(id_)["cpu"], 8U) << "told at the end at the latest";
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told_[0].kind, "limit.cpu");
  EXPECT_EQ(told_[0].data["limit_millicores"], 250);
  EXPECT_EQ(told_[0].data["throttled_ms"], 900);
}

TEST_F(LimitWatchTest, AfterItsEndNothingIsTold) {
  watch_.begin(id_, group_, limits_);
  watch_.end(id_);
  write("pids.events", "max 3\n");
  run();
  EXPECT_TRUE(told_.empty());
  EXPECT_TRUE(watch_.counts(id_).empty());
}

TEST_F(LimitWatchTest, AGroupThatIsNotThereIsNoTrouble) {
  watch_.begin(id_, group_ + "/none", limits_);
  run();
  EXPECT_TRUE(watch_.end(id_).empty());
  EXPECT_TRUE(told_.empty());
}

TEST(CountIn, TakesTheWholeWord) {
  EXPECT_EQ(countIn("oom 3\noom_kill 4\n", "oom_kill"), 4U);
  EXPECT_EQ(countIn("oom_kill 4\noom 3\n", "oom"), 3U);
  EXPECT_EQ(countIn("", "oom"), 0U);
  EXPECT_EQ(countIn("oom x\n", "oom"), 0U);
}

}  // namespace
}  // namespace agentos::agentd
