// SPDX-License-Identifier: Apache-2.0
#include "govern/audit_log.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "govern/line.h"
#include "log_fixture.h"

namespace {
int failingSyncs = 0;
}
// Stands before libc's: a disk that says EIO.
extern "C" int fdatasync(int fd) {
  if (failingSyncs > 0) return --failingSyncs, errno = EIO, -1;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace agentos::govern {
namespace {

using AuditLogTest = LogTest;
using ::testing::HasSubstr;

TEST_F(AuditLogTest, StartsAtOneAndChains) {
  auto log = openLog();
  EXPECT_EQ(log->head().sequence, 0U);
  auto first = log->append({.kind = "daemon.started", .actor = "agentd"});
  auto second = log->append({.kind = "task.created", .actor = "uid:0"});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->sequence, 1U);
  EXPECT_EQ(first->previous, zeroHash());
  EXPECT_EQ(second->previous, first->hash);
  EXPECT_EQ(log->head().hash, second->hash);
  EXPECT_EQ(linesOf(path()).size(), 2U);
}

TEST_F(AuditLogTest, GoesOnWhereItStoppedAfterReopening) {
  fill(*openLog(), 3);
  auto log = openLog();
  EXPECT_EQ(log->head().sequence, 3U);
  fill(*log, 2);
  EXPECT_EQ(verify().events, 5U);
  EXPECT_EQ(verify().state, AuditVerdict::State::kUnanchored);
}

TEST_F(AuditLogTest, RotatesBySizeAndTheChainGoesOn) {
  {
    auto log = openLog(1000);
    fill(*log, 20);
  }
  auto log = openLog(1000);
  EXPECT_EQ(log->head().sequence, 20U);
  fill(*log, 20);
  auto verdict = verify();
  EXPECT_EQ(verdict.events, 40U);
  EXPECT_GT(verdict.files, 5U);
  EXPECT_TRUE(std::filesystem::exists(path("audit-000002.jsonl")));
}

TEST_F(AuditLogTest, ACutLineIsCutOffAndNoted) {
  fill(*openLog(), 3);
  auto lines = linesOf(path());
  put(path(), bytesOf(path()) + lines[0].substr(0, 50));
  auto log = openLog();
  EXPECT_EQ(log->head().sequence, 4U);
  auto entries = queryAudit(directory_, {.kind = "audit.cut"});
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 1U);
  EXPECT_EQ(entries->front().event.data["bytes"], 50);
  EXPECT_EQ(entries->front().event.data["file"], "audit-000001.jsonl");
  EXPECT_EQ(verify().events, 4U);
}

TEST_F(AuditLogTest, AFileWithNothingButACutLineSendsItToTheOneBefore) {
  fill(*openLog(), 3);
  put(path("audit-000002.jsonl"), "{\"actor\":");
  auto log = openLog();
  EXPECT_EQ(log->head().sequence, 4U);
  fill(*log, 1);
  EXPECT_EQ(verify().events, 5U);
}

TEST_F(AuditLogTest, AnEmptyLastFileOfACrashInRotationIsUsed) {
  fill(*openLog(), 3);
  put(path("audit-000002.jsonl"), "");
  fill(*openLog(), 1);
  EXPECT_EQ(linesOf(path("audit-000002.jsonl")).size(), 1U);
  EXPECT_EQ(verify().events, 4U);
}

TEST_F(AuditLogTest, ReadsOnlyTheEndWhenItOpens) {
  fill(*openLog(), 2000);
  auto bytes = bytesOf(path());
  std::fill(bytes.begin(), bytes.begin() + static_cast<long>(bytes.size() / 2), 'x');
  put(path(), bytes);
  EXPECT_EQ(openLog()->head().sequence, 2000U);
  EXPECT_EQ(verify().state, AuditVerdict::State::kBroken);
}

TEST_F(AuditLogTest, DoesNotBuildOnAChangedLastLine) {
  fill(*openLog(), 3);
  auto bytes = bytesOf(path());
  bytes[bytes.size() - 10] ^= 1;
  put(path(), bytes);
  auto log = AuditLog::open(directory_, clock_);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kAuditBroken);
  EXPECT_THAT(log.error().message(), HasSubstr("audit-000001.jsonl"));
}

TEST_F(AuditLogTest, NoticesAnotherWriterAndARemovedFile) {
  auto log = openLog();
  fill(*log, 3);
  auto whole = bytesOf(path());
  std::ofstream(path(), std::ios::app) << "x";
  EXPECT_EQ(log->append({.kind = "a"}).error().code, ErrorCode::kAuditBroken);
  put(path(), whole);
  ASSERT_TRUE(log->reopen());
  fill(*log, 1);
  std::filesystem::remove(path());
  EXPECT_EQ(log->append({.kind = "a"}).error().code, ErrorCode::kAuditBroken);
  EXPECT_EQ(log->reopen().error().code, ErrorCode::kAuditBroken);
  EXPECT_FALSE(log->append({.kind = "a"}));
}

