// SPDX-License-Identifier: Apache-2.0
#include "govern/line.h"
#include "log_fixture.h"

namespace agentos::govern {
namespace {

class QueryTest : public LogTest {
 protected:
  QueryTest() {
    auto log = openLog(3000);
    fill(*log, 30, "maker");
    clock_.advance(std::chrono::hours(1));
    middle_ = clock_.now();
    fill(*log, 30, "grower");
    EXPECT_TRUE(log->append({.kind = "task.claimed",
                             .agent = "maker",
                             .instance = "maker.aaaaaa",
                             .task = "task-2026-1120-001",
                             .trace = "tr1"}));
    EXPECT_TRUE(log->append({.kind = "task.completed", .agent = "maker", .task = "task-2026-1120-001"}));
  }
  std::vector<std::uint64_t> sequences(const AuditFilter& filter) {
    auto found = queryAudit(directory_, filter);
    EXPECT_TRUE(found) << found.error().message();
    std::vector<std::uint64_t> numbers;
    for (const auto& entry : *found) numbers.push_back(entry.sequence);
    return numbers;
  }
  Timestamp middle_;
};

TEST_F(QueryTest, EverythingInOrderOverAllFiles) {
  auto all = sequences({});
  ASSERT_EQ(all.size(), 62U);
  EXPECT_TRUE(std::ranges::is_sorted(all));
  EXPECT_EQ(all.front(), 1U);
}

TEST_F(QueryTest, TheNewestOfThoseThatMatch) {
  EXPECT_EQ(sequences({.limit = 3}), (std::vector<std::uint64_t>{60, 61, 62}));
  EXPECT_EQ(sequences({.agent = "maker", .limit = 3}), (std::vector<std::uint64_t>{30, 61, 62}));
}

TEST_F(QueryTest, ByPatternAndId) {
  EXPECT_EQ(sequences({.kind = "task.*"}), (std::vector<std::uint64_t>{61, 62}));
  EXPECT_EQ(sequences({.instance = "maker.aaaaaa"}), (std::vector<std::uint64_t>{61}));
  EXPECT_EQ(sequences({.task = "task-2026-1120-001"}), (std::vector<std::uint64_t>{61, 62}));
  EXPECT_EQ(sequences({.trace = "tr1"}), (std::vector<std::uint64_t>{61}));
  EXPECT_TRUE(sequences({.agent = "make"}).empty());  // whole ids, no prefixes
}

TEST_F(QueryTest, ByTime) {
  EXPECT_EQ(sequences({.until = middle_}).size(), 30U);
  EXPECT_EQ(sequences({.since = middle_}).size(), 32U);
}

TEST_F(QueryTest, APageForwards) {
  EXPECT_EQ(sequences({.afterSequence = 58}), (std::vector<std::uint64_t>{59, 60, 61, 62}));
  EXPECT_EQ(sequences({.afterSequence = 5, .upToSequence = 8}), (std::vector<std::uint64_t>{6, 7, 8}));
  EXPECT_TRUE(sequences({.afterSequence = 62}).empty());
}

TEST_F(QueryTest, DamageIsNotSkipped) {
  auto lines = linesOf(path());
  lines[2][20] ^= 1;
  putLines(path(), lines);
  auto found = queryAudit(directory_, {});
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message(), ::testing::HasSubstr("audit-000001.jsonl"));
}

TEST_F(QueryTest, AsJsonForTheApi) {
  auto found = queryAudit(directory_, {.trace = "tr1"});
  auto json = toJson(found->at(0));
  EXPECT_EQ(json["seq"], 61);
  EXPECT_EQ(json["kind"], "task.claimed");
  EXPECT_EQ(json["hash"].get<std::string>().size(), 64U);
  EXPECT_EQ(json.count("contract"), 0U);
}

}  // namespace
}  // namespace agentos::govern
