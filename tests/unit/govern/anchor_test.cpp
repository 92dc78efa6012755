// SPDX-License-Identifier: Apache-2.0
#include "govern/anchor.h"

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
TEST_F(AnchorTest, GoesForwardOnly) {
  ASSERT_TRUE(appendAnchor(file_, head(5), clock_.now()));
  EXPECT_TRUE(appendAnchor(file_, head(5), clock_.now())) << "said again after a restart";
  for (const AuditHead& forged : {head(4), AuditHead{5, std::string(64, 'b')}}) {
    auto kept = appendAnchor(file_, forged, clock_.now());
    ASSERT_FALSE(kept);
    EXPECT_EQ(kept.error().code, ErrorCode::kAuditBroken);
  }
  auto heads = readAnchors(file_);
  ASSERT_TRUE(heads);
  ASSERT_EQ(heads->size(), 1U);
  EXPECT_EQ(heads->front().hash, std::string(64, 'a'));
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
