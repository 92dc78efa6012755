// SPDX-License-Identifier: Apache-2.0
// People who move and edit files while agentd runs, and files that are no tasks.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

namespace agentos::company {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using namespace std::chrono_literals;
using enum TaskStatus;

class QueueOutside : public QueueTest {
 protected:
  std::string quarantined(const std::string& name) { return companyPath() + "/operations/quarantine/" + name; }
};

TEST_F(QueueOutside, AFileThatAppearsIsServed) {
  const TaskId id = write("task-2026-1101-001");
  refresh();
  EXPECT_EQ(nextFor("maker"), id);
  EXPECT_THAT(kinds(), ElementsAre("task.appeared"));
  refresh();
  EXPECT_THAT(kinds(), IsEmpty());
}

TEST_F(QueueOutside, MovesAndEditsAreFollowedAndTold) {
  const TaskId id = add("x");
  kinds();
  mv(id, kQueued, kBacklog);
  ASSERT_OK(queue->refresh(kQueued));  // one directory is enough to find where it went
  EXPECT_EQ(nextFor("maker"), std::nullopt);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].actor, "external");
  EXPECT_THAT(events[0].detail, HasSubstr("queued → backlog (uid "));
  EXPECT_THAT(kinds(), ElementsAre("task.moved_outside"));
  mv(id, kBacklog, kQueued);
  ASSERT_OK(queue->refreshFile(kQueued, id.str() + ".md"));
  EXPECT_EQ(nextFor("maker"), id);
  EXPECT_THAT(kinds(), ElementsAre("task.moved_outside"));
  std::string text = slurp(pathOf(kQueued, id));
  text.replace(text.find("priority: medium"), 16, "priority: critical");
  spill(pathOf(kQueued, id), text);
  ASSERT_OK(queue->refreshFile(kQueued, id.str() + ".md"));
  EXPECT_THAT(kinds(), ElementsAre("task.edited_outside"));
  EXPECT_EQ(queue->list(kQueued).value()[0].priority, Priority::kCritical);
  std::filesystem::remove(pathOf(kQueued, id));
  refresh();
  EXPECT_THAT(kinds(), ElementsAre("task.moved_outside"));
  EXPECT_CODE(queue->find(id), ErrorCode::kNotFound);
}

TEST_F(QueueOutside, OurOwnChangesAreNotOutside) {
  const TaskId id = add("x");
  const Claim held = claim(id);
  refresh();
  ASSERT_OK(queue->failAttempt(held, "x", {}));
  refresh();
  EXPECT_THAT(kinds(), ElementsAre("task.created", "task.claimed", "task.requeued"));
}

TEST_F(QueueOutside, TakingARunningTaskAwayEndsItsClaim) {
  const TaskId id = add("x");
  const Claim held = claim(id);
  mv(id, kInProgress, kQueued);
  EXPECT_CODE(queue->complete(held, "success", {}, {}), ErrorCode::kTaskStaleEpoch);  // noticed though nobody refreshed
  EXPECT_EQ(events.back().kind, "task.moved_outside");
  EXPECT_EQ(events.back().holder, held.holder.str());
  EXPECT_EQ(queue->claimOf(id).value(), std::nullopt);
  const Claim second = claim(id);
  EXPECT_EQ(second.epoch, 2);
  mv(id, kInProgress, kDone);
  refresh();
  EXPECT_CODE(queue->release(second, "x", {}), ErrorCode::kTaskStaleEpoch);
  EXPECT_EQ(statusOf(id), kDone);
}

TEST_F(QueueOutside, WhoeverLosesTheRenameHasLost) {
  const TaskId id = add("x");
  mv(id, kQueued, kDeclined);  // nobody told the queue
  EXPECT_EQ(queue->claim(id, instance("maker.aaaaaa")).value(), std::nullopt);
  EXPECT_EQ(statusOf(id), kDeclined);
  EXPECT_EQ(queue->claimOf(id).value(), std::nullopt);
  const TaskId given = add("y");
  std::string text = slurp(pathOf(kQueued, given));
  text.replace(text.find("created_by"), 0, "assigned_to: grower\n");
  spill(pathOf(kQueued, given), text);  // given to somebody else, nobody told the queue
  EXPECT_EQ(queue->claim(given, instance("maker.aaaaaa")).value(), std::nullopt);
  EXPECT_EQ(statusOf(given), kQueued);
  EXPECT_EQ(nextFor("maker"), std::nullopt);
  EXPECT_EQ(nextFor("grower"), given);
}

