// SPDX-License-Identifier: Apache-2.0
#include "agentd/group_commit.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "agentd/spawn_task.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/ids.h"

namespace agentos::agentd {
namespace {

class GroupCommitTest : public testing::Test {
 protected:
  GroupCommitTest() : dir_(std::filesystem::temp_directory_path() / ("group-commit-" + randomToken(6))) {
    std::filesystem::create_directories(dir_ / "audit");
    std::ofstream(dir_ / "wal") << "frames";
    audit_ = *govern::AuditLog::open((dir_ / "audit").string(), clock_);
    commits_ = open("wal");
  }
  ~GroupCommitTest() override { std::filesystem::remove_all(dir_); }

  std::unique_ptr<GroupCommit> open(const char* name) {
    auto made = GroupCommit::open(io_.get_executor(), (dir_ / name).string(), *audit_,
                                  [this](const Error& error) { lost_.push_back(error.message()); });
    return made ? *std::move(made) : nullptr;
  }
  void ask() {
    auto work = [](GroupCommitTest* self) -> boost::asio::awaitable<void> {
      auto done = co_await self->commits_->durable();
      (done ? self->good_ : self->bad_) += 1;
      if (!done) EXPECT_EQ(self->lost_.size(), 1U) << "told to who waits before to who must end";
    };
    spawnTask(io_.get_executor(), "ask", work(this));
  }

  std::filesystem::path dir_;
  SystemClock clock_;
  std::unique_ptr<govern::AuditLog> audit_;
  boost::asio::io_context io_;
  std::unique_ptr<GroupCommit> commits_;
  int good_ = 0, bad_ = 0;
  std::vector<std::string> lost_;
};

TEST_F(GroupCommitTest, ManyShareAWait) {
  for (int i = 0; i < 100; ++i) ask();
  io_.run();
  EXPECT_EQ(good_, 100);
  // The first went off alone; everybody else gathered behind it.
  EXPECT_LE(commits_->syncs(), 2U);
}

// What was written after a sync began is not in it.
TEST_F(GroupCommitTest, WhoComesDuringASyncWaitsForTheNext) {
  ask();
  while (commits_->syncs() == 0) io_.run_one();
  ask();
  io_.run();
  EXPECT_EQ(good_, 2);
  EXPECT_EQ(commits_->syncs(), 2U);
}

TEST_F(GroupCommitTest, AuditLinesAreDurableToo) {
  ASSERT_TRUE(audit_->appendSoon({.kind = "test.line", .actor = "agentd"}));
  ask();
  io_.run();
  EXPECT_EQ(good_, 1);
  // Nothing is left to be synced: a log that lost its file now would not notice.
  EXPECT_TRUE(audit_->sync());
}

// A pipe cannot be synced: the nearest to a failing disk that a test can have.
TEST_F(GroupCommitTest, AFailureIsToldToAllOfIt) {
  ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  commits_ = open("fifo");
  ASSERT_TRUE(commits_);
  for (int i = 0; i < 5; ++i) ask();
  io_.run();
  EXPECT_EQ(good_, 0);
  EXPECT_EQ(bad_, 5);
}

// The kernel tells of a page that it lost once, and calls the next sync a success.
TEST_F(GroupCommitTest, NothingIsDurableAfterAFailureThatPassed) {
  armFault("group_commit.sync:2");
  ask();
  io_.run();
  EXPECT_EQ(good_, 1);
  EXPECT_TRUE(lost_.empty());
  for (int round = 0; round < 3; ++round) {
    io_.restart();
    ask();
    io_.run();
  }
  armFault("");
  EXPECT_EQ(commits_->syncs(), 4U) << "the disk itself was asked and said yes";
  EXPECT_EQ(good_, 1);
  EXPECT_EQ(bad_, 3);
  ASSERT_EQ(lost_.size(), 1U);
  EXPECT_NE(lost_[0].find((dir_ / "wal").string()), std::string::npos) << lost_[0];
}

TEST_F(GroupCommitTest, MayGoWhileItIsAtWork) {
  ask();
  while (commits_->syncs() == 0) io_.run_one();
  commits_.reset();  // who waits goes on waiting
  io_.run_for(std::chrono::milliseconds(50));
  EXPECT_EQ(good_ + bad_, 0);
}

TEST_F(GroupCommitTest, IsNotOpenedWithoutALog) { EXPECT_FALSE(open("nothing")); }

}  // namespace
}  // namespace agentos::agentd
