// SPDX-License-Identifier: Apache-2.0
// Adding, claiming, ending claims, operators' moves.
#include "company/messages.h"
#include "fixture.h"

namespace agentos::company {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;
using enum TaskStatus;

class QueueMoves : public QueueTest {};

TEST_F(QueueMoves, AddWritesAFileThatReadsBack) {
  NewTask wanted;
  wanted.assignedTo = "maker", wanted.tags = {"a"}, wanted.body = "Do it.", wanted.priority = Priority::kHigh;
  const TaskId id = add("no: \"plain\" title #1", wanted);
  EXPECT_EQ(id.str(), "task-2026-1120-001");
  const Task task = queue->find(id).value();
  EXPECT_EQ(task.title, "no: \"plain\" title #1");
  EXPECT_EQ(task.body, "\nDo it.\n");
  EXPECT_EQ(task.created, clock.now());
  EXPECT_EQ(add("in the backlog", {.backlog = true}).str(), "task-2026-1120-002");
  EXPECT_THAT(names(kBacklog), ElementsAre("task-2026-1120-002.md"));
  EXPECT_THAT(kinds(), ElementsAre("task.created", "task.created"));
}

TEST_F(QueueMoves, AddRefusesWhatCannotBe) {
  auto refused = [&](NewTask task) { return queue->add(task); };
  EXPECT_CODE(refused({.title = " "}), ErrorCode::kInvalidArgument);
  EXPECT_CODE(refused({.title = "\xFF"}), ErrorCode::kInvalidArgument);
  EXPECT_CODE(refused({.title = std::string(5000, 'x')}), ErrorCode::kTooLarge);
  EXPECT_CODE(refused({.title = "x", .assignedTo = "../evil"}), ErrorCode::kIdMalformed);
  EXPECT_CODE(refused({.title = "x", .attempts = 0}), ErrorCode::kInvalidArgument);
  EXPECT_CODE(refused({.title = "x", .dependsOn = {taskId("task-2026-1120-009")}}), ErrorCode::kNotFound);
  EXPECT_TRUE(names(kQueued).empty());
}

TEST_F(QueueMoves, IdsGoAroundWhatPeopleMade) {
  write("task-2026-1120-001", "", kDone);
  spill(company->tasksPath(kDone) + "/_archive/task-2026-1120-002.md", "---\ntitle: x\n---\n");
  EXPECT_EQ(add("x").str(), "task-2026-1120-003");
  write("task-2026-1120-004", "", kBacklog);
  EXPECT_EQ(add("y", {.idempotencyKey = "k"}).str(), "task-2026-1120-005");
  EXPECT_EQ(add("y", {.idempotencyKey = "k"}).str(), "task-2026-1120-005");
}

TEST_F(QueueMoves, IdsGrowPast999) {
  ASSERT_OK(db->execute("INSERT INTO task_numbers VALUES('2026-1120', 998)"));
  EXPECT_EQ(add("x").str(), "task-2026-1120-999");
  EXPECT_EQ(add("y").str(), "task-2026-1120-1000");
}

TEST_F(QueueMoves, AnIdempotencyKeyMakesOneTask) {
  const TaskId first = add("x", {.idempotencyKey = "order-7"});
  EXPECT_EQ(add("x again", {.idempotencyKey = "order-7"}), first);
  ASSERT_OK(queue->complete(claim(first), "success", {}, {}));
  openAll();
  EXPECT_EQ(add("x", {.idempotencyKey = "order-7"}), first);
  EXPECT_NE(add("x", {.idempotencyKey = "order-8"}), first);
}

TEST_F(QueueMoves, IdsAreExactNeverPrefixes) {
  const TaskId shortId = write("task-2026-1101-100"), longer = write("task-2026-1101-1000"),
               other = write("task-2026-1101-1001");
  refresh();
  ASSERT_OK(queue->complete(claim(shortId), "success", {}, {}));
  EXPECT_EQ(statusOf(shortId), kDone);
  EXPECT_EQ(statusOf(longer), kQueued);
  EXPECT_EQ(statusOf(other), kQueued);
  EXPECT_FALSE(TaskId::parse("task-2026-1101-10"));
  EXPECT_FALSE(TaskId::parse(""));
  EXPECT_CODE(queue->find(TaskId{}), ErrorCode::kNotFound);
  EXPECT_CODE(queue->claim(TaskId{}, instance("maker.aaaaaa")), ErrorCode::kNotFound);
  EXPECT_CODE(queue->move(TaskId{}, kDone, "human", ""), ErrorCode::kNotFound);
}

TEST_F(QueueMoves, ClaimWritesHolderAndEpochAndHasOneWinner) {
  const TaskId id = add("x");
  const Claim held = claim(id);
  EXPECT_EQ(held.epoch, 1);
  const Task task = queue->find(id).value();
  EXPECT_EQ(task.status, kInProgress);
  EXPECT_EQ(task.claimedBy, "maker.aaaaaa");
  EXPECT_EQ(task.epoch, 1);
  EXPECT_EQ(queue->claim(id, instance("grower.bbbbbb")).value(), std::nullopt);
  EXPECT_EQ(queue->claimOf(id).value()->holder, instance("maker.aaaaaa"));
  EXPECT_EQ(queue->claims().value().size(), 1U);
  EXPECT_THAT(slurp(pathOf(kInProgress, id)), HasSubstr("status: in-progress\n"));
}

TEST_F(QueueMoves, CompleteSettles) {
  const TaskId id = add("x");
  ASSERT_OK(queue->complete(claim(id), "partial", {"tried", "changed it", "", "", "next"}, {"report"}));
  const Task task = queue->find(id).value();
  EXPECT_EQ(task.status, kDone);
  EXPECT_EQ(task.outcome, "partial");
  EXPECT_THAT(task.artifacts, ElementsAre("report"));
  EXPECT_EQ(task.handoff->changed, "changed it");
  EXPECT_TRUE(task.claimedBy.empty());
  ASSERT_EQ(task.runs.size(), 1U);
  EXPECT_EQ(task.runs[0].holder, "maker.aaaaaa");
  EXPECT_EQ(queue->claimOf(id).value(), std::nullopt);
  EXPECT_THAT(kinds(), ElementsAre("task.created", "task.claimed", "task.completed"));
}

TEST_F(QueueMoves, ALateWordFromAnOlderEpochIsRefused) {
  const TaskId id = add("x");
  const Claim first = claim(id, "maker.aaaaaa");
  ASSERT_OK(queue->release(first, "gone", {}));
  EXPECT_CODE(queue->complete(first, "success", {}, {}), ErrorCode::kTaskStaleEpoch);
  const Claim second = claim(id, "maker.bbbbbb");
  EXPECT_EQ(second.epoch, 2);
  EXPECT_CODE(queue->complete(first, "success", {}, {}), ErrorCode::kTaskStaleEpoch);
  EXPECT_CODE(queue->submit(first, {}, {}), ErrorCode::kTaskStaleEpoch);
  EXPECT_CODE(queue->failAttempt(first, "x", {}), ErrorCode::kTaskStaleEpoch);
  EXPECT_CODE(queue->release(first, "x", {}), ErrorCode::kTaskStaleEpoch);
  Claim forged = second;
  forged.holder = instance("maker.aaaaaa");
  EXPECT_CODE(queue->complete(forged, "success", {}, {}), ErrorCode::kTaskStaleEpoch);
  EXPECT_EQ(statusOf(id), kInProgress);
  ASSERT_OK(queue->complete(second, "success", {}, {}));
  EXPECT_CODE(queue->complete(second, "success", {}, {}), ErrorCode::kTaskStaleEpoch);
}

TEST_F(QueueMoves, FailuresBackOffAndEndAsDeadLetterWithAllEvidence) {
  const TaskId id = add("x");
  for (const auto& [run, wait] : {std::pair{1, 1min}, std::pair{2, 2min}}) {
    EXPECT_EQ(queue->failAttempt(claim(id), "reason " + std::to_string(run), {}).value(), kQueued);
    EXPECT_EQ(queue->find(id)->notBefore, clock.now() + wait);
    EXPECT_EQ(nextFor("maker"), std::nullopt);
    clock.advance(wait);
    EXPECT_EQ(nextFor("maker"), id);
  }
  EXPECT_EQ(queue->failAttempt(claim(id), "reason 3", {"a", "b", "c", "d", "e"}).value(), kFailed);
  const Task task = queue->find(id).value();
  EXPECT_EQ(task.status, kFailed);
  EXPECT_EQ(task.outcome, "failure");
  EXPECT_EQ(task.attempt, 3);
  ASSERT_EQ(task.runs.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(task.runs[i].reason, "reason " + std::to_string(i + 1));
  EXPECT_EQ(task.runs[2].handoff.failed, "d");
  EXPECT_EQ(events.back().kind, "task.dead_lettered");
  ASSERT_OK(queue->move(id, kQueued, "human", "try again"));
  EXPECT_EQ(queue->find(id)->attempt, 0);
  EXPECT_EQ(nextFor("maker"), id);
}

TEST_F(QueueMoves, BackoffIsCapped) {
  const TaskId id = add("x", {.attempts = 1000});
  std::vector<std::int64_t> minutes;
  for (int i = 0; i < 10; ++i) {
    ASSERT_OK(queue->failAttempt(claim(id), "x", {}));
    const Timestamp until = *queue->find(id)->notBefore;
    minutes.push_back(std::chrono::duration_cast<std::chrono::minutes>(until - clock.now()).count());
    clock.jump(until);
  }
  EXPECT_THAT(minutes, ElementsAre(1, 2, 4, 8, 16, 32, 60, 60, 60, 60));
}

TEST_F(QueueMoves, ReleaseDoesNotCountButThatATaskKillsItsHoldersShows) {
  const TaskId id = add("x");
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(queue->release(claim(id), "died", {}));
    EXPECT_EQ(queue->find(id)->attempt, 0);
    EXPECT_EQ(nextFor("maker"), id);  // at once
  }
  ASSERT_OK(queue->release(claim(id), "died", {}));
  EXPECT_EQ(nextFor("maker"), std::nullopt);
  EXPECT_EQ(queue->find(id)->notBefore, clock.now() + 1min);
}

TEST_F(QueueMoves, SubmitGoesToReviewAndAVerifiedTaskNeedsItsArtifacts) {
  write("task-2026-1101-001", "verify: [report]\n");
  refresh();
  const TaskId id = taskId("task-2026-1101-001");
  const Claim held = claim(id);
  EXPECT_CODE(queue->complete(held, "success", {}, {"report"}), ErrorCode::kRefused);
  ASSERT_OK(queue->submit(held, {}, {}));
  EXPECT_EQ(statusOf(id), kInReview);
  EXPECT_CODE(queue->move(id, kDone, "verifier", ""), ErrorCode::kRefused);
  ASSERT_OK(queue->move(id, kQueued, "verifier", "where is the report?"));
  EXPECT_EQ(queue->find(id)->runs.back().reason, "where is the report?");
  ASSERT_OK(queue->submit(claim(id), {}, {"report"}));
  ASSERT_OK(queue->move(id, kDone, "verifier", ""));
  EXPECT_EQ(statusOf(id), kDone);
}

TEST_F(QueueMoves, OnlyTheTablesMoves) {
  const std::set<std::pair<TaskStatus, TaskStatus>> allowed = {
      {kBacklog, kQueued},      {kBacklog, kDeclined},  {kQueued, kBacklog},    {kQueued, kDeclined},
      {kInProgress, kDeclined}, {kInReview, kDeclined}, {kInProgress, kDone},   {kInReview, kDone},
      {kInProgress, kFailed},   {kInReview, kFailed},   {kInProgress, kQueued}, {kInReview, kQueued},
      {kFailed, kQueued},       {kDeclined, kQueued}};
  int number = 100;
  for (const TaskStatus from : kAllTaskStatuses) {
    for (const TaskStatus to : kAllTaskStatuses) {
      const TaskId id = write("task-2026-1101-" + std::to_string(++number), "created_by: steward\n", from);
      refresh();
      const auto moved = queue->move(id, to, "human", "because");
      EXPECT_EQ(moved.has_value(), allowed.contains({from, to})) << directoryOf(from) << " → " << directoryOf(to);
      if (!moved) EXPECT_EQ(moved.error().code, ErrorCode::kTaskWrongState);
      EXPECT_EQ(statusOf(id), moved ? to : from);
    }
  }
}

TEST_F(QueueMoves, DecliningTellsTheCreator) {
  const TaskId id = add("x", {.createdBy = "grower"});
  ASSERT_OK(queue->move(id, kDeclined, "human", "not now"));
  const auto inbox = readInbox(*company, "grower").value();
  ASSERT_EQ(inbox.size(), 1U);
  EXPECT_EQ(inbox[0].task, id.str());
  EXPECT_THAT(inbox[0].body, HasSubstr("not now"));
  EXPECT_EQ(events.back().kind, "task.declined");
  EXPECT_EQ(events.back().actor, "human");
}

TEST_F(QueueMoves, AnOperatorsMoveEndsTheClaim) {
  const TaskId id = add("x");
  const Claim held = claim(id);
  ASSERT_OK(queue->move(id, kQueued, "human", "stop"));
  EXPECT_EQ(events.back().holder, held.holder.str());
  EXPECT_EQ(queue->claimOf(id).value(), std::nullopt);
  EXPECT_CODE(queue->complete(held, "success", {}, {}), ErrorCode::kTaskStaleEpoch);
  EXPECT_EQ(claim(id).epoch, 2);
}

TEST_F(QueueMoves, PromoteSaysWho) {
  const TaskId id = add("x", {.backlog = true});
  EXPECT_EQ(nextFor("maker"), std::nullopt);
  ASSERT_OK(queue->move(id, kQueued, "steward", ""));
  EXPECT_EQ(queue->find(id)->promotedBy, "steward");
  EXPECT_EQ(queue->find(id)->promotedAt, clock.now());
  EXPECT_EQ(nextFor("maker"), id);
}

TEST_F(QueueMoves, BodiesAndForeignKeysSurviveAWholeLife) {
  const std::string body = "\r\n# Ünïcode \xF0\x9F\x98\x80\n---\nmixed\r\nends without newline";
  spill(pathOf(kQueued, "task-2026-1101-001.md"),
        "---\nzeta: [3,  2] # mine\ntitle: t\nalpha: |\n  keep\n  this\n---\n" + body);
  refresh();
  const TaskId id = taskId("task-2026-1101-001");
  ASSERT_OK(queue->failAttempt(claim(id), "x", {"", "", "", "", "multi\nline"}));
  clock.advance(1min);
  ASSERT_OK(queue->submit(claim(id), {}, {"a"}));
  ASSERT_OK(queue->move(id, kDone, "human", "good"));
  const std::string text = slurp(pathOf(kDone, id));
  EXPECT_TRUE(text.starts_with("---\nzeta: [3,  2] # mine\ntitle: t\nalpha: |\n  keep\n  this\n")) << text;
  EXPECT_TRUE(text.ends_with("\n---\n" + body)) << text;
}

TEST_F(QueueMoves, RefusesAnUnknownOutcome) {
  EXPECT_CODE(queue->complete(claim(add("x")), "splendid", {}, {}), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace agentos::company
