// SPDX-License-Identifier: Apache-2.0
#include "base/sqlite.h"

#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "scratch_directory.h"

namespace {
std::atomic<bool> syncFails = false;

int syncOr(long call, int fd) {
  if (!syncFails) return static_cast<int>(::syscall(call, fd));
  errno = EIO;
  return -1;
}
}  // namespace

// In the place of the library's, for SQLite's too: a disk that does not keep what it was given.
extern "C" int fsync(int fd) { return syncOr(SYS_fsync, fd); }
extern "C" int fdatasync(int fd) { return syncOr(SYS_fdatasync, fd); }

namespace agentos {
namespace {

struct FailingSync {
  FailingSync() { syncFails = true; }
  ~FailingSync() { syncFails = false; }
  FailingSync(const FailingSync&) = delete;
  FailingSync& operator=(const FailingSync&) = delete;
};

using test::ScratchDirectory;

TEST(Database, KeepsIntegersTextAndNull) {
  auto db = Database::open(":memory:").value();
  ASSERT_TRUE(db->execute("CREATE TABLE t (i, s, n)"));
  std::string binary("a\0b", 3);
  ASSERT_TRUE(
      db->prepare("INSERT INTO t VALUES (?1, ?2, ?3)").value().with(std::int64_t{1} << 60, binary, nullptr).run());
  auto row = db->prepare("SELECT i, s, n FROM t").value();
  ASSERT_TRUE(row.step().value());
  EXPECT_EQ(row.integer(0), std::int64_t{1} << 60);
  EXPECT_EQ(row.text(1), binary);
  EXPECT_TRUE(row.isNull(2));
  EXPECT_FALSE(row.step().value());
}

TEST(Transaction, RollsBackUnlessCommitted) {
  auto db = Database::open(":memory:").value();
  ASSERT_TRUE(db->execute("CREATE TABLE t (i)"));
  {
    auto transaction = Transaction::begin(*db).value();
    ASSERT_TRUE(db->execute("INSERT INTO t VALUES (1)"));
  }
  {
    auto transaction = Transaction::begin(*db).value();
    ASSERT_TRUE(db->execute("INSERT INTO t VALUES (2)"));
    ASSERT_TRUE(transaction.commit());
  }
  auto rows = db->prepare("SELECT i FROM t").value();
  ASSERT_TRUE(rows.step().value());
  EXPECT_EQ(rows.integer(0), 2);
  EXPECT_FALSE(rows.step().value());
}

TEST(Database, KeepsACommitThatReturnedThroughAKill) {
  ScratchDirectory dir;
  std::string path = dir.path() + "/t.db";
  pid_t child = ::fork();
  if (child == 0) {
    auto db = Database::open(path).value();
    (void)db->execute("CREATE TABLE t (i)");
    (void)db->execute("INSERT INTO t VALUES (1)");
    (void)db->execute("BEGIN; INSERT INTO t VALUES (2)");
    ::raise(SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  auto db = Database::open(path).value();
  auto rows = db->prepare("SELECT count(*), max(i) FROM t").value();
  ASSERT_TRUE(rows.step().value());
  EXPECT_EQ(rows.integer(0), 1);
  EXPECT_EQ(rows.integer(1), 1);
}

TEST(Database, NamesAFullDisk) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small tmpfs";
  ScratchDirectory dir;
  ASSERT_EQ(::mount("none", dir.path().c_str(), "tmpfs", 0, "size=256k"), 0);
  {
    auto db = Database::open(dir.path() + "/t.db").value();
    ASSERT_TRUE(db->execute("CREATE TABLE t (s)"));
    auto insert = db->prepare("INSERT INTO t VALUES (?1)").value();
    auto failed = insert.with(std::string(1 << 20, 'x')).run();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, ErrorCode::kDiskFull) << failed.error().message();
  }
  ::umount2(dir.path().c_str(), MNT_DETACH);
}

// A full disk is no lost disk: what could not be written was rolled back, and its caller told.
TEST(Database, GoesOnAfterAFullDisk) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small tmpfs";
  ScratchDirectory dir;
  ASSERT_EQ(::mount("none", dir.path().c_str(), "tmpfs", 0, "size=256k"), 0);
  {
    auto db = Database::open(dir.path() + "/t.db").value();
    int lost = 0;
    db->whenLost([&](const Error&) { ++lost; });
    ASSERT_TRUE(db->execute("CREATE TABLE t (s)"));
    EXPECT_FALSE(db->prepare("INSERT INTO t VALUES (?1)").value().with(std::string(1 << 20, 'x')).run());
    EXPECT_TRUE(db->execute("INSERT INTO t VALUES ('small')"));
    EXPECT_EQ(lost, 0);
  }
  auto again = Database::open(dir.path() + "/t.db").value();
  auto rows = again->prepare("SELECT group_concat(s) FROM t").value();
  ASSERT_TRUE(rows.step().value());
  EXPECT_EQ(rows.text(0), "small");
  ::umount2(dir.path().c_str(), MNT_DETACH);
}

TEST(Database, TellsOfACommitThatWasNotSynced) {
  ScratchDirectory dir;
  auto db = Database::open(dir.path() + "/t.db").value();
  std::vector<std::string> lost;
  db->whenLost([&](const Error& error) { lost.push_back(error.message()); });
  ASSERT_TRUE(db->execute("CREATE TABLE t (i)"));
  {
    FailingSync failing;
    EXPECT_FALSE(db->execute("INSERT INTO t VALUES (1)"));
    EXPECT_EQ(lost.size(), 1U);
    auto insert = db->prepare("INSERT INTO t VALUES (?1)").value();
    EXPECT_FALSE(insert.with(2).run());
    EXPECT_EQ(lost.size(), 2U) << "of a prepared statement too";
  }
  ASSERT_EQ(lost.size(), 2U);
  EXPECT_THAT(lost[0], testing::HasSubstr("INSERT INTO t"));
}

// Relaxed commits sync nothing, but a log that is long is moved into the database meanwhile, and SQLite would keep to
// itself that this failed.
TEST(Database, TellsOfACheckpointThatWasNotSynced) {
  ScratchDirectory dir;
  auto db = Database::open(dir.path() + "/t.db").value();
  int lost = 0;
  db->whenLost([&](const Error&) { ++lost; });
  ASSERT_TRUE(db->execute("CREATE TABLE t (s)"));
  RelaxedCommits relaxed(*db);
  auto insert = db->prepare("INSERT INTO t VALUES (?1)").value();
  FailingSync failing;
  EXPECT_TRUE(insert.with(std::string(100 << 10, 'x')).run());
  EXPECT_EQ(lost, 0) << "nothing was synced yet";
  EXPECT_TRUE(insert.with(std::string(8 << 20, 'x')).run());
  EXPECT_EQ(lost, 1);
}

// What the log's pages say may be in the kernel's memory only: the database has it before anybody hears of it.
TEST(Database, OpensWithNothingLeftInTheLog) {
  ScratchDirectory dir;
  const std::string path = dir.path() + "/t.db";
  const pid_t child = ::fork();
  if (child == 0) {
    auto db = Database::open(path).value();
    (void)db->execute("CREATE TABLE t (i); INSERT INTO t VALUES (1)");
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  ASSERT_GT(std::filesystem::file_size(path + "-wal"), 0U);
  {
    FailingSync failing;
    EXPECT_FALSE(Database::open(path)) << "a log that cannot be made durable is not read as if it were";
  }
  auto db = Database::open(path).value();
  EXPECT_EQ(std::filesystem::file_size(path + "-wal"), 0U);
  auto rows = db->prepare("SELECT i FROM t").value();
  EXPECT_TRUE(rows.step().value());
}

TEST(Database, RelaxedCommitsAreWaitedForAgainAfterwards) {
  ScratchDirectory dir;
  auto db = Database::open(dir.path() + "/t.db").value();
  const auto synchronous = [&] {
    auto pragma = db->prepare("PRAGMA synchronous").value();
    EXPECT_TRUE(pragma.step().value());
    return pragma.integer(0);
  };
  ASSERT_EQ(synchronous(), 2) << "FULL";
  {
    RelaxedCommits relaxed(*db);
    EXPECT_EQ(synchronous(), 1) << "NORMAL";
    ASSERT_TRUE(db->execute("CREATE TABLE t (i); INSERT INTO t VALUES (1)"));
  }
  EXPECT_EQ(synchronous(), 2);
}

TEST(Database, SaysWhatWasWrongWithAStatement) {
  auto db = Database::open(":memory:").value();
  EXPECT_THAT(db->execute("SELEKT").error().message(), testing::HasSubstr("SELEKT"));
  ASSERT_TRUE(db->execute("CREATE TABLE t (i UNIQUE); INSERT INTO t VALUES (1)"));
  EXPECT_EQ(db->execute("INSERT INTO t VALUES (1)").error().code, ErrorCode::kConflict);
}

}  // namespace
}  // namespace agentos
