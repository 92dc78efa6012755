// SPDX-License-Identifier: Apache-2.0
#include "base/ids.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "scratch_directory.h"

namespace agentos {
namespace {

using test::ScratchDirectory;

TEST(AgentName, IsCheckedOnce) {
  for (const char* good : {"maker", "agent-000-steward", "a", "x.y_z-0"}) EXPECT_TRUE(AgentName::parse(good)) << good;
  for (const std::string& bad :
       {std::string(""), std::string("../../../evil"), std::string("a..b"), std::string("Maker"), std::string("-x"),
        std::string("a/b"), std::string("a b"), std::string(64, 'a'), std::string("a\0b", 3), std::string(".hidden")}) {
    auto parsed = AgentName::parse(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, ErrorCode::kIdMalformed);
  }
}

TEST(TaskId, HasOneForm) {
  for (const char* good : {"task-2026-1120-001", "task-2026-1120-999", "task-2026-1120-1000"})
    EXPECT_TRUE(TaskId::parse(good)) << good;
  for (const char* bad : {"", "task-2026-1120-1", "task-2026-1120-0001", "task-2026-11-20-001", "task-2026-1120-001x",
                          "msg-2026-1120-001", "task-2026-1120-", "task-2026-1120-001/.."}) {
    EXPECT_FALSE(TaskId::parse(bad)) << bad;
  }
}

TEST(TakeInstanceId, MakesADirectoryOfItsOwn) {
  ScratchDirectory dir;
  AgentName maker = AgentName::parse("maker").value();
  std::set<std::string> ids;
  for (int i = 0; i < 50; ++i) ids.insert(takeInstanceId(dir.fd(), maker).value().str());
  EXPECT_EQ(ids.size(), 50u);
  EXPECT_EQ(listDirectory(dir.fd()).value().size(), 50u);
  EXPECT_EQ(agentOf(InstanceId::parse(*ids.begin()).value()), "maker");
}

TEST(TakeDailyId, CountsOnPastNineHundredNinetyNine) {
  ScratchDirectory dir;
  ASSERT_TRUE(replaceFile(dir.fd(), "task-2026-1120-999.md", ""));
  EXPECT_EQ(takeDailyId(dir.fd(), "task", "2026-11-20", {}).value(), "task-2026-1120-1000");
  EXPECT_EQ(takeDailyId(dir.fd(), "task", "2026-11-21", {}).value(), "task-2026-1121-001");
  auto taken = [](std::string_view id) { return id == "task-2026-1121-002"; };
  EXPECT_EQ(takeDailyId(dir.fd(), "task", "2026-11-21", taken).value(), "task-2026-1121-003");
}

// Eight senders, twenty ids each, at once: 160 files (scan-and-add, measured elsewhere, leaves 115).
TEST(TakeDailyId, GivesNoIdTwice) {
  ScratchDirectory dir;
  for (int sender = 0; sender < 8; ++sender) {
    if (::fork() == 0) {
      bool good = true;
      for (int i = 0; i < 20; ++i) good = good && takeDailyId(dir.fd(), "msg", "2026-11-20", {}).has_value();
      ::_exit(good ? 0 : 1);
    }
  }
  for (int sender = 0; sender < 8; ++sender) {
    int status = 0;
    ASSERT_GT(::wait(&status), 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(listDirectory(dir.fd()).value().size(), 160u);
}

}  // namespace
}  // namespace agentos
