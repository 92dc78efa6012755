// SPDX-License-Identifier: Apache-2.0
#include "base/sqlite.h"

#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "scratch_directory.h"

namespace agentos {
namespace {

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
