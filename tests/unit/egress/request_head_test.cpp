// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/request_head.h"

#include <gtest/gtest.h>

namespace agentos::agentd::egress {
namespace {

RequestHead read(const std::string& text) {
  auto head = parseRequestHead(text);
  if (!head) ADD_FAILURE() << head.error().error.message() << "\n" << text;
  return head.value_or(RequestHead{});
}

// The status that refuses it; 0 when it is taken.
int refused(const std::string& text) {
  auto head = parseRequestHead(text);
  return head ? 0 : head.error().status;
}

std::string get(const std::string& target, const std::string& more = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: a.example\r\n" + more + "\r\n";
}

TEST(RequestHead, PlainHttpInAbsoluteForm) {
  auto head = read("GET http://A.Example:8080/x?y=1 HTTP/1.1\r\nHost: a.example:8080\r\nAccept: */*\r\n\r\n");
  EXPECT_FALSE(head.tunnel);
  EXPECT_EQ(head.host, "a.example");
  EXPECT_EQ(head.port, 8080);
  EXPECT_EQ(head.path, "/x");
  EXPECT_EQ(head.query, "?y=1");
  EXPECT_EQ(forwardedHead(head),
            "GET /x?y=1 HTTP/1.1\r\nHost: a.example:8080\r\nAccept: */*\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(read(get("http://a.example")).path, "/");
  EXPECT_EQ(read(get("HTTP://a.example?q")).query, "?q");
  EXPECT_EQ(read("GET http://[2001:DB8::1]/ HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n").target(), "[2001:db8::1]:80");
}

TEST(RequestHead, Tunnels) {
  auto head = read("CONNECT API.example.:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n");
  EXPECT_TRUE(head.tunnel);
  EXPECT_EQ(head.target(), "api.example:443");
  EXPECT_EQ(read("CONNECT a.example:443 HTTP/1.0\r\n\r\n").port, 443);
  EXPECT_EQ(read("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n").port, 443);
  EXPECT_EQ(read("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n").host, "::1");
  for (const char* target : {"a.example",
                             "a.example:",
                             "a.example:0",
                             "a.example:00443",
                             "a.example:65536",
                             "a.example:443/",
                             "https://a.example:443",
                             "user@a.example:443",
                             ":443",
                             "*:443",
                             "a.example:443:443",
                             "[::1]",
                             "::1:443",
                             "[a.example]:443",
                             "127.1:443",
                             "0x7f000001:443",
                             "2130706433:443",
                             "a..example:443",
                             "a.example%00:443",
                             "b\xC3\xBC.example:443"})
    EXPECT_NE(refused("CONNECT " + std::string(target) + " HTTP/1.1\r\n\r\n"), 0) << target;
}

TEST(RequestHead, OneHostOnly) {
  EXPECT_EQ(refused(get("http://b.example/")), 400);
  EXPECT_EQ(refused("GET http://a.example/ HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refused(get("http://a.example/", "Host: a.example\r\n")), 400);
  EXPECT_EQ(refused("GET http://a.example:81/ HTTP/1.1\r\nHost: a.example\r\n\r\n"), 400);
  EXPECT_EQ(refused("CONNECT a.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n"), 400);
  EXPECT_EQ(refused("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:444\r\n\r\n"), 400);
  for (const char* target : {"http://user@a.example/", "http://a.example@b.example/", "http://a.example#x", "/",
                             "https://a.example/", "ftp://a.example/", "http:///x", "http://", "*", "a.example",
                             "http://a.example\\@b.example/", "http://a.example:0/", "//a.example/"})
    EXPECT_NE(refused(get(target)), 0) << target;
}

TEST(RequestHead, OneLengthOnly) {
  const std::string post = "POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\n";
  EXPECT_EQ(read(post + "Content-Length: 5\r\n\r\n").length, 5U);
  EXPECT_EQ(read(post + "Transfer-Encoding: chunked\r\n\r\n").framing, Framing::kChunked);
  for (const char* both : {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                           "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                           "Content-Length: 5\r\nContent-Length: 6\r\n",
                           "Content-Length: 5\r\nContent-Length: 5\r\n",
                           "Content-Length: 5, 5\r\n",
                           "Content-Length: +5\r\n",
                           "Content-Length: -1\r\n",
                           "Content-Length: 0x5\r\n",
                           "Content-Length: 5 5\r\n",
                           "Content-Length:\r\n",
                           "Content-Length: 99999999999999999999\r\n",
                           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                           "Transfer-Encoding: gzip, chunked\r\n",
                           "Transfer-Encoding: chunked, identity\r\n",
                           "Transfer-Encoding: xchunked\r\n",
                           "Transfer-Encoding: \"chunked\"\r\n",
                           "Transfer-Encoding: \vchunked\r\n",
                           "Transfer-Encoding : chunked\r\n",
                           "Content-Length : 5\r\n",
                           "Transfer_Encoding\r\n",
                           "X: y\r\n Transfer-Encoding: chunked\r\n",
                           "X: y\r\n\tz\r\n"})
    EXPECT_NE(refused(post + both + "\r\n"), 0) << both;
  EXPECT_NE(refused("POST http://a.example/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 0);
  EXPECT_NE(refused("CONNECT a.example:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\n"), 0);
  EXPECT_EQ(refused("CONNECT a.example:443 HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), 0);
}

TEST(RequestHead, LinesEndOneWayOnly) {
  for (const std::string text :
       {"GET http://a.example/ HTTP/1.1\nHost: a.example\n\n",
        "GET http://a.example/ HTTP/1.1\r\nHost: a.example\n\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nX: a\rY: b\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\rHost: a.example\r\n\r\n",
        "\r\nGET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        " GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET  http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET http://a.example/ HTTP/1.1 \r\nHost: a.example\r\n\r\n",
        "GET\thttp://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET http://a.example/ HTTP/2.0\r\nHost: a.example\r\n\r\n",
        "GET http://a.example/ http/1.1\r\nHost: a.example\r\n\r\n", "GET http://a.example/\r\nHost: a.example\r\n\r\n",
        "G(T http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n: x\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nX\r\n\r\n",
        "GET http://a.example/\xC3\xBC HTTP/1.1\r\nHost: a.example\r\n\r\n", ""})
    EXPECT_NE(refused(text), 0) << text;
  EXPECT_NE(refused(get("http://a.example/", std::string("X: a\0b\r\n", 8))), 0);
  std::string many;
  for (int i = 0; i < 101; ++i) many += "X: y\r\n";
  EXPECT_EQ(refused(get("http://a.example/", many)), 431);
}

TEST(RequestHead, WhatIsBetweenTwoHopsStaysThere) {
  auto head = read(
      get("http://a.example/",
          "Connection: close, X-Secret, Content-Length\r\nProxy-Connection: keep-alive\r\nX-Secret: 1\r\n"
          "Proxy-Authorization: Basic eA==\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nTE: trailers\r\nKeep-Alive: 5\r\n"
          "X-Kept: 1\r\n"));
  EXPECT_EQ(forwardedHead(head), "GET / HTTP/1.1\r\nHost: a.example\r\nX-Kept: 1\r\nConnection: close\r\n\r\n");
  auto post = read(
      "POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(post.length, 5U);
  EXPECT_NE(forwardedHead(post).find("Content-Length: 5\r\n"), std::string::npos);
}

TEST(RequestHead, ExpectsOneThing) {
  EXPECT_TRUE(read(get("http://a.example/", "Expect: 100-Continue\r\n")).expectsContinue);
  EXPECT_EQ(refused(get("http://a.example/", "Expect: 200-ok\r\n")), 417);
}

TEST(PlainPath, HasOneMeaning) {
  for (const char* plain :
       {"/", "/v1/models", "/v1/models/", "/.well-known/x", "/a%20b", "/a;v=1", "/~x", "/a..b", "/%C3%BC"})
    EXPECT_TRUE(isPlainPath(plain)) << plain;
  for (const char* odd :
       {"",          "v1",     "/../x", "/a/..", "/a/../b", "/./a", "/a//b", "//a",   "/%2e%2e/x", "/a%2fb", "/a%5Cb",
        "/a\\..\\b", "/..;/x", "/a%00", "/%41",  "/a%",     "/a%2", "/a%zz", "/a%25", "/.;x/",     "/;/x",   "/a%3b"})
    EXPECT_FALSE(isPlainPath(odd)) << odd;
}

}  // namespace
}  // namespace agentos::agentd::egress
