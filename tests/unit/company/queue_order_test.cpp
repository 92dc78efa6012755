// SPDX-License-Identifier: Apache-2.0
// Which task comes next: priority, age, assignment, dependencies, back-off, and the agent's own interrupted work.
#include "fixture.h"

namespace agentos::company {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

class QueueOrder : public QueueTest {};

TEST_F(QueueOrder, PriorityThenAgeThenId) {
  const TaskId low = add("low", {.priority = Priority::kLow});
  clock.advance(1s);
  const TaskId older = add("older");
  clock.advance(1s);
  const TaskId newer = add("newer");
  const TaskId twin = add("twin of newer");
  clock.advance(1s);
  const TaskId critical = add("critical", {.priority = Priority::kCritical});
  for (const TaskId& expected : {critical, older, newer, twin, low}) {
    ASSERT_EQ(nextFor("maker"), expected);
    claim(expected);
  }
  EXPECT_EQ(nextFor("maker"), std::nullopt);
  EXPECT_EQ(last.why, Idleness::kIdle);
}

TEST_F(QueueOrder, NumbersBeyond999StayInOrder) {
  write("task-2026-1101-999"), write("task-2026-1101-1000"), write("task-2026-1101-1001");
  refresh();
  for (const char* id : {"task-2026-1101-999", "task-2026-1101-1000", "task-2026-1101-1001"}) {
    ASSERT_EQ(nextFor("maker"), taskId(id));
    claim(taskId(id));
  }
}

TEST_F(QueueOrder, AssignmentAndWhyThereIsNothing) {
  EXPECT_EQ(nextFor("maker"), std::nullopt);
  EXPECT_EQ(last.why, Idleness::kIdle);
  const TaskId id = add("x", {.assignedTo = "agent-000"});
  EXPECT_EQ(nextFor("agent-0001-x"), std::nullopt);
  EXPECT_EQ(last.why, Idleness::kStarved);
  EXPECT_EQ(nextFor("agent-000-steward"), id);
  EXPECT_CODE(queue->claim(id, instance("agent-0001-x.aaaaaa")), ErrorCode::kRefused);
  EXPECT_EQ(statusOf(id), TaskStatus::kQueued);
  claim(id, "agent-000-steward.aaaaaa");
}

TEST_F(QueueOrder, DependenciesHoldBackUntilDoneOrArchived) {
  const TaskId first = add("first"), second = add("second", {.priority = Priority::kHigh, .dependsOn = {first}});
  EXPECT_EQ(nextFor("maker"), first);
  EXPECT_CODE(queue->claim(second, instance("maker.aaaaaa")), ErrorCode::kRefused);
  const Claim held = claim(first);
  EXPECT_EQ(nextFor("maker"), std::nullopt);
  EXPECT_EQ(last.why, Idleness::kBlocked);
  EXPECT_EQ(last.detail, second.str() + " waits for " + first.str() + " (in-progress)");
  ASSERT_OK(queue->complete(held, "success", {}, {}));
  EXPECT_EQ(nextFor("maker"), second);
  // A person archives it, while agentd runs and before a restart: still done.
  std::filesystem::rename(pathOf(TaskStatus::kDone, first),
                          company->tasksPath(TaskStatus::kDone) + "/_archive/" + first.str() + ".md");
  refresh();
  EXPECT_EQ(nextFor("maker"), second);
  EXPECT_EQ(queue->find(first)->status, TaskStatus::kDone);
  openAll();
  EXPECT_EQ(nextFor("maker"), second);
}

TEST_F(QueueOrder, FailedMissingAndCyclicDependenciesSayWhy) {
  write("task-2026-1101-001", "depends_on: [task-2026-1101-002]\n");
  write("task-2026-1101-002", "", TaskStatus::kFailed);
  refresh();
  EXPECT_EQ(nextFor("maker"), std::nullopt);
  EXPECT_EQ(last.detail, "task-2026-1101-001 waits for task-2026-1101-002 (failed)");
  std::filesystem::remove(pathOf(TaskStatus::kFailed, "task-2026-1101-002.md"));
  refresh();
  EXPECT_EQ(nextFor("maker"), std::nullopt);
  EXPECT_EQ(last.detail, "task-2026-1101-001 waits for task-2026-1101-002 (does not exist)");
  write("task-2026-1101-002", "depends_on: [task-2026-1101-003]\n");
  write("task-2026-1101-003", "depends_on: [task-2026-1101-001]\n");
  refresh();
  EXPECT_EQ(nextFor("maker"), std::nullopt);
  EXPECT_EQ(last.why, Idleness::kBlocked);
  EXPECT_EQ(last.detail,
            "task-2026-1101-001 is blocked by a cycle: task-2026-1101-001 → task-2026-1101-002 → "
            "task-2026-1101-003 → task-2026-1101-001");
  write("task-2026-1101-009", "depends_on: [task-2026-1101-009]\npriority: high\n");
  refresh();
  nextFor("maker");
  EXPECT_THAT(last.detail, HasSubstr("task-2026-1101-009 → task-2026-1101-009"));
  // The person takes the dependency out: the cycle is gone at once.
  write("task-2026-1101-003");
  refresh();
  EXPECT_EQ(nextFor("maker"), taskId("task-2026-1101-003"));
}

TEST_F(QueueOrder, BlockedTasksHoldNobodyUp) {
  write("task-2026-1101-001", "depends_on: [task-2026-1101-001]\npriority: critical\n");
  write("task-2026-1101-002");
  refresh();
  EXPECT_EQ(nextFor("maker"), taskId("task-2026-1101-002"));
}

TEST_F(QueueOrder, NotBeforeWaits) {
  const TaskId id = add("later", {.notBefore = clock.now() + 10min});
  EXPECT_EQ(nextFor("maker"), std::nullopt);
  EXPECT_EQ(last.why, Idleness::kBlocked);
  EXPECT_EQ(last.retryAt, clock.now() + 10min);
  EXPECT_CODE(queue->claim(id, instance("maker.aaaaaa")), ErrorCode::kRefused);
  clock.advance(10min);
  EXPECT_EQ(nextFor("maker"), id);
}

TEST_F(QueueOrder, OwnInterruptedTaskComesFirst) {
  const TaskId mine = add("mine", {.priority = Priority::kLow});
  const Claim held = claim(mine, "maker.aaaaaa");
  const TaskId urgent = add("urgent", {.priority = Priority::kCritical});
  ASSERT_OK(queue->release(held, "the holder is gone", {"half", "", "the rest", "", ""}));
  EXPECT_EQ(nextFor("maker"), mine);
  EXPECT_EQ(nextFor("grower"), urgent);  // for others it is one of many
  EXPECT_EQ(queue->find(mine)->handoff->remains, "the rest");
  openAll();
  EXPECT_EQ(nextFor("maker"), mine);  // the index remembers it
}

TEST_F(QueueOrder, TheSameAnswerFromTheIndexAndFromTheFiles) {
  for (int i = 0; i < 50; ++i) {
    NewTask task;
    task.priority = static_cast<Priority>(i % 4);
    if (i % 3 == 0) task.assignedTo = "maker";
    if (i > 10 && i % 5 == 0) task.dependsOn = {taskId("task-2026-1120-003")};
    if (i % 7 == 0) task.tags = {"a", "b c"};
    add("task " + std::to_string(i), task);
    clock.advance(1s);
  }
  const auto before = queue->list(std::nullopt).value();
  const auto order = nextFor("maker");
  openAll();  // from the index
  EXPECT_EQ(queue->list(std::nullopt).value(), before);
  EXPECT_EQ(nextFor("maker"), order);
  ASSERT_OK(db->execute("DELETE FROM task_index_1"));  // thrown away, nothing is lost
  openAll();
  EXPECT_EQ(queue->list(std::nullopt).value(), before);
  EXPECT_EQ(nextFor("maker"), order);
}

TEST_F(QueueOrder, ALongChainIsAnsweredWithoutRecursion) {
  constexpr int kLength = 3000;
  for (int i = 1; i <= kLength; ++i) {
    const std::string id = "task-2026-1101-" + std::string(i < 10 ? "00" : i < 100 ? "0" : "") + std::to_string(i);
    const int before = i == 1 ? kLength : i - 1;
    write(id, "depends_on: [task-2026-1101-" +
                  std::string(before < 10    ? "00"
                              : before < 100 ? "0"
                                             : "") +
                  std::to_string(before) + "]\n");
  }
  refresh();
  EXPECT_EQ(nextFor("maker"), std::nullopt);
  EXPECT_THAT(last.detail, HasSubstr("is blocked by a cycle"));
  EXPECT_LT(last.detail.size(), 500U);
}

}  // namespace
}  // namespace agentos::company
