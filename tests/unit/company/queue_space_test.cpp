// SPDX-License-Identifier: Apache-2.0
// A full disk and a read-only company: said clearly, nothing half made. Each on a small tmpfs of its own.
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "fixture.h"

namespace agentos::company {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using enum TaskStatus;

class QueueSpace : public QueueTest {
 protected:
  void SetUp() override {
    if (::unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "needs CAP_SYS_ADMIN to mount a small file system";
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    std::filesystem::create_directory(companyPath());
    ASSERT_EQ(::mount("tmpfs", companyPath().c_str(), "tmpfs", 0, "size=1m"), 0);
    QueueTest::SetUp();
  }
  void TearDown() override {
    queue.reset(), db.reset(), company.reset();
    ::umount2(companyPath().c_str(), MNT_DETACH);
  }
  void fill() {
    std::ofstream filler(companyPath() + "/filler", std::ios::binary);
    const std::string block(4096, 'x');
    while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void empty() { std::filesystem::remove(companyPath() + "/filler"); }
  void remount(unsigned long flags) {
    ASSERT_EQ(::mount("none", companyPath().c_str(), nullptr, MS_REMOUNT | flags, "size=1m"), 0) << errno;
  }
  // Nothing but records: no temporary file, no reason without its file.
  void expectClean() {
    for (const TaskStatus status : kAllTaskStatuses) {
      for (const std::string& name : names(status))
        EXPECT_TRUE(name.starts_with("task-") && name.ends_with(".md")) << name;
    }
  }
};

TEST_F(QueueSpace, AFullDiskRefusesEveryStepAndLosesNothing) {
  const TaskId running = add("running"), waiting = add("waiting");
  const Claim held = claim(running);
  fill();
  EXPECT_CODE(queue->add({.title = "no room", .idempotencyKey = "k"}), ErrorCode::kDiskFull);
  EXPECT_CODE(queue->claim(waiting, instance("maker.bbbbbb")), ErrorCode::kDiskFull);
  EXPECT_CODE(queue->complete(held, "success", {}, {}), ErrorCode::kDiskFull);
  EXPECT_CODE(queue->failAttempt(held, "x", {}), ErrorCode::kDiskFull);
  EXPECT_CODE(queue->move(waiting, kBacklog, "human", ""), ErrorCode::kDiskFull);
  EXPECT_THAT(names(kQueued), ElementsAre(waiting.str() + ".md"));
  EXPECT_THAT(names(kInProgress), ElementsAre(running.str() + ".md"));
  EXPECT_EQ(queue->claimOf(waiting).value(), std::nullopt);
  EXPECT_EQ(queue->claimOf(running).value()->epoch, held.epoch);
  expectClean();
  empty();
  EXPECT_EQ(nextFor("maker"), waiting);  // everything works again, without a restart
  ASSERT_OK(queue->complete(held, "success", {}, {}));
  EXPECT_EQ(add("room", {.idempotencyKey = "k"}).empty(), false);
  EXPECT_EQ(claim(waiting).epoch, 2);
  ASSERT_OK(queue->recover([](const InstanceId&) { return true; }));
  EXPECT_EQ(statusOf(running), kDone);
  EXPECT_EQ(statusOf(waiting), kInProgress);
}

TEST_F(QueueSpace, AReadOnlyCompanyIsNamed) {
  const TaskId running = add("running"), waiting = add("waiting");
  const Claim held = claim(running);
  spill(pathOf(kQueued, "task-2026-1101-001.md"), "malformed");
  queue.reset(), company.reset();
  remount(MS_RDONLY);
  const auto refused = Company::open(companyPath());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kReadOnly);
  EXPECT_NE(refused.error().remedy.find("remount,rw"), std::string::npos) << refused.error().message();
  EXPECT_EQ(refused.error().message().find("chgrp"), std::string::npos) << "permissions mend nothing here";
  remount(0);
  openAll();
  remount(MS_RDONLY);
  EXPECT_CODE(queue->add({.title = "x"}), ErrorCode::kReadOnly);
  EXPECT_CODE(queue->claim(waiting, instance("maker.bbbbbb")), ErrorCode::kReadOnly);
  EXPECT_CODE(queue->complete(held, "success", {}, {}), ErrorCode::kReadOnly);
  EXPECT_CODE(queue->move(waiting, kDeclined, "human", ""), ErrorCode::kReadOnly);
  events.clear();
  for (int i = 0; i < 3; ++i) {
    clock.advance(std::chrono::seconds(3));
    refresh();
  }
  EXPECT_EQ(kinds().size(), 1U);  // what cannot be quarantined is told once
  remount(0);
  ASSERT_OK(queue->complete(held, "success", {}, {}));
  EXPECT_EQ(claim(waiting).epoch, 2);
}

TEST_F(QueueSpace, AFullDatabaseRefusesBeforeAnyFileIsTouched) {
  const TaskId running = add("running"), waiting = add("waiting");
  const Claim held = claim(running);
  ASSERT_OK(db->execute("CREATE TABLE ballast(x)"));
  ASSERT_OK(db->execute("PRAGMA max_page_count = 1"));  // SQLite keeps at least what there is
  while (db->execute("INSERT INTO ballast VALUES(randomblob(200))")) {
  }
  const auto before = slurp(pathOf(kInProgress, running));
  const auto done = queue->complete(held, "success", {std::string(8000, 'x'), "", "", "", ""}, {});
  EXPECT_CODE(done, ErrorCode::kDiskFull);
  EXPECT_EQ(slurp(pathOf(kInProgress, running)), before);
  EXPECT_THAT(names(kQueued), ElementsAre(waiting.str() + ".md"));
  ASSERT_OK(db->execute("PRAGMA max_page_count = 100000"));
  ASSERT_OK(queue->complete(held, "success", {}, {}));
}

}  // namespace
}  // namespace agentos::company
