// SPDX-License-Identifier: Apache-2.0
// Everything that can be done to a log, and whether verify says it and where.
#include "govern/line.h"
#include "log_fixture.h"

namespace agentos::govern {
namespace {

using State = AuditVerdict::State;
using ::testing::HasSubstr;

class VerifyTest : public LogTest {
 protected:
  VerifyTest() {
    auto log = openLog(4000);  // about a dozen lines a file
    fill(*log, 40);
    head_ = log->head();
    auto files = verify().files;
    EXPECT_GE(files, 3U);
  }
  void expectBroken(const std::string& where, const std::string& what, const std::vector<AuditHead>& anchors = {}) {
    auto verdict = verify(anchors);
    EXPECT_EQ(verdict.state, State::kBroken) << verdict.what;
    EXPECT_EQ(verdict.where, where);
    EXPECT_THAT(verdict.what, HasSubstr(what));
  }
  // The line as a forger writes it who knows the format: with another content and a hash that fits.
  static std::string forge(const std::string& line, const std::string& previous = {}) {
    auto entry = parseLine(std::string_view(line).substr(0, line.size() - 1));
    entry->event.data["i"] = 4711;
    if (!previous.empty()) entry->previous = previous;
    return *renderLine(*entry);
  }
  AuditHead headAt(std::uint64_t sequence) {
    auto entries = queryAudit(directory_, {.afterSequence = sequence - 1, .upToSequence = sequence});
    return {entries->at(0).sequence, entries->at(0).hash};
  }

