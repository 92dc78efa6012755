// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/client_hello.h"

#include <gtest/gtest.h>

#include "hello.h"

namespace agentos::agentd::egress {
namespace {

using State = ClientHello::State;
using namespace test;

State stateOf(const std::string& bytes) { return readClientHello(bytes).state; }

TEST(ClientHello, NamesWhomItAsksFor) {
  auto hello = readClientHello(helloTo("api.example"));
  EXPECT_EQ(hello.state, State::kWhole);
  EXPECT_EQ(hello.name, "api.example");
  EXPECT_EQ(readClientHello(helloTo("api.example") + "more").name, "api.example");
  auto nameless = readClientHello(record(handshake(extension(0x2b, "\x02\x03\x04"))));
  EXPECT_EQ(nameless.state, State::kWhole);
  EXPECT_FALSE(nameless.name);
}

TEST(ClientHello, ComesInAnyPieces) {
  const std::string whole = helloTo("api.example");
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(stateOf(whole.substr(0, size)), State::kMore) << size;
  const std::string message = handshake(serverName("api.example") + extension(21, std::string(300, 'p')));
  for (std::size_t cut = 1; cut < message.size(); ++cut) {  // over two records
    auto hello = readClientHello(record(message.substr(0, cut)) + record(message.substr(cut)));
    ASSERT_EQ(hello.state, State::kWhole) << cut;
    EXPECT_EQ(hello.name, "api.example");
  }
}

TEST(ClientHello, WhatIsNoTlsIsSaid) {
  for (const std::string bytes :
       {"GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "\x80\x2e\x01\x03", "\x16\x02", "\x17\x03\x03"})
    EXPECT_EQ(stateOf(bytes), State::kNotTls) << bytes;
}

TEST(ClientHello, WhatSaysTwoThingsIsBad) {
  EXPECT_EQ(stateOf(record(handshake(serverName("a.example") + serverName("b.example")))), State::kBad);
  const std::string two = number(0, 1) + block("a.example", 2) + number(0, 1) + block("b.example", 2);
  EXPECT_EQ(stateOf(record(handshake(extension(0, block(two, 2))))), State::kBad);
  EXPECT_EQ(stateOf(record(handshake(extension(0, "")))), State::kBad);
  EXPECT_EQ(stateOf(record(handshake(extension(0, block(number(1, 1) + block("a", 2), 2))))), State::kBad);
  EXPECT_EQ(stateOf(record(number(2, 1) + block("x", 3))), State::kBad);              // not a hello
  EXPECT_EQ(stateOf(record(number(1, 1) + number(0xFFFFFF, 3) + "x")), State::kBad);  // too long to be one
  EXPECT_EQ(stateOf(number(22, 1) + number(0x0301, 2) + number(0, 2)), State::kBad);  // an empty record
  EXPECT_EQ(stateOf(record(handshake("\x01\x02\x03"))), State::kBad);
  std::string drip;  // a record for each byte, and never whole
  for (int i = 0; i < 12000; ++i) drip += record(i == 0 ? number(1, 1) + number(0xFFF0, 3) : "x");
  EXPECT_EQ(stateOf(drip), State::kBad);
}

TEST(ClientHello, EveryCutAndEveryFlippedBitEndsWell) {
  const std::string whole = helloTo("api.example");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      auto hello = readClientHello(bytes);
      if (hello.state == State::kWhole && hello.name) EXPECT_LE(hello.name->size(), bytes.size());
    }
  }
}

}  // namespace
}  // namespace agentos::agentd::egress