TEST_F(QueueOutside, EditsBetweenClaimAndCompleteAreKept) {
  const TaskId id = add("x");
  const Claim held = claim(id);
  std::string text = slurp(pathOf(kInProgress, id));
  text.replace(text.find("title: x"), 8, "title: better\nmine: 1 # note");
  text += "A person's line.\n";
  spill(pathOf(kInProgress, id), text);  // no refresh
  ASSERT_OK(queue->complete(held, "success", {}, {}));
  const std::string done = slurp(pathOf(kDone, id));
  EXPECT_THAT(done, HasSubstr("title: better\nmine: 1 # note\n"));
  EXPECT_TRUE(done.ends_with("A person's line.\n"));
  EXPECT_EQ(queue->find(id)->title, "better");
}

TEST_F(QueueOutside, AnEditorThatReplacesTheFileLosesNothing) {
  const TaskId id = add("x");
  const Claim held = claim(id);
  const std::string path = pathOf(kInProgress, id);
  spill(path + "~", slurp(path) + "By vim.\n");
  std::filesystem::rename(path + "~", path);
  ASSERT_OK(queue->failAttempt(held, "x", {}));
  EXPECT_TRUE(slurp(pathOf(kQueued, id)).ends_with("By vim.\n"));
}

TEST_F(QueueOutside, AMalformedFileIsQuarantinedOnceAndDelaysNobody) {
  spill(pathOf(kQueued, "task-2026-1101-001.md"), "---\ntitle: [\n---\nprecious\xFF");
  const TaskId good = write("task-2026-1101-002");
  const auto again = queue->refresh(std::nullopt);
  ASSERT_OK(again);
  EXPECT_EQ(nextFor("maker"), good);  // in the same cycle
  EXPECT_EQ(*again, clock.bootNow() + 2s);
  EXPECT_THAT(kinds(), ElementsAre("task.appeared"));
  clock.advance(1999ms);
  EXPECT_TRUE(queue->refresh(std::nullopt).value());
  EXPECT_THAT(kinds(), IsEmpty());
  clock.advance(1ms);
  EXPECT_EQ(queue->refresh(std::nullopt).value(), std::nullopt);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].file, "task-2026-1101-001.md");
  EXPECT_THAT(events[0].detail, HasSubstr("task-2026-1101-001.md:"));
  EXPECT_THAT(kinds(), ElementsAre("task.quarantined"));
  EXPECT_EQ(slurp(quarantined("task-2026-1101-001.md")), "---\ntitle: [\n---\nprecious\xFF");
  EXPECT_THAT(slurp(quarantined("task-2026-1101-001.md.reason")), HasSubstr("task-2026-1101-001.md:"));
  refresh();
  EXPECT_THAT(kinds(), IsEmpty());
}

TEST_F(QueueOutside, AFileThatIsStillBeingWrittenIsNotTouched) {
  const std::string path = pathOf(kQueued, "task-2026-1101-001.md");
  for (const char* text : {"", "---\n", "---\ntitle: x\n"}) {
    spill(path, text);
    refresh();
    clock.advance(1500ms);
    refresh();
  }
  spill(path, "---\ntitle: x\n---\n");
  refresh();
  EXPECT_EQ(nextFor("maker"), taskId("task-2026-1101-001"));
  EXPECT_THAT(kinds(), ElementsAre("task.appeared"));
}

TEST_F(QueueOutside, TheClockBeingSetForwardQuarantinesNothing) {
  spill(pathOf(kQueued, "task-2026-1101-001.md"), "half");
  refresh();
  clock.jump(at("2027-01-01T00:00:00Z"));
  refresh();
  EXPECT_THAT(names(kQueued), ElementsAre("task-2026-1101-001.md"));
}

TEST_F(QueueOutside, OnlyRecordsAreLookedAt) {
  for (const char* name : {".task-2026-1101-001.md.swp", "task-2026-1101-001.md~", "#task-2026-1101-001.md#", "4913",
                           "README.md", ".#task-2026-1101-001.md", "task-2026-1101-001.md.bak"}) {
    spill(pathOf(kQueued, name), "x");
  }
  std::filesystem::create_directory(pathOf(kQueued, "notes"));
  refresh();
  clock.advance(1h);
  refresh();
  EXPECT_THAT(kinds(), IsEmpty());
  EXPECT_EQ(names(kQueued).size(), 7U);
  spill(pathOf(kQueued, "task-1.md"), "---\ntitle: meant to be one\n---\n");
  refresh();
  clock.advance(2s);
  refresh();
  EXPECT_THAT(kinds(), ElementsAre("task.quarantined"));
}

