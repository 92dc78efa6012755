// SPDX-License-Identifier: Apache-2.0
// Overlays' layers made by hand, as the kernel makes them, and what an agent must not get past the comparison.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/fault.h"
#include "base/files.h"
#include "runner/overlay_commit.h"
#include "runner/overlay_job.h"

namespace agentos::runner {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class OverlayLayers : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/var/tmp/agentd-overlay-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
    for (const char* name : {"/0/base", "/0/upper", "/0/live", "/state"}) fs::create_directories(dir_ + name);
    for (const char* tree : {"base", "live"}) {
      write(tree, "same", "same");
      write(tree, "changed", "before");
      write(tree, "gone", "gone");
      write(tree, "old/one", "1");
      write(tree, "old/two", "2");
      write(tree, "sub/inner", "inner");
    }
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string path(const std::string& tree, const std::string& name) const { return dir_ + "/0/" + tree + "/" + name; }
  void write(const std::string& tree, const std::string& name, const std::string& text) {
    fs::create_directories(fs::path(path(tree, name)).parent_path());
    std::ofstream(path(tree, name)) << text;
  }
  void whiteout(const std::string& name) {
    fs::create_directories(fs::path(path("upper", name)).parent_path());
    ASSERT_EQ(::mknod(path("upper", name).c_str(), S_IFCHR, makedev(0, 0)), 0);
  }
  std::string live(const std::string& name) { return readPath(path("live", name)).value_or("(none)"); }
  // Every change there is: deletions, of a whole directory too, additions, a link, a directory that became a file.
  void makeChanges() {
    write("upper", "changed", "after");
    write("upper", "new/deep/file", "new");
    fs::create_symlink("deep/file", path("upper", "new/link"));
    whiteout("gone");
    write("upper", "old", "a file now");
    write("upper", "sub/inner", "inner");  // copied up, and as it was
    write("upper", "sub/more", "more");
  }
  bool isBefore() {
    return live("changed") == "before" && live("gone") == "gone" && live("old/one") == "1" && live("old/two") == "2" &&
           live("sub/more") == "(none)" && !fs::exists(path("live", "new")) && leftovers() == 0;
  }
  bool isAfter() {
    return live("changed") == "after" && live("gone") == "(none)" && live("old") == "a file now" &&
           live("new/deep/file") == "new" && live("new/link") == "new" && live("sub/more") == "more" &&
           live("same") == "same" && live("sub/inner") == "inner" && leftovers() == 0;
  }
  int leftovers() {
    int found = 0;
    for (const auto& entry : fs::recursive_directory_iterator(dir_ + "/0/live"))
      found += entry.path().filename().string().starts_with(".") ? 1 : 0;
    return found + (fs::exists(dir_ + "/state/journal.json") ? 1 : 0);
  }
  Fd open(const std::string& name) { return *openDirectory(dir_ + name); }
  Diff diff() {
    Fd base = open("/0/base"), upper = open("/0/upper");
    auto found = compareLayers(base.get(), upper.get());
    EXPECT_TRUE(found) << found.error().message();
    return found ? *found : Diff{};
  }
  CommitOutcome commit() {
    Fd base = open("/0/base"), upper = open("/0/upper"), live = open("/0/live"), state = open("/state");
    auto done = commitLayers({{base.get(), upper.get(), live.get()}}, state.get(), "maker.abcdef");
    EXPECT_TRUE(done) << done.error().message();
    return done ? *done : CommitOutcome{};
  }
  // In a child that is killed at the point; false when it was not passed.
  bool commitKilledAt(const std::string& point) {
    pid_t pid = ::fork();
    if (pid == 0) {
      armFault(point.c_str());
      commit();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status);
  }
  std::string dir_;
};

TEST_F(OverlayLayers, ADiffSaysWhatWasAddedChangedAndDeleted) {
  makeChanges();
  auto found = diff();
  EXPECT_THAT(found.refused, IsEmpty());
  std::vector<std::string> lines;
  for (const auto& change : found.changes) {
    auto json = toJson(change);
    lines.push_back(json["change"].get<std::string>() + " " + json["type"].get<std::string>() + " " + change.path);
  }
  EXPECT_THAT(lines, ::testing::UnorderedElementsAre(
                         "deleted file gone", "deleted file old/one", "deleted file old/two", "deleted directory old",
                         "added file old", "changed file changed", "added directory new", "added directory new/deep",
                         "added file new/deep/file", "added link new/link", "added file sub/more"));
  auto changed = std::ranges::find(found.changes, "changed", &Change::path);
  ASSERT_NE(changed, found.changes.end());
  EXPECT_EQ(changed->size, 5U);
  EXPECT_NE(changed->digest, changed->baseDigest);
}

