// SPDX-License-Identifier: Apache-2.0
// The daemon dies at each of its crash points, in a process of its own; the next one finds everything and loses
// nothing.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/fault.h"
#include "world.h"

namespace agentos::test {
namespace {

using company::TaskStatus;

// What `life` does in a process of its own; how that process ended.
int liveIn(const std::string& path, const char* fault, const std::function<void(World&)>& life) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (fault != nullptr) armFault(fault);
    World world(path);
    life(world);
    ::_exit(0);  // as a kill: nothing is closed or written any more
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

void work(World& world) {
  world.contract("maker");
  if (!world.start()) ::_exit(9);
  world.task("work");
  world.pass(10ms);
  for (const auto& view : world.live()) world.spawner.exit(view.id, 0);
  world.pass(10ms);
}

// Whatever was left: the task is done in the end, once, and every book is in order.
void expectNothingLost(const std::string& path) {
  World world(path);
  world.contract("maker");
  auto report = world.start();
  ASSERT_TRUE(report) << report.error().message();
  for (int minute = 0; minute < 300 && world.daemon->queue()->list(TaskStatus::kDone)->empty(); ++minute) {
    for (const auto& view : world.live()) world.spawner.exit(view.id, 0);
    world.pass(1min);
  }
  EXPECT_EQ(world.daemon->queue()->list(TaskStatus::kDone)->size(), 1U);
  EXPECT_EQ(world.daemon->queue()->list(std::nullopt)->size(), 1U);
  EXPECT_TRUE(world.daemon->queue()->claims()->empty());
  EXPECT_TRUE(world.live().empty());
  for (const auto& view : world.daemon->supervisor().list(true))
    EXPECT_FALSE(agentd::isLive(view.state)) << view.id.str();
  const auto audit = govern::verifyAudit(world.config.paths.audit(), {});
  ASSERT_TRUE(audit);
  EXPECT_NE(audit->state, govern::AuditVerdict::State::kBroken) << audit->where << " " << audit->what;
}

class AtEachPoint : public testing::TestWithParam<const char*> {};

TEST_P(AtEachPoint, NothingIsLost) {
  ScratchDirectory directory;
  const int status = liveIn(directory.path(), GetParam(), work);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the point was not passed: " << status;
  expectNothingLost(directory.path());
}

INSTANTIATE_TEST_SUITE_P(Daemon, AtEachPoint,
                         testing::Values("supervisor.claimed", "supervisor.row", "supervisor.spawned",
                                         "supervisor.books", "supervisor.task_told"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

class InRecovery : public testing::TestWithParam<const char*> {};

// A run is open, and the agentd that comes to look after it dies as well.
TEST_P(InRecovery, NothingIsLost) {
  ScratchDirectory directory;
  const int first = liveIn(directory.path(), nullptr, [](World& world) {
    world.contract("maker");
    if (!world.start()) ::_exit(9);
    world.task("work");
    world.pass(10ms);
    if (world.live().size() != 1) ::_exit(8);
  });
  ASSERT_TRUE(WIFEXITED(first) && WEXITSTATUS(first) == 0) << first;
  const int second = liveIn(directory.path(), GetParam(), [](World& world) { (void)world.start(); });
  ASSERT_TRUE(WIFSIGNALED(second) && WTERMSIG(second) == SIGKILL) << "the point was not passed: " << second;
  expectNothingLost(directory.path());
}

INSTANTIATE_TEST_SUITE_P(Daemon, InRecovery,
                         testing::Values("recovery.adopted", "recovery.settled", "supervisor.books",
                                         "supervisor.task_told"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace agentos::test
