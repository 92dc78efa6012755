// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/resolver.h"

#include <gtest/gtest.h>

#include "../agentd_http/loop.h"

namespace agentos::agentd::egress {
namespace {

TEST(SystemResolver, ReadsTheMachinesFiles) {
  agentd::test::Loop loop;
  SystemResolver resolver(loop.io);
  auto found = loop.await(resolver.resolve("localhost"));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(specialUse(found->front()), "a loopback address");
  loop.stop();
}

TEST(SystemResolver, WhoAsksForTheSameWaitsForTheSame) {
  agentd::test::Loop loop;
  SystemResolver resolver(loop.io);
  std::vector<std::future<Result<std::vector<IpAddress>>>> asked;
  for (int i = 0; i < 200; ++i)
    asked.push_back(boost::asio::co_spawn(loop.io, resolver.resolve("localhost"), boost::asio::use_future));
  for (auto& one : asked) EXPECT_TRUE(one.get());
  loop.stop();
}

TEST(SystemResolver, WhatIsNotThereIsSaid) {
  agentd::test::Loop loop;
  SystemResolver resolver(loop.io);
  auto found = loop.await(resolver.resolve("nowhere.invalid"));
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().what.find("nowhere.invalid"), std::string::npos);
  loop.stop();
}

}  // namespace
}  // namespace agentos::agentd::egress
