// SPDX-License-Identifier: Apache-2.0
#include "base/ip_address.h"

#include <gtest/gtest.h>

namespace agentos {
namespace {

IpAddress at(const char* text) { return IpAddress::parse(text).value(); }

TEST(IpAddress, IsParsedStrictly) {
  for (const char* good : {"1.2.3.4", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1", "::ffff:10.0.0.1"})
    EXPECT_TRUE(IpAddress::parse(good)) << good;
  // What inet_aton(3), a browser or a C library take for 127.0.0.1 or the like.
  for (const char* bad :
       {"",          "127.1",     "2130706433",   "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.01", "1.2.3",
        "1.2.3.4.5", "1.2.3.256", "1.2.3.",       ".1.2.3",     " 1.2.3.4",   "1.2.3.4 ",   "+1.2.3.4",   "1.2.3.-4",
        "[::1]",     "::1%lo",    "fe80::1%eth0", ":",          "1::2::3",    "12345::",    "::1.2.3"})
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
}

TEST(IpAddress, IsWrittenAsItWasRead) {
  for (const char* text : {"1.2.3.4", "::1", "2001:db8::a:1"}) EXPECT_EQ(at(text).text(), text);
  EXPECT_EQ(at("2001:DB8:0:0::1").text(), "2001:db8::1");
}

TEST(IpRange, HoldsItsAddressesAndNoOther) {
  auto range = IpRange::parse("10.1.0.0/16").value();
  EXPECT_TRUE(range.contains(at("10.1.255.255")));
  EXPECT_FALSE(range.contains(at("10.2.0.0")));
  EXPECT_FALSE(range.contains(at("::ffff:10.1.0.1")));  // another form is another address
  EXPECT_TRUE(IpRange::parse("0.0.0.0/0")->contains(at("8.8.8.8")));
  EXPECT_TRUE(IpRange::parse("fd00::/8")->contains(at("fdff::1")));
  EXPECT_EQ(IpRange::parse("10.1.2.3")->prefix, 32);
  for (const char* bad : {"10.1.0.0/33", "10.1.0.1/16", "10.1.0.0/", "10.1.0.0/016", "10.1.0.0/-1", "fd00::/129", "/8"})
    EXPECT_FALSE(IpRange::parse(bad)) << bad;
}

TEST(IpAddress, WhatIsNotThePublicInternetIsKnown) {
  for (const char* special : {"0.0.0.0",
                              "0.1.2.3",
                              "10.0.0.1",
                              "100.64.0.1",
                              "100.127.255.255",
                              "127.0.0.1",
                              "127.255.0.1",
                              "169.254.169.254",
                              "169.254.1.1",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "192.0.0.8",
                              "192.0.2.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "198.51.100.1",
                              "203.0.113.1",
                              "224.0.0.1",
                              "239.1.1.1",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::ffff:8.8.8.8",
                              "::127.0.0.1",
                              "64:ff9b::a00:1",
                              "64:ff9b:1::1",
                              "100::1",
                              "2001::1",
                              "2001:db8::1",
                              "2002:7f00:1::",
                              "fc00::1",
                              "fd12::1",
                              "fe80::1",
                              "fec0::1",
                              "ff02::1"})
    EXPECT_TRUE(specialUse(at(special))) << special;
  for (const char* open : {"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
                           "126.255.255.255", "128.0.0.1", "169.253.0.1", "172.15.0.1", "172.32.0.1", "192.167.0.1",
                           "192.169.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "2001:4860::8888"})
    EXPECT_FALSE(specialUse(at(open))) << open;
  EXPECT_EQ(specialUse(at("169.254.169.254")), "a cloud's metadata service");
}

TEST(IpAddress, SomeAreNeverAServer) {
  for (const char* never : {"0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "::ffff:10.0.0.1", "64:ff9b::a00:1",
                            "2002:a00:1::", "2001::1", "ff02::1"})
    EXPECT_TRUE(isNeverAServer(at(never))) << never;
  for (const char* may : {"10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1", "8.8.8.8"})
    EXPECT_FALSE(isNeverAServer(at(may))) << may;
}

}  // namespace
}  // namespace agentos
