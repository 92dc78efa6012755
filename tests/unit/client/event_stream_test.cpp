// SPDX-License-Identifier: Apache-2.0
#include "client/event_stream.h"

#include <gtest/gtest.h>

namespace agentos::client {
namespace {

std::string parse(std::string_view text, std::size_t pieceSize) {
  EventStreamParser parser;
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += pieceSize) {
    parser.feed(text.substr(at, pieceSize), [&](const ServerEvent& event) {
      return out += "[" + event.id + "|" + event.kind + "|" + event.data + "]", true;
    });
  }
  return out;
}

TEST(EventStreamTest, WhereverTheBytesAreCut) {
  std::string_view text =
      ": comment\n\nid: 1\nevent: k\ndata: a\ndata: b\n\ndata:no space\nretry: 5\n\nid: 2\n\ndata: c\r\n\r\n";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    EXPECT_EQ(parse(text, size), "[1|k|a\nb][1|message|no space][2|message|c]") << size;
  }
}

TEST(EventStreamTest, AnUnfinishedEventIsNone) { EXPECT_EQ(parse("id: 1\ndata: a\n", 3), ""); }

TEST(EventStreamTest, TheSinkCanStop) {
  EventStreamParser parser;
  int seen = 0;
  EXPECT_FALSE(parser.feed("data: a\n\ndata: b\n\n", [&](const ServerEvent&) { return ++seen, false; }));
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace agentos::client
