// SPDX-License-Identifier: Apache-2.0
#include "company/task.h"

#include "fixture.h"

namespace agentos::company {
namespace {

using ::testing::HasSubstr;

const TaskId kId = taskId("task-2026-1120-001");
constexpr const char* kText =
    "---\n"
    "# for the steward\n"
    "id: task-2026-1120-001\n"
    "title: Fix the door   # it squeaks\n"
    "mood:   { weird:  [ 1,2 ] }\n"
    "status: queued\n"
    "priority: high\n"
    "\n"
    "# dates\n"
    "created: 2026-11-20T09:00:00+01:00\n"
    "assigned_to: agent-000\n"
    "depends_on: [task-2026-1119-001]\n"
    "note: |\n"
    "  ---not a fence\n"
    "  two lines\n"
    "---\n"
    "\n"
    "Body --- with\n---\nanother fence \xF0\x9F\x9A\xAA\n";

Task parsed(const std::string& text, TaskStatus status = TaskStatus::kQueued) {
  auto task = parseTask(text, kId, status);
  EXPECT_TRUE(task) << task.error().message();
  return task.value_or(Task{});
}
std::string refusal(const std::string& text) {
  auto task = parseTask(text, kId, TaskStatus::kQueued);
  EXPECT_FALSE(task) << text;
  return task ? "" : task.error().message();
}

TEST(Task, ReadsItsFields) {
  const Task task = parsed(kText);
  EXPECT_EQ(task.title, "Fix the door");
  EXPECT_EQ(task.priority, Priority::kHigh);
  EXPECT_EQ(task.created, at("2026-11-20T08:00:00Z"));
  EXPECT_EQ(task.assignedTo, "agent-000");
  EXPECT_THAT(task.dependsOn, ::testing::ElementsAre(taskId("task-2026-1119-001")));
  EXPECT_EQ(task.body, "\nBody --- with\n---\nanother fence \xF0\x9F\x9A\xAA\n");
  EXPECT_EQ(task.attempts, 3);
}

TEST(Task, RewritesOnlyWhatChanged) {
  Task task = parsed(kText, TaskStatus::kInProgress);
  task.claimedBy = "maker.aaaaaa";
  task.epoch = 7;
  std::string expected = kText;
  expected.replace(expected.find("status: queued"), 14, "status: in-progress");
  expected.replace(expected.find("---\n\nBody"), 4,
                   "created_at: \"2026-11-20T08:00:00.000Z\"\nclaimed_by: maker.aaaaaa\nepoch: 7\n---\n");
  EXPECT_EQ(renderTask(task, kText).value(), expected);
}

TEST(Task, RewritingTwiceChangesNothing) {
  Task task = parsed(kText, TaskStatus::kDone);
  task.outcome = "success";
  task.handoff = Handoff{"tried", "line one\nline two: \"x\"", "", "", "#next"};
  task.runs.push_back({1, "maker.aaaaaa", at("2026-11-20T10:00:00Z"), "completed", "ok", *task.handoff});
  const std::string once = renderTask(task, kText).value();
  EXPECT_EQ(renderTask(parsed(once, TaskStatus::kDone), once).value(), once);
  EXPECT_EQ(parsed(once, TaskStatus::kDone), task);
}

TEST(Task, NewFilesReadBackTheSame) {
  Task task;
  task.id = kId;
  task.title = "yes";
  task.createdBy = "steward";
  task.tags = {"a b", "c,d", "5", "true"};
  task.dependsOn = {taskId("task-2026-1119-1000")};
  task.created = at("2026-11-20T08:00:00.123Z");
  task.notBefore = at("2026-11-20T09:00:00Z");
  task.idempotencyKey = "null";
  task.verify = {"report.pdf"};
  task.promotable = false;
  task.body = "\nText\r\nmore";
  const std::string text = renderTask(task).value();
  EXPECT_EQ(parsed(text), task);
  EXPECT_THAT(text, HasSubstr("created: \"2026-11-20T08:00:00.123Z\"\ncreated_at: \"2026-11-20T08:00:00.123Z\"\n"));
}

TEST(Task, KeepsByteOrderMarkAndCarriageReturns) {
  const std::string text =
      "\xEF\xBB\xBF---\r\nid: task-2026-1120-001\r\ntitle: Windows\r\nx: 1 # kept\r\n---\r\nOne\r\nTwo\n";
  Task task = parsed(text, TaskStatus::kDone);
  EXPECT_EQ(task.title, "Windows");
  EXPECT_EQ(task.body, "One\r\nTwo\n");
  const std::string done = renderTask(task, text).value();
  EXPECT_TRUE(done.starts_with(
      "\xEF\xBB\xBF---\r\nid: task-2026-1120-001\r\ntitle: Windows\r\nx: 1 # kept\r\nstatus: done\r\n"));
  EXPECT_TRUE(done.ends_with("---\r\nOne\r\nTwo\n"));
}

TEST(Task, RemovesAFieldAndKeepsTheCommentAfterIt) {
  const std::string text =
      "---\ntitle: x\ncreated: 2026-11-20\ncreated_at: 2026-11-20\nclaimed_by: maker.aaaaaa\n# after\nz: 1\nstatus: "
      "queued\n---\n";
  Task task = parsed(text);
  task.claimedBy.clear();
  EXPECT_EQ(renderTask(task, text).value(),
            "---\ntitle: x\ncreated: 2026-11-20\ncreated_at: 2026-11-20\n# after\nz: 1\nstatus: queued\n---\n");
}

TEST(Task, TakesEitherDateAndElseTheIds) {
  EXPECT_EQ(parsed("---\ncreated_at: 2026-10-01T00:00:00Z\n---\n").created, at("2026-10-01T00:00:00Z"));
  EXPECT_EQ(parsed("---\ncreated: 2026-10-01 08:30:00\n---\n").created, at("2026-10-01T08:30:00Z"));
  EXPECT_EQ(parsed("---\ntitle: x\n---\n").created, at("2026-11-20T00:00:00Z"));
}

TEST(Task, AnyOtherPriorityIsMedium) {
  for (const char* word : {"urgent", "P1", "\"\"", "~", "HIGH"}) {
    EXPECT_EQ(parsed(std::string("---\npriority: ") + word + "\n---\n").priority, Priority::kMedium) << word;
  }
}

TEST(Task, RefusesWithPlace) {
  EXPECT_THAT(refusal(""), HasSubstr("task-2026-1120-001.md:1:1: the file is empty"));
  EXPECT_THAT(refusal("just text\n"), HasSubstr(":1:1: no front matter"));
  EXPECT_THAT(refusal("---\ntitle: x\n"), HasSubstr("no end"));
  EXPECT_THAT(refusal("---\n---\nbody"), HasSubstr("no list of keys"));
  EXPECT_THAT(refusal("---\n- a\n---\n"), HasSubstr("no list of keys"));
  EXPECT_THAT(refusal("---\ntitle: x\ntitle: y\n---\n"), HasSubstr(":3:1: title: the key \"title\" is here twice"));
  EXPECT_THAT(refusal("---\ntitle: [x\n---\n"), HasSubstr("not well-formed"));
  EXPECT_THAT(refusal("---\nid: task-2026-1120-0010\n---\n"),
              HasSubstr(":2:5: id: 'task-2026-1120-0010' is not the file's name"));
  EXPECT_THAT(refusal("---\ntitle: x\nattempts: \"3\"\n---\n"), HasSubstr(":3:11: attempts: '3' is no number"));
  EXPECT_THAT(refusal("---\nattempts: 0\n---\n"), HasSubstr("from 1 to 1000"));
  EXPECT_THAT(refusal("---\ndepends_on: [../x]\n---\n"), HasSubstr("'../x' is no task id"));
  EXPECT_THAT(refusal("---\nnot_before: tomorrow\n---\n"), HasSubstr("'tomorrow' is no time"));
  EXPECT_THAT(refusal("---\ntitle: {a: 1}\n---\n"), HasSubstr("title: a list or a map"));
  EXPECT_THAT(refusal("---\n{title: x, id: y}\n---\n"), HasSubstr("does not begin its line"));
  EXPECT_THAT(refusal("---\ntitle: &a x\n---\n"), HasSubstr("anchor"));
  EXPECT_THAT(refusal("---\ntitle: \xFF\n---\n"), HasSubstr("UTF-8"));
}

TEST(Task, AssignmentMatchesWholeNamesAndDashedParts) {
  EXPECT_TRUE(isAssignedTo("", agent("anyone")));
  EXPECT_TRUE(isAssignedTo("agent-000", agent("agent-000-steward")));
  EXPECT_TRUE(isAssignedTo("agent-000-steward", agent("agent-000-steward")));
  EXPECT_FALSE(isAssignedTo("agent-000", agent("agent-0001-x")));
  EXPECT_FALSE(isAssignedTo("agent-000-steward", agent("agent-000")));
  EXPECT_FALSE(isAssignedTo("agent-00", agent("agent-000")));
}

TEST(Task, EvidenceStaysBounded) {
  Task task;
  task.id = kId;
  task.title = "x";
  task.created = at("2026-11-20T00:00:00Z");
  for (int i = 0; i < 100; ++i) {
    const std::string huge(20'000, '\x01');
    task.runs.push_back(
        {i, "maker.aaaaaa", at("2026-11-20T10:00:00Z"), "failed", huge, {huge, huge, huge, huge, huge}});
  }
  const std::string text = renderTask(task).value();
  EXPECT_LT(text.size(), std::size_t{1} << 20);
  const Task again = parsed(text);
  EXPECT_EQ(again.runs.size(), kMaxRuns);
  EXPECT_EQ(again.runs.back().epoch, 99);
  EXPECT_EQ(renderTask(again, text).value(), text);
}

}  // namespace
}  // namespace agentos::company