  const std::string one_ = path("audit-000001.jsonl"), two_ = path("audit-000002.jsonl"),
                    three_ = path("audit-000003.jsonl");
  AuditHead head_;
};

TEST_F(VerifyTest, AWholeLogIsIntactAnchoredOrUnanchored) {
  EXPECT_EQ(verify().state, State::kUnanchored);
  auto anchored = verify({headAt(7), headAt(20)});
  EXPECT_EQ(anchored.state, State::kAnchored);
  EXPECT_EQ(anchored.anchoredUpTo, 20U);
  auto intact = verify({headAt(7), head_});
  EXPECT_EQ(intact.state, State::kIntact) << intact.what;
  EXPECT_EQ(intact.anchoredUpTo, 40U);
  EXPECT_EQ(intact.events, 40U);
}

TEST_F(VerifyTest, AnEmptyLogIsUnanchored) {
  std::filesystem::remove_all(directory_);
  openLog();
  EXPECT_EQ(verify().state, State::kUnanchored);
  EXPECT_EQ(verify().events, 0U);
}

TEST_F(VerifyTest, AFlippedByteAnywhereIsFoundAtItsLine) {
  const auto whole = bytesOf(two_);
  for (std::size_t at = 0; at < whole.size(); at += 37) {
    auto bytes = whole;
    bytes[at] ^= 4;
    put(two_, bytes);
    auto line = std::count(whole.begin(), whole.begin() + static_cast<long>(at), '\n') + 1;
    auto verdict = verify();
    EXPECT_EQ(verdict.state, State::kBroken) << "byte " << at;
    EXPECT_EQ(verdict.where, "audit-000002.jsonl:" + std::to_string(line)) << "byte " << at;
  }
}

TEST_F(VerifyTest, AFlippedNewlineIsFound) {
  auto bytes = bytesOf(two_);
  bytes.back() = ' ';
  put(two_, bytes);
  auto lines = std::count(bytes.begin(), bytes.end(), '\n') + 1;
  expectBroken("audit-000002.jsonl:" + std::to_string(lines), "incomplete line");
}

TEST_F(VerifyTest, ADeletedLine) {
  auto lines = linesOf(one_);
  lines.erase(lines.begin() + 4);
  putLines(one_, lines);
  expectBroken("audit-000001.jsonl:5", "1 event is missing between event 4 and event 6");
}

TEST_F(VerifyTest, SeveralDeletedLines) {
  auto lines = linesOf(one_);
  lines.erase(lines.begin() + 4, lines.begin() + 8);
  putLines(one_, lines);
  expectBroken("audit-000001.jsonl:5", "4 events are missing between event 4 and event 9");
}

TEST_F(VerifyTest, TheFirstLineDeleted) {
  auto lines = linesOf(one_);
  lines.erase(lines.begin());
  putLines(one_, lines);
  expectBroken("audit-000001.jsonl:1", "1 event is missing between event 0 and event 2");
}

TEST_F(VerifyTest, SwappedLines) {
  auto lines = linesOf(two_);
  std::swap(lines[2], lines[3]);
  putLines(two_, lines);
  expectBroken("audit-000002.jsonl:3", "deleted or moved");
}

TEST_F(VerifyTest, AnInsertedCopyOfALine) {
  auto lines = linesOf(two_);
  lines.insert(lines.begin() + 5, lines[1]);
  putLines(two_, lines);
  expectBroken("audit-000002.jsonl:6", "inserted or moved");
}

TEST_F(VerifyTest, AnInsertedForgeryWithTheRightNumber) {
  auto lines = linesOf(two_);
  lines.insert(lines.begin() + 5, forge(lines[5]));
  putLines(two_, lines);
  expectBroken("audit-000002.jsonl:7", "inserted or moved");
}

TEST_F(VerifyTest, AChangedLineWithAHashThatFitsBreaksTheNext) {
  auto lines = linesOf(two_);
  lines[5] = forge(lines[5]);
  putLines(two_, lines);
  expectBroken("audit-000002.jsonl:7", "one of the two was replaced");
}

TEST_F(VerifyTest, AChangedLastLineWithAHashThatFitsNeedsTheAnchor) {
  auto last = "audit-" + std::string("00000") + std::to_string(verify().files) + ".jsonl";
  auto lines = linesOf(path(last));
  lines.back() = forge(lines.back());
  putLines(path(last), lines);
  EXPECT_EQ(verify().state, State::kUnanchored);  // without the wall it passes: that is what the anchor is for
  expectBroken(last + ":" + std::to_string(lines.size()), "not the one that the anchor knows", {head_});
}

TEST_F(VerifyTest, TruncationNeedsTheAnchor) {
  auto last = "audit-00000" + std::to_string(verify().files) + ".jsonl";
  auto lines = linesOf(path(last));
  lines.pop_back();
  putLines(path(last), lines);
  EXPECT_EQ(verify().state, State::kUnanchored);
  expectBroken(last + ":" + std::to_string(std::max<std::size_t>(lines.size(), 1)),
               "truncated: the anchor knows event 40", {head_});
}

TEST_F(VerifyTest, TheWholeLogEmptiedNeedsTheAnchor) {
  std::filesystem::remove_all(directory_);
  std::filesystem::create_directory(directory_);
  expectBroken("", "truncated: the anchor knows event 40, the log ends with event 0", {head_});
}

TEST_F(VerifyTest, ARemovedFile) {
  std::filesystem::remove(two_);
  expectBroken("audit-000003.jsonl:1", "audit-000002.jsonl is missing");
}

TEST_F(VerifyTest, TheFirstFileRemoved) {
  std::filesystem::remove(one_);
  expectBroken("audit-000002.jsonl:1", "audit-000001.jsonl is missing");
}

TEST_F(VerifyTest, ARenamedFile) {
  std::filesystem::rename(two_, path("audit-000099.jsonl"));
  expectBroken("audit-000003.jsonl:1", "audit-000002.jsonl is missing");
}

TEST_F(VerifyTest, TwoFilesThatChangedNames) {
  std::filesystem::rename(two_, path("x"));
  std::filesystem::rename(three_, two_);
  std::filesystem::rename(path("x"), three_);
  expectBroken("audit-000002.jsonl:1", "missing between");
}

TEST_F(VerifyTest, AnEmptiedFileInTheMiddle) {
  put(two_, "");
  expectBroken("audit-000003.jsonl:1", "missing between");
}

TEST_F(VerifyTest, AChainStartedAgainInTheMiddle) {
  auto lines = linesOf(one_);
  auto second = linesOf(two_);
  second.insert(second.begin() + 2, lines[0]);
  putLines(two_, second);
  expectBroken("audit-000002.jsonl:3", "the chain was started again");
}

TEST_F(VerifyTest, AChainWrittenAnewNeedsTheAnchor) {
  std::vector<AuditHead> anchors{headAt(20), head_};
  std::filesystem::remove_all(directory_);
  clock_.advance(std::chrono::seconds(1));
  fill(*openLog(), 41);
  EXPECT_EQ(verify().state, State::kUnanchored);
  expectBroken("audit-000001.jsonl:20", "not the one that the anchor knows", anchors);
}

TEST_F(VerifyTest, GarbageIsFoundWhateverItIs) {
  for (const std::string& garbage :
       {std::string("\n"), std::string("null\n"), std::string("[]\n"), std::string(100, '\0') + "\n",
        std::string("{\"seq\":-1,\"data\":{}}\n"), std::string("{}\n")}) {
    auto lines = linesOf(one_);
    lines.insert(lines.begin() + 3, garbage);
    putLines(one_, lines);
    expectBroken("audit-000001.jsonl:4", "line 4 was changed");
    lines.erase(lines.begin() + 3);
    putLines(one_, lines);
  }
}

TEST_F(VerifyTest, AnEndlessLineIsRefusedAndNotRead) {
  put(three_, std::string(3 << 20, 'x'));
  expectBroken("audit-000003.jsonl:1", "a line of more than");
}

}  // namespace
}  // namespace agentos::govern