TEST_F(QueueOutside, LinksPipesAndDirectoriesAreNoTasks) {
  spill(temp.path() + "/secret", "---\ntitle: secret\n---\n");
  std::filesystem::create_symlink(temp.path() + "/secret", pathOf(kQueued, "task-2026-1101-001.md"));
  ASSERT_EQ(::mkfifo(pathOf(kQueued, "task-2026-1101-002.md").c_str(), 0660), 0);
  std::filesystem::create_directory(pathOf(kQueued, "task-2026-1101-003.md"));
  const TaskId good = write("task-2026-1101-004");
  refresh();
  EXPECT_EQ(nextFor("maker"), good);
  clock.advance(2s);
  refresh();
  EXPECT_THAT(names(kQueued), ElementsAre("task-2026-1101-004.md"));
  EXPECT_EQ(slurp(temp.path() + "/secret"), "---\ntitle: secret\n---\n");
}

TEST_F(QueueOutside, ACopyInTwoDirectoriesIsServedOnce) {
  const TaskId id = add("x");
  const Claim held = claim(id);
  std::filesystem::copy_file(pathOf(kInProgress, id), pathOf(kQueued, id));
  refresh();
  EXPECT_EQ(nextFor("grower"), std::nullopt);
  clock.advance(2s);
  refresh();
  EXPECT_EQ(events.back().kind, "task.quarantined");
  EXPECT_THAT(events.back().detail, HasSubstr("is there twice: the one in in-progress/ is kept"));
  ASSERT_OK(queue->complete(held, "success", {}, {}));  // the claim was not touched by it
}

TEST_F(QueueOutside, ACopyThatNobodyToldTheQueueOfDoesNotMakeASecondWinner) {
  const TaskId id = add("x");
  std::filesystem::copy_file(pathOf(kQueued, id), pathOf(kInProgress, id));
  EXPECT_EQ(queue->claim(id, instance("maker.aaaaaa")).value(), std::nullopt);
  EXPECT_EQ(queue->claimOf(id).value(), std::nullopt);
  EXPECT_EQ(nextFor("maker"), std::nullopt);
}

TEST_F(QueueOutside, ASpoiledRunningTaskEndsItsClaimWithTheBytesKept) {
  const TaskId id = add("x");
  const Claim held = claim(id);
  spill(pathOf(kInProgress, id), "oops");
  EXPECT_CODE(queue->complete(held, "success", {}, {}), ErrorCode::kTaskMalformed);
  refresh();
  clock.advance(2s);
  refresh();
  EXPECT_EQ(events.back().kind, "task.quarantined");
  EXPECT_EQ(events.back().holder, held.holder.str());
  EXPECT_EQ(slurp(quarantined(id.str() + ".md")), "oops");
  EXPECT_EQ(queue->claimOf(id).value(), std::nullopt);
}

TEST_F(QueueOutside, AReplacedDirectoryIsFollowed) {
  const TaskId old = add("x");
  const std::string queued = company->tasksPath(kQueued);
  std::filesystem::rename(queued, queued + ".away");
  std::filesystem::create_directory(queued);
  const TaskId fresh = write("task-2026-1101-001");
  refresh();
  EXPECT_EQ(nextFor("maker"), fresh);
  EXPECT_CODE(queue->find(old), ErrorCode::kNotFound);
}

// As an unprivileged user, since root can read everything.
TEST_F(QueueOutside, AnUnreadableFileIsLeftAndReportedOnce) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const TaskId good = write("task-2026-1101-002");
  write("task-2026-1101-001");
  ASSERT_EQ(::chmod(pathOf(kQueued, "task-2026-1101-001.md").c_str(), 0600), 0);
  queue.reset(), db.reset();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(temp.path())) {
    if (!entry.is_symlink()) ::chmod(entry.path().c_str(), entry.is_directory() ? 0777 : 0666);
  }
  ::chmod(temp.path().c_str(), 0777);
  ASSERT_EQ(::chmod((companyPath() + "/agents/tasks/queued/task-2026-1101-001.md").c_str(), 0600), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
    events.clear();
    openAll();
    if (nextFor("maker") != good) ::_exit(3);
    for (int i = 0; i < 3; ++i) clock.advance(5s), refresh();
    if (events.size() != 1 || events[0].kind != "task.unreadable") ::_exit(4);
    if (events[0].detail.find("mode 0600") == std::string::npos ||
        events[0].detail.find("chmod g+rw") == std::string::npos)
      ::_exit(5);
    ::_exit(std::filesystem::exists(pathOf(kQueued, "task-2026-1101-001.md")) ? 0 : 6);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(WIFEXITED(status));
}

}  // namespace
}  // namespace agentos::company
