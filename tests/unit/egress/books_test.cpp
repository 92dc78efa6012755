// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/books.h"

#include <gtest/gtest.h>

namespace agentos::agentd::egress {
namespace {

TEST(EgressBooks, AreReadAsTheyWereWritten) {
  auto db = Database::open(":memory:").value();
  auto books = Books::open(*db).value();
  const auto id = InstanceId::parse("maker.aaaaaa").value(), other = InstanceId::parse("maker.bbbbbb").value();
  Account account;
  account.of("a.example:443", "network.egress[0]") = {1, 2, 3, 4};
  account.of("b.example:443", "") = {0, 0, 0, 9};
  ASSERT_TRUE(books->save(id, account));
  account.of("a.example:443", "network.egress[0]").up = 7;
  ASSERT_TRUE(books->save(id, account));
  auto read = books->load(id).value();
  EXPECT_EQ(read.tallies, account.tallies);
  EXPECT_FALSE(read.fresh);
  EXPECT_EQ(read.bytes(), 9U);
  EXPECT_EQ(read.bytesOf("network.egress[0]"), 9U);
  EXPECT_EQ(read.bytesOf("network.egress[1]"), 0U);
  EXPECT_TRUE(books->load(other).value().fresh);
}

TEST(EgressBooks, ACapHoldsWhateverManyDestinationsThereAre) {
  Account account;
  for (int i = 0; i < 1000; ++i) account.of("x" + std::to_string(i) + ".example:443", "network.egress[0]").up += 10;
  EXPECT_EQ(account.tallies.size(), kMostDestinations + 1);
  EXPECT_EQ(account.bytesOf("network.egress[0]"), 10000U);
}

}  // namespace
}  // namespace agentos::agentd::egress