TEST_F(OverlayLayers, AnOpaqueDirectoryHidesWhatWasThere) {
  write("upper", "old/two", "2");
  if (::setxattr(path("upper", "old").c_str(), "user.overlay.opaque", "y", 1, 0) != 0)
    GTEST_SKIP() << "no user xattrs on this file system";
  auto found = diff();
  ASSERT_EQ(found.changes.size(), 1U);
  EXPECT_EQ(found.changes[0].path, "old/one");
  EXPECT_EQ(found.changes[0].kind, ChangeKind::kDeleted);
}

TEST_F(OverlayLayers, ACommitMakesAllOfIt) {
  makeChanges();
  auto done = commit();
  EXPECT_TRUE(done.committed);
  EXPECT_EQ(done.changes, 11U);
  EXPECT_TRUE(isAfter());
}

TEST_F(OverlayLayers, ModesAreKeptButForTheExecuteBit) {
  ASSERT_EQ(::chmod(path("live", "changed").c_str(), 0660), 0);
  write("upper", "changed", "after");
  write("upper", "tool", "#!/bin/sh");
  ASSERT_EQ(::chmod(path("upper", "tool").c_str(), 0755), 0);
  EXPECT_TRUE(commit().committed);
  struct stat info{};
  ASSERT_EQ(::stat(path("live", "changed").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0660U);
  ASSERT_EQ(::stat(path("live", "tool").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0775U);
}

TEST_F(OverlayLayers, WhatSomebodyElseChangedMeanwhileRefusesTheWhole) {
  makeChanges();
  write("live", "changed", "theirs");
  auto done = commit();
  EXPECT_FALSE(done.committed);
  ASSERT_EQ(done.conflicts.size(), 1U);
  EXPECT_EQ(done.conflicts[0].path, "changed");
  EXPECT_EQ(live("changed"), "theirs");
  write("live", "changed", "before");
  write("live", "old/three", "3");  // a directory that is to go holds something new
  done = commit();
  ASSERT_FALSE(done.conflicts.empty());
  EXPECT_THAT(done.conflicts[0].why, HasSubstr("three"));
  fs::remove(path("live", "old/three"));
  write("live", "sub/more", "theirs");  // made by both
  EXPECT_FALSE(commit().committed);
  EXPECT_EQ(live("sub/more"), "theirs");
  fs::remove(path("live", "sub/more"));
  EXPECT_TRUE(isBefore());
}

TEST_F(OverlayLayers, WhatIsNoFileDirectoryOrInnerLinkIsRefused) {
  write("upper", "fine", "fine");
  ASSERT_EQ(::mkfifo(path("upper", "pipe").c_str(), 0600), 0);
  write("upper", "setuid", "x");
  ASSERT_EQ(::chmod(path("upper", "setuid").c_str(), 04755), 0);
  fs::create_symlink("/etc/passwd", path("upper", "absolute"));
  fs::create_directories(path("upper", "sub"));
  fs::create_symlink("../../etc", path("upper", "sub/escaping"));
  fs::create_symlink("../same", path("upper", "sub/inside"));
  write("upper", "bad\nname", "x");
  write("upper", "bad\xff", "x");
  std::vector<std::string> refused;
  for (const auto& one : diff().refused) refused.push_back(one.path);
  EXPECT_THAT(refused,
              ::testing::UnorderedElementsAre("pipe", "setuid", "absolute", "sub/escaping", "bad\nname", "bad\xff"));
  auto done = commit();
  EXPECT_FALSE(done.committed);
  EXPECT_EQ(done.refused.size(), 6U);
  EXPECT_EQ(live("fine"), "(none)");
}

TEST_F(OverlayLayers, ADeviceAndAForeignMarkAreRefused) {
  if (::geteuid() == 0) ASSERT_EQ(::mknod(path("upper", "null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  write("upper", "redirected/x", "x");
  const std::string target = path("upper", "redirected");
  if (::setxattr(target.c_str(), "user.overlay.redirect", "/old", 4, 0) != 0)
    GTEST_SKIP() << "no user xattrs on this file system";
  std::vector<std::string> refused;
  for (const auto& one : diff().refused) refused.push_back(one.path);
  if (::geteuid() == 0) EXPECT_THAT(refused, ::testing::Contains("null"));
  EXPECT_THAT(refused, ::testing::Contains("redirected"));
}

// A link in the live tree is not followed out of it.
TEST_F(OverlayLayers, ALinkInTheLiveTreeLeadsNowhere) {
  fs::create_directories(dir_ + "/victim");
  write("upper", "sub/more", "more");
  fs::remove_all(path("live", "sub"));
  fs::create_directory_symlink(dir_ + "/victim", path("live", "sub"));
  auto done = commit();
  EXPECT_FALSE(done.committed);
  EXPECT_THAT(done.conflicts, ::testing::Not(IsEmpty()));
  EXPECT_FALSE(fs::exists(dir_ + "/victim/more"));
}

// Killed at each passage of each point, and called again: all or nothing, and nothing beside.
TEST_F(OverlayLayers, KilledAnywhereACommitIsGoneOnWith) {
  int kills = 0;
  for (const char* point : {"overlay.commit.journalled", "overlay.commit.staged", "overlay.commit.exchanged",
                            "overlay.commit.taken", "overlay.commit.applied", "overlay.commit.synced"}) {
    for (int passage : {1, 2, 4, 7, 11}) {
      TearDown();
      SetUp();
      makeChanges();
      if (!commitKilledAt(std::string(point) + ":" + std::to_string(passage))) break;
      ++kills;
      EXPECT_TRUE(commit().committed) << point << " " << passage;
      ASSERT_TRUE(isAfter()) << point << " " << passage;
    }
  }
  EXPECT_GT(kills, 12);
}

// Somebody writes while the commit lies dead; what they wrote stays, and the rest is taken back, killed there again
// too.
TEST_F(OverlayLayers, AConflictInTheMiddleTakesEverythingBack) {
  int kills = 0;
  for (int passage : {1, 4, 6, 9}) {
    for (const char* second : {"overlay.commit.turned", "overlay.commit.undone:1", "overlay.commit.undone:5", ""}) {
      TearDown();
      SetUp();
      makeChanges();
      if (!commitKilledAt("overlay.commit.applied:" + std::to_string(passage))) break;
      if (fs::exists(path("live", "sub/more"))) break;  // the last of them is done: nothing is left to clash
      write("live", "sub/more", "theirs");
      if (*second != '\0') kills += commitKilledAt(second) ? 1 : 0;
      auto done = commit();
      EXPECT_FALSE(done.committed) << passage << second;
      ASSERT_FALSE(done.conflicts.empty());
      EXPECT_EQ(done.conflicts[0].path, "sub/more");
      EXPECT_EQ(live("sub/more"), "theirs");
      fs::remove(path("live", "sub/more"));
      ASSERT_TRUE(isBefore()) << passage << " " << second;
    }
  }
  EXPECT_GT(kills, 4);
}

TEST_F(OverlayLayers, TheJobWritesItsAnswer) {
  makeChanges();
  ASSERT_EQ(runOverlayJob({"diff", dir_, "1", "maker.abcdef"}), 0);
  auto answer = parseJson(*readPath(dir_ + "/state/result.json"));
  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer)["mounts"][0]["changes"].size(), 11U);
  EXPECT_TRUE(isBefore());
  ASSERT_EQ(runOverlayJob({"commit", dir_, "1", "maker.abcdef"}), 0);
  answer = parseJson(*readPath(dir_ + "/state/result.json"));
  EXPECT_EQ((*answer)["committed"], true);
  EXPECT_TRUE(isAfter());
  EXPECT_NE(runOverlayJob({"commit", dir_, "0", "x"}), 0);
  EXPECT_NE(runOverlayJob({"erase", dir_, "1", "x"}), 0);
}

}  // namespace
}  // namespace agentos::runner