TEST_F(AuditLogTest, AMistakeOfTheCallerStopsNothing) {
  auto log = openLog();
  EXPECT_FALSE(log->append({.kind = "a", .data = {{"ratio", 0.5}}}));
  fill(*log, 1);
  EXPECT_EQ(log->head().sequence, 1U);
}

TEST_F(AuditLogTest, SoonIsInOrderAndInTheFileAtOnce) {
  auto log = openLog();
  ASSERT_TRUE(log->appendSoon({.kind = "a"}));
  ASSERT_TRUE(log->appendSoon({.kind = "b"}));
  ASSERT_TRUE(log->append({.kind = "c"}));
  ASSERT_TRUE(log->appendSoon({.kind = "d"}));
  ASSERT_TRUE(log->sync());
  auto entries = queryAudit(directory_, {});
  ASSERT_TRUE(entries);
  std::string kinds;
  for (const auto& entry : *entries) kinds += entry.event.kind;
  EXPECT_EQ(kinds, "abcd");
}

// A file-size limit makes the kernel take part of a write and refuse the rest, as a full disk does.
TEST_F(AuditLogTest, AWriteThatStopsHalfWayLeavesNothingOfIt) {
  auto log = openLog();
  fill(*log, 3);
  auto before = bytesOf(path());
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{}, tight{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  tight = {before.size() + 60, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &tight);
  auto refused = log->append({.kind = "too.much"});
  auto still = log->append({.kind = "too.much"});
  auto reopened = log->reopen();
  ::setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_FALSE(refused);
  ASSERT_FALSE(still);
  EXPECT_THAT(still.error().message(), HasSubstr("takes no events"));
  EXPECT_FALSE(reopened);  // the limit still stands: the note of reopening does not fit either
  EXPECT_EQ(bytesOf(path()), before);

  ASSERT_TRUE(log->reopen());
  fill(*log, 1);
  EXPECT_EQ(log->head().sequence, 5U);  // 3, audit.reopened, 1
  EXPECT_EQ(verify().events, 5U);
  auto note = queryAudit(directory_, {.kind = "audit.reopened"});
  ASSERT_TRUE(note);
  ASSERT_EQ(note->size(), 1U);
  EXPECT_EQ(note->front().event.data["refused"], 1);
}

TEST_F(AuditLogTest, AFailedSyncIsNotRetriedOnTheSameFileAndLosesNothingThatWasTaken) {
  auto log = openLog();
  fill(*log, 2);
  ASSERT_TRUE(log->appendSoon({.kind = "soon.1"}));
  ASSERT_TRUE(log->appendSoon({.kind = "soon.2"}));
  failingSyncs = 1;
  EXPECT_FALSE(log->append({.kind = "refused"}));
  EXPECT_FALSE(log->append({.kind = "refused"}));
  EXPECT_EQ(log->head().sequence, 4U);
  failingSyncs = 1;
  EXPECT_FALSE(log->reopen());  // still sick
  ASSERT_TRUE(log->reopen());
  fill(*log, 1);
  EXPECT_EQ(linesOf(path()).size(), 2U);  // what was not durable went to a file of its own
  std::string kinds;
  for (const auto& entry : *queryAudit(directory_, {})) kinds += entry.event.kind + " ";
  EXPECT_EQ(kinds, "test.step test.step soon.1 soon.2 audit.reopened test.step ");
  EXPECT_EQ(verify().events, 6U);
}

TEST_F(AuditLogTest, AFullDiskIsNamedAndNothingIsLost) {
  std::filesystem::create_directory(directory_);
  if (::mount("none", directory_.c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "mounting a small disk needs root";
  auto log = openLog();
  Result<AuditEntry> last = log->append({.kind = "first"});
  std::uint64_t taken = 0;
  while ((last = log->append({.kind = "fill", .data = {{"text", std::string(1000, 'x')}}})) && taken < 1000) ++taken;
  EXPECT_EQ(last.error().code, ErrorCode::kDiskFull) << last.error().message();
  EXPECT_EQ(log->reopen().error().code, ErrorCode::kDiskFull);
  EXPECT_EQ(verify().events, taken + 1);
  EXPECT_EQ(::mount("none", directory_.c_str(), "tmpfs", MS_REMOUNT, "size=1m"), 0);
  EXPECT_TRUE(log->reopen());
  fill(*log, 3);
  EXPECT_EQ(verify().events, taken + 1 + 1 + 3);
  log.reset();
  ::umount2(directory_.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace agentos::govern
