// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/fault.h"
#include "base/walk_beneath.h"
#include "scratch_directory.h"

namespace agentos {
namespace {

using test::ScratchDirectory;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(OpenBeneath, StaysBeneathItsDirectory) {
  ScratchDirectory dir;
  ASSERT_TRUE(makeDirectoriesBeneath(dir.fd(), "inner/deep", 0755));
  ASSERT_EQ(::symlink("/etc", (dir.path() + "/inner/link").c_str()), 0);
  ASSERT_EQ(::symlink("deep", (dir.path() + "/inner/near").c_str()), 0);
  auto inner = openBeneath(dir.fd(), "inner", O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(inner);
  EXPECT_TRUE(openBeneath(inner->get(), "deep", O_RDONLY | O_DIRECTORY));
  for (const char* path : {"..", "../inner", "/etc/passwd", "link/passwd", "deep/../../..", "near"}) {
    auto opened = openBeneath(inner->get(), path, O_RDONLY);
    ASSERT_FALSE(opened) << path;
    EXPECT_EQ(opened.error().code, ErrorCode::kPathEscapes) << path;
  }
}

// What a room does instead of openat2 answers as openat2 does, name by name and flag by flag.
TEST(WalkBeneath, AgreesWithTheKernel) {
  ScratchDirectory dir;
  ASSERT_TRUE(makeDirectoriesBeneath(dir.fd(), "inner/deep/er", 0755));
  auto inner = openBeneath(dir.fd(), "inner", O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(inner);
  ASSERT_TRUE(replaceFile(inner->get(), "file", "x"));
  ASSERT_EQ(::symlinkat("/etc", inner->get(), "out"), 0);
  ASSERT_EQ(::symlinkat("deep", inner->get(), "near"), 0);
  ASSERT_EQ(::symlinkat("file", inner->get(), "to-file"), 0);
  for (const char* path : {"",
                           ".",
                           "/",
                           "./",
                           "..",
                           "../inner",
                           "file",
                           "./file",
                           "file/",
                           "file/.",
                           "file/..",
                           "deep",
                           "deep/",
                           "deep/er",
                           "deep//er/.",
                           "deep/..",
                           "deep/../file",
                           "deep/../..",
                           "deep/../../inner",
                           "deep/er/../../file",
                           "/etc/passwd",
                           "out",
                           "out/passwd",
                           "near",
                           "near/",
                           "near/er",
                           "near/..",
                           "to-file",
                           "none",
                           "none/file",
                           "deep/none",
                           "to-file/x"}) {
    for (int flags :
         {O_RDONLY, O_RDONLY | O_DIRECTORY, O_PATH, O_PATH | O_NOFOLLOW, O_PATH | O_DIRECTORY, O_WRONLY | O_NOFOLLOW}) {
      SCOPED_TRACE(std::string(path) + " " + std::to_string(flags));
      auto kernel = openBeneath(inner->get(), path, flags);
      Fd walked = walkBeneath(inner->get(), path, flags, 0);
      const int error = walked ? 0 : errno;
      ASSERT_EQ(static_cast<bool>(kernel), static_cast<bool>(walked)) << error;
      if (kernel) {
        EXPECT_EQ(stampOf(kernel->get()).value(), stampOf(walked.get()).value());
      } else {
        EXPECT_EQ(kernel.error().code == ErrorCode::kPathEscapes, error == EXDEV || error == ELOOP) << error;
      }
    }
  }
  Fd made = walkBeneath(inner->get(), "deep/new", O_WRONLY | O_CREAT | O_EXCL, 0640);
  ASSERT_TRUE(made);
  EXPECT_FALSE(walkBeneath(inner->get(), "deep/new", O_WRONLY | O_CREAT | O_EXCL, 0640));
  EXPECT_EQ(errno, EEXIST);
}

TEST(MakeDirectoriesBeneath, RefusesToWalkOut) {
  ScratchDirectory dir;
  ASSERT_TRUE(makeDirectoriesBeneath(dir.fd(), "a", 0755));
  auto inner = openBeneath(dir.fd(), "a", O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(inner);
  auto made = makeDirectoriesBeneath(inner->get(), "../b", 0755);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kPathEscapes);
  EXPECT_NE(::access((dir.path() + "/b").c_str(), F_OK), 0);
}

TEST(ReplaceFile, ReplacesAndLeavesNothingBeside) {
  ScratchDirectory dir;
  ASSERT_TRUE(replaceFile(dir.fd(), "x", "one"));
  ASSERT_TRUE(replaceFile(dir.fd(), "x", "two"));
  EXPECT_EQ(readFile(dir.fd(), "x").value(), "two");
  EXPECT_THAT(listDirectory(dir.fd()).value(), ElementsAre("x"));
}

TEST(CreateFile, NeverReplaces) {
  ScratchDirectory dir;
  ASSERT_TRUE(createFile(dir.fd(), "x", "one"));
  auto again = createFile(dir.fd(), "x", "two");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kExists);
  EXPECT_EQ(readFile(dir.fd(), "x").value(), "one");
  EXPECT_THAT(listDirectory(dir.fd()).value(), ElementsAre("x"));
}

TEST(RewriteFile, WritesOnlyOverWhatWasRead) {
  ScratchDirectory dir;
  ASSERT_TRUE(replaceFile(dir.fd(), "x", "one"));
  auto seen = readStamped(dir.fd(), "x");
  ASSERT_TRUE(seen);
  EXPECT_TRUE(rewriteFile(dir.fd(), "x", "two", seen->stamp));
  EXPECT_EQ(readFile(dir.fd(), "x").value(), "two");
  auto stale = rewriteFile(dir.fd(), "x", "three", seen->stamp);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, ErrorCode::kConflict);
  EXPECT_EQ(readFile(dir.fd(), "x").value(), "two");
  EXPECT_THAT(listDirectory(dir.fd()).value(), ElementsAre("x"));
}

TEST(RewriteFile, DoesNotBringBackAFileThatWasMoved) {
  ScratchDirectory dir;
  ASSERT_TRUE(replaceFile(dir.fd(), "x", "one"));
  auto seen = readStamped(dir.fd(), "x");
  ASSERT_TRUE(moveFile(dir.fd(), "x", dir.fd(), "y"));
  auto rewritten = rewriteFile(dir.fd(), "x", "two", seen->stamp);
  ASSERT_FALSE(rewritten);
  EXPECT_EQ(rewritten.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(listDirectory(dir.fd()).value(), ElementsAre("y"));
}

// Each of two writers adds its letters one by one, by compare and swap: none may be lost.
TEST(RewriteFile, LosesNoWriteOfTwo) {
  ScratchDirectory dir;
  ASSERT_TRUE(replaceFile(dir.fd(), "x", ""));
  constexpr int kEach = 50;
  auto writer = [&](char letter) {
    for (int done = 0; done < kEach;) {
      auto seen = readStamped(dir.fd(), "x");
      if (seen && rewriteFile(dir.fd(), "x", seen->bytes + letter, seen->stamp)) ++done;
    }
  };
  std::thread other(writer, 'a');
  writer('b');
  other.join();
  std::string all = readFile(dir.fd(), "x").value();
  EXPECT_EQ(std::ranges::count(all, 'a'), kEach) << all;
  EXPECT_EQ(std::ranges::count(all, 'b'), kEach) << all;
}

TEST(MoveFile, HasExactlyOneWinner) {
  ScratchDirectory dir;
  for (int round = 0; round < 200; ++round) {
    ASSERT_TRUE(replaceFile(dir.fd(), "task", "x"));
    std::atomic<int> wins{0};
    auto claim = [&](const char* as) {
      if (moveFile(dir.fd(), "task", dir.fd(), as, false)) ++wins;
    };
    std::thread other(claim, "mine");
    claim("yours");
    other.join();
    ASSERT_EQ(wins, 1);
    ::unlinkat(dir.fd(), "mine", 0);
    ::unlinkat(dir.fd(), "yours", 0);
  }
}

TEST(MoveFile, NeverReplaces) {
  ScratchDirectory dir;
  ASSERT_TRUE(replaceFile(dir.fd(), "a", "a"));
  ASSERT_TRUE(replaceFile(dir.fd(), "b", "b"));
  auto moved = moveFile(dir.fd(), "a", dir.fd(), "b");
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().code, ErrorCode::kExists);
  EXPECT_EQ(readFile(dir.fd(), "b").value(), "b");
}

TEST(ReadFile, IsBoundedAndTakesOnlyRegularFiles) {
  ScratchDirectory dir;
  ASSERT_TRUE(replaceFile(dir.fd(), "big", std::string(100, 'x')));
  EXPECT_EQ(readFile(dir.fd(), "big", 50).error().code, ErrorCode::kTooLarge);
  ASSERT_EQ(::mkfifoat(dir.fd(), "pipe", 0600), 0);
  EXPECT_EQ(readFile(dir.fd(), "pipe").error().code, ErrorCode::kIo);
  EXPECT_EQ(readFile(dir.fd(), "absent").error().code, ErrorCode::kNotFound);
}

TEST(LockPidFile, NamesTheHolder) {
  ScratchDirectory dir;
  auto held = lockPidFile(dir.fd(), "pid");
  ASSERT_TRUE(held);
  auto second = lockPidFile(dir.fd(), "pid");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyRunning);
  EXPECT_THAT(second.error().message(), HasSubstr("pid " + std::to_string(::getpid())));
  held->reset();
  EXPECT_TRUE(lockPidFile(dir.fd(), "pid"));
}

// A disk that is full in the middle of a write: a clear error, the old content, no temporary.
TEST(FullDisk, LeavesTheOldContent) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small tmpfs";
  ScratchDirectory dir;
  ASSERT_EQ(::mount("none", dir.path().c_str(), "tmpfs", 0, "size=64k"), 0);
  {
    Fd full = openDirectory(dir.path()).value();
    ASSERT_TRUE(replaceFile(full.get(), "x", "old"));
    auto stamp = stampOf(full.get(), "x").value();
    std::string tooMuch(200'000, 'y');
    for (const Result<void>& failed : {replaceFile(full.get(), "x", tooMuch), createFile(full.get(), "z", tooMuch),
                                       rewriteFile(full.get(), "x", tooMuch, stamp)}) {
      ASSERT_FALSE(failed);
      EXPECT_EQ(failed.error().code, ErrorCode::kDiskFull);
    }
    EXPECT_EQ(readFile(full.get(), "x").value(), "old");
    EXPECT_THAT(listDirectory(full.get()).value(), ElementsAre("x"));
  }
  ::umount2(dir.path().c_str(), MNT_DETACH);
}

TEST(ReadOnlyDirectory, IsNamed) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small tmpfs";
  ScratchDirectory dir;
  ASSERT_EQ(::mount("none", dir.path().c_str(), "tmpfs", MS_RDONLY, nullptr), 0);
  {
    Fd readOnly = openDirectory(dir.path()).value();
    EXPECT_EQ(replaceFile(readOnly.get(), "x", "y").error().code, ErrorCode::kReadOnly);
  }
  ::umount2(dir.path().c_str(), MNT_DETACH);
}

// Killed at each crash point of a replacement: the old or the new content, whole.
TEST(Crash, LeavesOldOrNewContent) {
  for (std::string point :
       {"files.replace.written", "files.replace.renamed", "files.rewrite.written", "files.rewrite.exchanged"}) {
    ScratchDirectory dir;
    ASSERT_TRUE(replaceFile(dir.fd(), "x", "old"));
    pid_t child = ::fork();
    if (child == 0) {
      armFault(point.c_str());
      auto stamp = stampOf(dir.fd(), "x").value();
      (void)(point.starts_with("files.rewrite") ? rewriteFile(dir.fd(), "x", "new", stamp)
                                                : replaceFile(dir.fd(), "x", "new"));
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << point;
    std::string content = readFile(dir.fd(), "x").value();
    EXPECT_EQ(content, point.ends_with("written") ? "old" : "new") << point;
  }
}

}  // namespace
}  // namespace agentos
