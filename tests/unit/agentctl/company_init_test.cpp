// SPDX-License-Identifier: Apache-2.0
// `company init` by root, where the directory's owner is hostile.
#include "agentctl/company_init.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "../base/scratch_directory.h"

namespace agentos::agentctl {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kMallory = 65534;  // "nobody", whom company init is told to give it to

class CompanyInit : public ::testing::Test {
 protected:
  CompanyInit() {
    if (::getuid() != 0) return;
    ::chmod(scratch_.path().c_str(), 0755);
    fs::create_directory(victim_);
    std::ofstream(victim_ + "/kept") << "root's";
    ::chmod(victim_.c_str(), 0755);
  }
  void SetUp() override {
    if (::getuid() != 0) GTEST_SKIP() << "giving files away needs root";
  }
  static void giveToMallory(const std::string& path) { ASSERT_EQ(::lchown(path.c_str(), kMallory, kMallory), 0); }
  void expectVictimUntouched() const {
    for (const auto& path : {victim_, victim_ + "/kept"}) {
      struct stat info{};
      ASSERT_EQ(::lstat(path.c_str(), &info), 0);
      EXPECT_EQ(info.st_uid, 0U) << path;
      EXPECT_EQ(info.st_mode & 07777U, S_ISDIR(info.st_mode) ? 0755U : 0644U) << path;
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(victim_), {}), 1) << "something was written there";
  }
  Result<void> make(const std::string& directory) const {
    return makeCompany({.directory = directory, .name = "", .user = "nobody", .example = true});
  }

  test::ScratchDirectory scratch_;
  std::string top_ = scratch_.path() + "/top", victim_ = scratch_.path() + "/victim";
};

// Puts a link to the victim in the place of each directory that appears, as fast as it can.
[[noreturn]] void swapForEver(const std::string& company, const std::string& victim) {
  if (::setgroups(0, nullptr) != 0 || ::setgid(kMallory) != 0 || ::setuid(kMallory) != 0) ::_exit(1);
  static constexpr std::array kParts = {
      "knowledge",           "products", "strategy", "identity", "agents/contracts", "agents/state",
      "agents/tasks/queued", "agents"};
  for (unsigned round = 0;; ++round) {
    for (const char* part : kParts) {
      const std::string path = company + "/" + part, away = path + ".away" + std::to_string(round);
      if (::rename(path.c_str(), away.c_str()) == 0) [[maybe_unused]]
        auto linked = ::symlink(victim.c_str(), path.c_str());
    }
  }
}

TEST_F(CompanyInit, AnOwnerWhoSwapsDirectoriesForLinksLeadsRootNowhere) {
  for (int round = 0; round < 15; ++round) {
    const std::string company = top_ + std::to_string(round);
    fs::create_directory(company);
    giveToMallory(company);
    const pid_t mallory = ::fork();
    if (mallory == 0) swapForEver(company, victim_);
    (void)make(company);  // it may fail: what is swapped is not the tree that was made
    ::kill(mallory, SIGKILL);
    ::waitpid(mallory, nullptr, 0);
    expectVictimUntouched();
  }
}

// Nothing is given away later: an owner cannot have a file before root is done with it, since root never owns one.
TEST_F(CompanyInit, AllOfItIsMadeAsItsOwner) {
  auto made = make(top_);
  ASSERT_TRUE(made) << made.error().message();
  for (const auto& entry : fs::recursive_directory_iterator(top_)) {
    struct stat info{};
    ASSERT_EQ(::lstat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, kMallory) << entry.path();
    EXPECT_EQ(info.st_gid, kMallory) << entry.path();
  }
  EXPECT_EQ(::geteuid(), 0U);
  const Fd again(::open((victim_ + "/new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  struct stat info{};
  ASSERT_EQ(::fstat(again.get(), &info), 0);
  EXPECT_EQ(info.st_uid, 0U) << "root is root again";
}

TEST_F(CompanyInit, AnEmptyDirectoryOfRootsIsNotGivenAwayThroughAStrangersLink) {
  const std::string empty = scratch_.path() + "/empty", lair = scratch_.path() + "/lair";
  fs::create_directory(empty);
  fs::create_directory(lair);
  giveToMallory(lair);
  fs::create_directory_symlink(empty, lair + "/company");
  giveToMallory(lair + "/company");
  fs::create_directory_symlink(scratch_.path(), lair + "/up");
  giveToMallory(lair + "/up");
  for (const auto& path : {lair + "/company", lair + "/up/empty", lair + "/../empty/../lair/up/empty"}) {
    auto made = make(path);
    ASSERT_FALSE(made) << path;
    EXPECT_EQ(made.error().code, ErrorCode::kDenied) << made.error().message();
    struct stat info{};
    ASSERT_EQ(::stat(empty.c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 0U) << path;
    EXPECT_TRUE(fs::is_empty(empty));
  }
  // The control: by a path of root's, and through a link of root's, it is.
  fs::create_directory_symlink(empty, scratch_.path() + "/link");
  auto made = make(scratch_.path() + "/link");
  EXPECT_TRUE(made) << made.error().message();
}

TEST_F(CompanyInit, ADirectoryThatHoldsSomethingKeepsItsOwner) {
  auto made = make(victim_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kExists);
  expectVictimUntouched();
}

}  // namespace
}  // namespace agentos::agentctl
