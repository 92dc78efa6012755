// SPDX-License-Identifier: Apache-2.0
#include "govern/anchor.h"

#include <limits>

#include "log_fixture.h"

namespace agentos::govern {
namespace {

class AnchorTest : public LogTest {
 protected:
  static AuditHead head(std::uint64_t sequence) { return {sequence, std::string(64, 'a')}; }
  std::string file_ = root_ + "/anchors";
};

TEST_F(AnchorTest, NoneWhenThereIsNoFile) {
  auto heads = readAnchors(file_);
  ASSERT_TRUE(heads);
  EXPECT_TRUE(heads->empty());
}

TEST_F(AnchorTest, OldestFirst) {
  for (std::uint64_t i = 0; i <= 3; ++i) ASSERT_TRUE(appendAnchor(file_, head(i), clock_.now()));
  auto heads = readAnchors(file_);
  ASSERT_TRUE(heads) << heads.error().message();
  ASSERT_EQ(heads->size(), 3U);  // the head of an empty log says nothing
  EXPECT_EQ(heads->front().sequence, 1U);
  EXPECT_EQ(heads->back().hash, std::string(64, 'a'));
}

TEST_F(AnchorTest, ALineThatACrashCutIsPassedOverAndGoes) {
  ASSERT_TRUE(appendAnchor(file_, head(1), clock_.now()));
  std::ofstream(file_, std::ios::app) << "2 aaaa";
  ASSERT_EQ(readAnchors(file_)->size(), 1U);
  ASSERT_TRUE(appendAnchor(file_, head(3), clock_.now()));
  auto heads = readAnchors(file_);
  ASSERT_TRUE(heads) << heads.error().message();
  EXPECT_EQ(heads->back().sequence, 3U);
}

TEST_F(AnchorTest, AnythingElseMalformedIsNamed) {
  put(file_, "1 " + std::string(64, 'a') + " t\nnonsense\n");
  auto heads = readAnchors(file_);
  ASSERT_FALSE(heads);
  EXPECT_EQ(heads.error().code, ErrorCode::kAuditBroken);
  EXPECT_THAT(heads.error().message(), ::testing::HasSubstr("anchors:2"));
}

// Whoever could send older heads again would fill the file with them until the honest ones are thinned away.
TEST_F(AnchorTest, GoesBackOnceAnHourAtMost) {
  const Timestamp begin = clock_.now();
  ASSERT_EQ(appendAnchor(file_, head(5), begin), Anchored::kKept);
  EXPECT_EQ(appendAnchor(file_, head(5), begin), Anchored::kPassedOver) << "said again after a restart";
  ASSERT_EQ(appendAnchor(file_, head(4), begin), Anchored::kBackwards);
  ASSERT_EQ(appendAnchor(file_, head(6), begin), Anchored::kKept);
  for (const AuditHead& forged : {head(4), AuditHead{6, std::string(64, 'b')}}) {
    auto kept = appendAnchor(file_, forged, begin + std::chrono::minutes(59));
    ASSERT_FALSE(kept);
    EXPECT_EQ(kept.error().code, ErrorCode::kAuditBroken);
  }
  EXPECT_EQ(readAnchors(file_)->size(), 3U);
  EXPECT_EQ(appendAnchor(file_, {6, std::string(64, 'b')}, begin + std::chrono::hours(1)), Anchored::kBackwards);
}

// A taken-over agentd that has a number anchored which no log ever reaches stops nobody's heads, and is seen.
TEST_F(AnchorTest, TheGreatestNumberStopsNoHonestHead) {
  auto log = openLog();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(log->append({.kind = "test", .actor = "agentd"}));
  ASSERT_EQ(appendAnchor(file_, log->head(), clock_.now()), Anchored::kKept);
  ASSERT_EQ(appendAnchor(file_, head(std::numeric_limits<std::uint64_t>::max()), clock_.now()), Anchored::kKept);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(log->append({.kind = "test", .actor = "agentd"}));
    ASSERT_TRUE(appendAnchor(file_, log->head(), clock_.now())) << i;
  }
  const auto heads = readAnchors(file_);
  ASSERT_TRUE(heads);
  EXPECT_EQ(heads->back().sequence, log->head().sequence);
  const auto verdict = verifyAudit(directory_, *heads);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->state, AuditVerdict::State::kBroken);
  EXPECT_EQ(verdict->anchoredUpTo, log->head().sequence) << "the honest ones count";
  EXPECT_THAT(verdict->what, ::testing::HasSubstr("18446744073709551615"));
}

// However long somebody floods the file: what shows the lie is not thinned away.
TEST_F(AnchorTest, AContradictionOutlivesEveryThinning) {
  std::string line = " " + std::string(64, 'a') + " 2026-11-20T00:00:00.000Z\n", many = "1" + line;
  many += "999999999" + line + "2" + line;
  std::uint64_t last = 3;
  for (int round = 0; round < 6; ++round) {
    while (many.size() <= (1 << 20)) many += std::to_string(last++) + line;
    put(file_, many);
    ASSERT_TRUE(appendAnchor(file_, head(last++), clock_.now()));
    many = bytesOf(file_);
  }
  EXPECT_THAT(many, ::testing::HasSubstr("999999999" + line + "2" + line));
}

TEST_F(AnchorTest, AGrownFileIsThinnedAndKeepsItsEnd) {
  std::string line = " " + std::string(64, 'a') + " 2026-11-20T00:00:00.000Z\n", many;
  for (int i = 1; many.size() <= (1 << 20); ++i) many += std::to_string(i) + line;
  put(file_, many);
  auto before = readAnchors(file_)->back().sequence;
  ASSERT_TRUE(appendAnchor(file_, head(before + 1), clock_.now()));
  auto heads = readAnchors(file_);
  ASSERT_TRUE(heads);
  EXPECT_LT(heads->size(), before);
  EXPECT_EQ(heads->at(heads->size() - 2).sequence, before);
  EXPECT_EQ(heads->back().sequence, before + 1);
}

}  // namespace
}  // namespace agentos::govern
