// SPDX-License-Identifier: Apache-2.0
#include "base/host_name.h"

#include <gtest/gtest.h>

namespace agentos {
namespace {

TEST(CanonicalHost, OneHostHasOneForm) {
  EXPECT_EQ(canonicalHost("API.Example.ORG"), "api.example.org");
  EXPECT_EQ(canonicalHost("api.example.org."), "api.example.org");
  EXPECT_EQ(canonicalHost("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(canonicalHost("10.0.0.7"), "10.0.0.7");
  EXPECT_EQ(canonicalHost("2001:DB8:0:0::1"), "2001:db8::1");
  EXPECT_EQ(canonicalHost("localhost"), "localhost");
  EXPECT_EQ(canonicalHost("_acme.a-b.example"), "_acme.a-b.example");
  EXPECT_EQ(canonicalHost("1e100.net"), "1e100.net");
}

TEST(CanonicalHost, WhatCouldBeTwoThingsIsNone) {
  for (const char* bad : {"",
                          ".",
                          "..",
                          "a..b",
                          ".a.b",
                          "a.b..",
                          "-a.b",
                          "a-.b",
                          "a b",
                          "a\tb",
                          "a/b",
                          "a@b",
                          "a:80",
                          "a%2eb",
                          "a?b",
                          "a#b",
                          "127.1",
                          "2130706433",
                          "0x7f000001",
                          "0x7f.1",
                          "0177.0.0.1",
                          "127.0.0.1.",
                          "a.1",
                          "1.2.3.256",
                          "example.0x1",
                          "b\xC3\xBC"
                          "cher.example",
                          "\xEF\xBC\x91.example",
                          "a\\b",
                          "a.b\r\n",
                          "[::1]",
                          "::1%lo",
                          "*.a.b"})
    EXPECT_FALSE(canonicalHost(bad)) << bad;
  EXPECT_FALSE(canonicalHost(std::string_view("a\0.b", 4)));
  EXPECT_FALSE(canonicalHost(std::string(64, 'a') + ".b"));
  std::string longest;
  for (int i = 0; i < 127; ++i) longest += "a.";
  EXPECT_TRUE(canonicalHost(longest.substr(0, 253)));
  EXPECT_FALSE(canonicalHost(longest + "abc"));
}

TEST(CanonicalHost, IsBracketedBeforeAPort) {
  EXPECT_EQ(bracketed("::1"), "[::1]");
  EXPECT_EQ(bracketed("a.b"), "a.b");
}

}  // namespace
}  // namespace agentos
