// SPDX-License-Identifier: Apache-2.0
#include "models/sse.h"

#include <gmock/gmock.h>

namespace agentos::models {
namespace {

using testing::ElementsAre;

constexpr std::string_view kStream =
    ": comment\n\ndata: one\n\ndata:two\r\n\r\nevent: x\nid: 3\ndata: a\ndata: b\n\nretry: 5\n\ndata\n\ndata:\n\ndata: "
    "[DONE]\n\n";

TEST(Sse, ReadsTheDataOfEachEvent) {
  SseParser parser(1000);
  EXPECT_THAT(*parser.feed(kStream), ElementsAre("one", "two", "a\nb", "", "[DONE]"));
  EXPECT_FALSE(parser.inEvent());
}

TEST(Sse, ReadsTheSameByteByByte) {
  SseParser parser(1000);
  std::vector<std::string> all;
  for (const char c : kStream)
    for (const auto& event : *parser.feed(std::string_view(&c, 1))) all.push_back(event);
  EXPECT_THAT(all, ElementsAre("one", "two", "a\nb", "", "[DONE]"));
}

TEST(Sse, AnEventThatHasNotEndedIsNotGiven) {
  SseParser parser(1000);
  EXPECT_THAT(*parser.feed("data: half"), ElementsAre());
  EXPECT_TRUE(parser.inEvent());
}

TEST(Sse, AnEndlessLineAndAnEndlessEventAreRefused) {
  SseParser line(1000);
  EXPECT_TRUE(line.feed(std::string(1000, 'x')));
  EXPECT_EQ(line.feed("x").error().code, ErrorCode::kModelUpstream);
  SseParser event(1000);
  Result<std::vector<std::string>> last;
  for (int i = 0; i < 100 && last; ++i) last = event.feed("data: 0123456789012345\n");
  EXPECT_FALSE(last);
}

}  // namespace
}  // namespace agentos::models
