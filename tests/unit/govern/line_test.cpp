// SPDX-License-Identifier: Apache-2.0
#include "govern/line.h"

#include <gtest/gtest.h>

#include "base/digest.h"

namespace agentos::govern {
namespace {

AuditEntry sample() {
  return {.sequence = 7,
          .time = Timestamp(std::chrono::milliseconds(1'795'000'000'120)),
          .event = {.kind = "task.claimed",
                    .actor = "agentd",
                    .agent = "maker",
                    .task = "task-2026-1120-001",
                    .data = {{"epoch", 3}, {"note", "a \"quoted\" ü\n"}}},
          .previous = zeroHash(),
          .hash = {}};
}

std::string lineOf(AuditEntry entry) {
  auto line = renderLine(entry);
  EXPECT_TRUE(line) << line.error().message();
  line->pop_back();
  return *line;
}

TEST(LineTest, HasTheFormatThatTheDocumentSays) {
  std::string line = lineOf(sample());
  auto at = line.find("\"hash\":\"");
  std::string without = line.substr(0, at) + line.substr(at + 8 + 64 + 2);
  EXPECT_EQ(without,
            R"({"actor":"agentd","agent":"maker","data":{"epoch":3,"note":"a \"quoted\" ü\n"},"kind":"task.claimed",)"
            R"("prev":"0000000000000000000000000000000000000000000000000000000000000000","seq":7,)"
            R"("task":"task-2026-1120-001","time":"2026-11-18T11:06:40.120Z","v":1})");
  EXPECT_EQ(line.substr(at + 8, 64), sha256(without));
}

TEST(LineTest, ComesBackAsItWas) {
  AuditEntry entry = sample();
  ASSERT_TRUE(renderLine(entry));
  auto again = parseLine(lineOf(entry));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->sequence, entry.sequence);
  EXPECT_EQ(again->time, entry.time);
  EXPECT_EQ(again->hash, entry.hash);
  EXPECT_EQ(again->event.data, entry.event.data);
  EXPECT_EQ(again->event.task, entry.event.task);
}

TEST(LineTest, EveryFlippedBitIsSeen) {
  const std::string line = lineOf(sample());
  for (std::size_t at = 0; at < line.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = line;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      EXPECT_FALSE(parseLine(flipped)) << "byte " << at << " bit " << bit << ": " << flipped;
    }
  }
}

TEST(LineTest, AnotherWritingOfTheSameContentIsSeen) {
  std::string line = lineOf(sample());
  EXPECT_FALSE(parseLine(" " + line));
  std::string extra = line;
  EXPECT_FALSE(parseLine(extra.insert(1, "\"aaa\":1,")));
}

TEST(LineTest, BytesThatAreNoUtf8DoNotLoseTheEvent) {
  AuditEntry entry = sample();
  entry.event.agent = "bad\xff";
  entry.event.data["path"] = "x\xfe";
  auto line = renderLine(entry);
  ASSERT_TRUE(line) << line.error().message();
  line->pop_back();
  EXPECT_TRUE(parseLine(*line));
}

TEST(LineTest, WhatTheChainCannotHoldIsTheCallersError) {
  AuditEntry real = sample();
  real.event.data["ratio"] = 0.5;
  EXPECT_EQ(renderLine(real).error().code, ErrorCode::kInvalidArgument);
  AuditEntry list = sample();
  list.event.data = Json::array();
  EXPECT_EQ(renderLine(list).error().code, ErrorCode::kInvalidArgument);
  AuditEntry huge = sample();
  huge.event.data["text"] = std::string(kMaxLine, 'x');
  EXPECT_EQ(renderLine(huge).error().code, ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace agentos::govern
