// SPDX-License-Identifier: Apache-2.0
// Ends the process with SIGKILL at every point of every step, recovers in a new one, and wants exactly one outcome.
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "company/messages.h"
#include "fixture.h"

namespace agentos::company {
namespace {

using ::testing::IsEmpty;
using enum TaskStatus;

constexpr const char* kBody = "\nPrecious bytes \xF0\x9F\x9A\xAA\r\nwithout an end";

// One step of the queue, and what must be true after a crash at one of its points.
struct Crash {
  const char* step;
  const char* point;
  bool holderLives = false;
  TaskStatus expected = kQueued;  // where the task is after recover()
  bool stillHeld = false;         // whether the claim stands
  std::size_t runs = 0;           // how many entries of evidence
};
void PrintTo(const Crash& crash, std::ostream* out) {
  *out << crash.step << " at " << crash.point << (crash.holderLives ? ", holder lives" : "");
}

class QueueCrash : public QueueTest, public ::testing::WithParamInterface<Crash> {
 protected:
  // Everything up to the step, in this process.
  TaskId prepare() {
    NewTask task;
    task.body = kBody, task.createdBy = "grower", task.attempts = 2;
    const TaskId id = add("x", task);
    return id;
  }
  // In the process that is killed.
  void runStep(const std::string& step, const TaskId& id, const std::optional<Claim>& held) {
    const Handoff handoff{"tried", "", "rest", "", ""};
    if (step == "claim") (void)queue->claim(id, instance("maker.aaaaaa"));
    if (step == "complete") (void)queue->complete(*held, "success", handoff, {"report"});
    if (step == "submit") (void)queue->submit(*held, handoff, {});
    if (step == "fail") (void)queue->failAttempt(*held, "reason", handoff);
    if (step == "release") (void)queue->release(*held, "budget", handoff);
    if (step == "demote") (void)queue->move(id, kBacklog, "human", "later");
    if (step == "decline") (void)queue->move(id, kDeclined, "human", "no");
    if (step == "requeue") (void)queue->move(id, kQueued, "human", "again");
  }
  void killedAt(const char* point, const std::function<void()>& body) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      openAll();  // SQLite's handles do not survive a fork
      armFault(point);
      body();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << point << " was never reached";
  }
  std::vector<std::string> everywhere() {
    std::vector<std::string> places;
    for (const TaskStatus status : kAllTaskStatuses) {
      for (const std::string& name : names(status)) places.push_back(std::string(directoryOf(status)) + "/" + name);
    }
    return places;
  }
};

TEST_P(QueueCrash, LeadsToOneOutcome) {
  const Crash& crash = GetParam();
  const std::string step = crash.step;
  const TaskId id = prepare();
  std::optional<Claim> held;
  if (step != "claim" && step != "demote" && step != "decline") held = claim(id);
  queue.reset(), db.reset(), company.reset();
  killedAt(crash.point, [&] { runStep(step, id, held); });
  events.clear();
  openAll();
  ASSERT_OK(queue->recover([&](const InstanceId&) { return crash.holderLives; }));
  EXPECT_THAT(everywhere(), ::testing::ElementsAre(std::string(directoryOf(crash.expected)) + "/" + id.str() + ".md"));
  const Task task = queue->find(id).value();
  EXPECT_EQ(task.body, std::string(kBody) + "\n");
  EXPECT_EQ(queue->claimOf(id).value().has_value(), crash.stillHeld);
  EXPECT_EQ(task.runs.size(), crash.runs);
  EXPECT_EQ(task.claimedBy.empty(), !crash.stillHeld);
  const std::string text = slurp(pathOf(task.status, id));
  EXPECT_NE(text.find("status: " + std::string(directoryOf(crash.expected)) + "\n"), std::string::npos) << text;
  // What recover() carried to its end it tells; what was settled had been told before.
  const bool wasSettled = std::string(crash.point).ends_with(".settled");
  if (step != "claim") EXPECT_EQ(events.size(), wasSettled ? 0U : 1U);
  if (step == "decline") EXPECT_FALSE(readInbox(*company, "grower")->empty());
  // A second recovery finds nothing to do.
  openAll();
  events.clear();
  ASSERT_OK(queue->recover([&](const InstanceId&) { return crash.holderLives; }));
  EXPECT_THAT(events, IsEmpty());
  EXPECT_EQ(slurp(pathOf(task.status, id)), text);
  EXPECT_EQ(queue->list(std::nullopt)->size(), 1U);
  // And work goes on.
  if (task.status == kQueued) {
    clock.advance(std::chrono::hours(1));
    ASSERT_OK(queue->complete(claim(id, "maker.bbbbbb"), "success", {}, {}));
  } else if (crash.stillHeld) {
    ASSERT_OK(queue->complete(queue->claimOf(id)->value(), "success", {}, {}));
  }
}

// Steps that were decided are carried to their end; the run's evidence is there once, whichever point it was.
INSTANTIATE_TEST_SUITE_P(Claim, QueueCrash,
                         ::testing::Values(Crash{"claim", "queue.claim.committed", false, kQueued},
                                           Crash{"claim", "queue.claim.committed", true, kQueued},
                                           Crash{"claim", "queue.claim.renamed", false, kQueued, false, 1},
                                           Crash{"claim", "queue.claim.renamed", true, kInProgress, true},
                                           Crash{"claim", "files.rewrite.written", false, kQueued, false, 1},
                                           Crash{"claim", "files.rewrite.exchanged", true, kInProgress, true},
                                           Crash{"claim", "queue.claim.rewritten", false, kQueued, false, 1},
                                           Crash{"claim", "queue.claim.rewritten", true, kInProgress, true}));

std::vector<Crash> everyPoint(const char* step, TaskStatus expected, std::size_t runs = 1) {
  static std::vector<std::unique_ptr<std::string>> kept;
  std::vector<Crash> crashes;
  for (const char* point : {"committed", "rewritten", "renamed", "settled"}) {
    kept.push_back(std::make_unique<std::string>(std::string("queue.") + step + "." + point));
    for (const bool lives : {false, true})
      crashes.push_back({step, kept.back()->c_str(), lives, expected, false, runs});
  }
  for (const char* point : {"files.rewrite.written", "files.rewrite.exchanged"}) {
    crashes.push_back({step, point, false, expected, false, runs});
  }
  return crashes;
}
INSTANTIATE_TEST_SUITE_P(Complete, QueueCrash, ::testing::ValuesIn(everyPoint("complete", kDone)));
INSTANTIATE_TEST_SUITE_P(Submit, QueueCrash, ::testing::ValuesIn(everyPoint("submit", kInReview)));
INSTANTIATE_TEST_SUITE_P(Fail, QueueCrash, ::testing::ValuesIn(everyPoint("fail", kQueued)));
INSTANTIATE_TEST_SUITE_P(Release, QueueCrash, ::testing::ValuesIn(everyPoint("release", kQueued)));
INSTANTIATE_TEST_SUITE_P(Demote, QueueCrash, ::testing::ValuesIn(everyPoint("demote", kBacklog)));
INSTANTIATE_TEST_SUITE_P(Decline, QueueCrash, ::testing::ValuesIn(everyPoint("decline", kDeclined)));
INSTANTIATE_TEST_SUITE_P(Requeue, QueueCrash, ::testing::ValuesIn(everyPoint("requeue", kQueued)));

class AddCrash : public QueueCrash {};

TEST_F(AddCrash, AKeyMeansATaskOnlyWhenItsFileWasMade) {
  for (const char* point : {"queue.add.committed", "files.create.written", "queue.add.created"}) {
    const std::string key = std::string("key ") + point;
    queue.reset(), db.reset(), company.reset();
    killedAt(point, [&] { (void)queue->add({.title = "x", .body = kBody, .idempotencyKey = key}); });
    openAll();
    const std::size_t before = queue->list(std::nullopt)->size();
    ASSERT_OK(queue->recover([](const InstanceId&) { return false; }));
    const bool made = std::string(point) == "queue.add.created";
    NewTask again;
    again.body = kBody, again.idempotencyKey = key;
    const TaskId id = add("x", again);
    EXPECT_EQ(queue->list(std::nullopt)->size(), before + (made ? 0 : 1)) << point;
    EXPECT_EQ(queue->find(id)->idempotencyKey, key);
    EXPECT_EQ(add("x", again), id);
  }
  for (const std::string& place : everywhere())
    EXPECT_TRUE(place.starts_with("queued/task-") && place.ends_with(".md")) << place;
}

TEST_F(AddCrash, TheDatabaseIsLostButTheFilesTell) {
  const TaskId id = prepare();
  claim(id);
  queue.reset(), db.reset();
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(temp.path() + "/agentd.db" + suffix);
  openAll();
  ASSERT_OK(queue->recover([](const InstanceId&) { return false; }));
  EXPECT_EQ(statusOf(id), kQueued);
  EXPECT_EQ(claim(id).epoch, 2);  // above what the file says: an old word stays old
}

TEST_F(AddCrash, AHolderThatLivesIsNeverRobbed) {
  const TaskId id = prepare();
  const Claim held = claim(id);
  openAll();
  clock.advance(std::chrono::days(7));
  ASSERT_OK(queue->recover([](const InstanceId&) { return true; }));
  EXPECT_EQ(queue->claimOf(id).value()->epoch, held.epoch);
  EXPECT_EQ(queue->claim(id, instance("grower.aaaaaa")).value(), std::nullopt);
  ASSERT_OK(queue->complete(held, "success", {}, {}));
}

TEST_F(AddCrash, APersonWhoMovesTheFileWhileAgentdIsDownIsFollowed) {
  const TaskId id = prepare();
  const Claim held = claim(id);
  queue.reset(), db.reset(), company.reset();
  killedAt("queue.complete.committed", [&] { (void)queue->complete(held, "success", {}, {}); });
  std::filesystem::rename(companyPath() + "/agents/tasks/in-progress/" + id.str() + ".md",
                          companyPath() + "/agents/tasks/backlog/" + id.str() + ".md");
  openAll();
  ASSERT_OK(queue->recover([](const InstanceId&) { return true; }));
  EXPECT_EQ(statusOf(id), kBacklog);
  EXPECT_EQ(queue->claimOf(id).value(), std::nullopt);
  EXPECT_CODE(queue->complete(held, "success", {}, {}), ErrorCode::kTaskStaleEpoch);
}

TEST_F(AddCrash, ASpoiledFileDoesNotKeepAgentdFromStarting) {
  const TaskId id = prepare(), other = prepare();
  const Claim held = claim(id);
  claim(other);
  spill(pathOf(kInProgress, id), "spoiled");
  openAll();
  ASSERT_OK(queue->recover([](const InstanceId&) { return false; }));
  EXPECT_EQ(statusOf(other), kQueued);
  clock.advance(std::chrono::seconds(3));
  refresh();
  EXPECT_EQ(slurp(companyPath() + "/operations/quarantine/" + id.str() + ".md"), "spoiled");
}

TEST_F(AddCrash, APersonsWordsInALeftTemporaryAreKept) {
  const TaskId id = prepare();
  spill(pathOf(kQueued, "." + id.str() + ".md.4711.0.tmp"), "---\ntitle: x\n---\nwords that are nowhere else");
  spill(pathOf(kQueued, "." + id.str() + ".md.4711.1.tmp"), slurp(pathOf(kQueued, id)));
  ASSERT_OK(queue->recover([](const InstanceId&) { return false; }));
  EXPECT_EQ(names(kQueued).size(), 1U);
  const std::string kept = companyPath() + "/operations/quarantine/." + id.str() + ".md.4711.0.tmp";
  EXPECT_EQ(slurp(kept), "---\ntitle: x\n---\nwords that are nowhere else");
  EXPECT_FALSE(std::filesystem::exists(companyPath() + "/operations/quarantine/." + id.str() + ".md.4711.1.tmp"));
}

}  // namespace
}  // namespace agentos::company
