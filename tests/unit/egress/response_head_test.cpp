// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/response_head.h"

#include <gtest/gtest.h>

namespace agentos::agentd::egress {
namespace {

ResponseHead read(const std::string& text, const char* method = "GET") {
  auto head = parseResponseHead(text, method);
  if (!head) ADD_FAILURE() << head.error().error.message() << "\n" << text;
  return head.value_or(ResponseHead{});
}
bool refused(const std::string& text) { return !parseResponseHead(text, "GET"); }

TEST(ResponseHead, SaysWhereItEnds) {
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n").length, 7U);
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n").framing, Framing::kChunked);
  EXPECT_EQ(read("HTTP/1.0 200 OK\r\n\r\n").framing, Framing::kUntilEnd);
  EXPECT_EQ(read("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n").framing, Framing::kNone);
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "HEAD").framing, Framing::kNone);
  EXPECT_TRUE(read("HTTP/1.1 103 Early Hints\r\n\r\n").interim());
  EXPECT_EQ(read("HTTP/1.1 200\r\n\r\n").status, 200);
}

TEST(ResponseHead, WhatSaysTwoThingsIsRefused) {
  for (const char* text :
       {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 7x\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 7\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 099 X\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded\r\n\r\n", "ICY 200 OK\r\n\r\n", "HTTP/1.1 200 O\x01K\r\n\r\n",
        "HTTP/1.1 20\r\n\r\n", "\r\n\r\n"})
    EXPECT_TRUE(refused(text)) << text;
}

TEST(ResponseHead, IsWrittenAgain) {
  auto head =
      read("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(forwardedHead(head, false),
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
}

TEST(ChunkReader, TakesABodyApartWhateverItsPieces) {
  const std::string body = "5\r\nhello\r\n6;name=\"x\"\r\n world\r\n0\r\nTrailer: 1\r\n\r\nGET /";
  for (std::size_t piece = 1; piece < body.size(); ++piece) {
    ChunkReader reader;
    std::string payload;
    std::size_t at = 0;
    while (at < body.size() && !reader.done()) {
      const auto taken = reader.feed(std::string_view(body).substr(at, piece), payload);
      ASSERT_TRUE(taken) << piece;
      at += *taken;
    }
    EXPECT_TRUE(reader.done());
    EXPECT_EQ(payload, "hello world");
    EXPECT_EQ(body.substr(at), "GET /");  // what comes after is not taken
  }
}

TEST(ChunkReader, RefusesWhatSomebodyElseReadsOtherwise) {
  for (const char* bad : {"5\nhello\r\n0\r\n\r\n", "5\r\nhelloX\r\n", "5\r\nhello\n0\r\n\r\n", "-5\r\n", "+5\r\n",
                          "0x5\r\n", " 5\r\n", "5 \r\n", ";x\r\n", "\r\n", "FFFFFFFFFFFFFFFF\r\n",
                          "10000000000000000\r\n", "5;\nx\r\nhello\r\n", "0\r\nX: \x01\r\n\r\n", "0\r\nX\n\r\n"}) {
    ChunkReader reader;
    std::string payload;
    EXPECT_FALSE(reader.feed(bad, payload)) << bad;
  }
  ChunkReader endless;
  std::string payload;
  EXPECT_FALSE(endless.feed("5;" + std::string(9000, 'x'), payload));
  ChunkReader trailers;
  EXPECT_FALSE(trailers.feed("0\r\n" + std::string(9000, 'x'), payload));
}

TEST(ChunkReader, ChunksAgain) {
  EXPECT_EQ(chunkOf("hello"), "5\r\nhello\r\n");
  EXPECT_EQ(chunkOf(std::string(256, 'x')).substr(0, 5), "100\r\n");
}

}  // namespace
}  // namespace agentos::agentd::egress
