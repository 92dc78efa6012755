// SPDX-License-Identifier: Apache-2.0
#include "models/ledger.h"

#include <gmock/gmock.h>

#include <random>

namespace agentos::models {
namespace {

using testing::HasSubstr;

const Account kMaker{"maker", "maker.aaaaaa", "task-2026-1120-001"};
const Account kGrower{"grower", "grower.bbbbbb", ""};

class LedgerTest : public testing::Test {
 protected:
  FakeClock clock{*parseTimestamp("2026-11-20T12:00:00Z")};
  std::unique_ptr<Database> db = *Database::open(":memory:");
  std::unique_ptr<Ledger> ledger = *Ledger::open(*db, clock, "Europe/Berlin");

  Result<std::int64_t> reserve(const Account& who, const Caps& caps, std::int64_t micro, std::int64_t tokens = 10) {
    return ledger->reserve(who, caps, "scripted/default", {micro}, tokens);
  }
  void spend(const Account& who, std::int64_t micro, Usage usage = {100, 20, 0}) {
    const auto id = reserve(who, {}, micro);
    ASSERT_TRUE(id);
    ASSERT_TRUE(ledger->settle(*id, usage, {micro}, "ok"));
  }
};

TEST(Price, IsExactAndRoundsUpOncePerCall) {
  const Price price{{3'000'000}, {15'000'000}, {300'000}};
  EXPECT_EQ(costOf(price, {1000, 500, 0}).count, 3000 + 7500);
  EXPECT_EQ(costOf(price, {1000, 0, 400}).count, 1800 + 120);
  EXPECT_EQ(costOf(price, {1, 0, 1}).count, 1);  // 0.3 becomes 1
  EXPECT_EQ(costOf(price, {0, 0, 0}).count, 0);
  EXPECT_EQ(costOf({{1}, {1}, {1}}, {1, 1, 0}).count, 1);  // the sum is rounded, not each part
}

TEST(Price, NeitherOverflowsNorGoesNegative) {
  const Price dear{{INT64_MAX}, {INT64_MAX}, {INT64_MAX}};
  EXPECT_EQ(costOf(dear, {INT64_MAX, INT64_MAX, 0}).count, 1'000'000'000'000'000);
  EXPECT_EQ(costOf({{5}, {5}, {5}}, {-1'000'000'000, -5, -5}).count, 0);
  EXPECT_EQ(costOf({{1'000'000}, {0}, {0}}, {10, 0, 1000}).count,
            0);  // more cached than there was input: all of it cached
}

TEST_F(LedgerTest, ReservationsCountAgainstTheCapUntilTheyAreSettled) {
  const Caps caps{.perRun = MicroUsd{100}};
  const auto first = reserve(kMaker, caps, 60);
  ASSERT_TRUE(first);
  EXPECT_EQ(reserve(kMaker, caps, 41).error().code, ErrorCode::kBudgetExhausted);
  EXPECT_TRUE(reserve(kMaker, caps, 40));  // exactly full
  ASSERT_TRUE(ledger->settle(*first, {5, 5, 0}, {10}, "ok"));
  EXPECT_TRUE(reserve(kMaker, caps, 50));
  EXPECT_FALSE(reserve(kMaker, caps, 1));
}

TEST_F(LedgerTest, TheRefusalNamesTheCapAndWhatIsLeftAndWhenItResets) {
  spend(kMaker, 8'200'000);
  ASSERT_TRUE(reserve(kMaker, {}, 1'500'000));
  const auto refused = reserve(kMaker, {.perDay = MicroUsd{10'000'000}}, 520'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what,
            "per_day_usd of agent maker is 10.00 USD: 8.20 USD used, 1.50 USD reserved, 0.30 USD left, and this call "
            "may take 0.52 USD");
  EXPECT_THAT(refused.error().remedy, HasSubstr("resets at 2026-11-21T00:00:00+01:00"));
  EXPECT_THAT(refused.error().remedy, HasSubstr("budget.per_day_usd"));
}

TEST_F(LedgerTest, ARunsCapIsThatRunsAndHasNoReset) {
  spend(kMaker, 90);
  const Account other{"maker", "maker.cccccc", ""};
  EXPECT_TRUE(reserve(other, {.perRun = MicroUsd{100}}, 100));
  const auto refused = reserve(kMaker, {.perRun = MicroUsd{100}}, 11);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("per_run_usd of run maker.aaaaaa"));
  EXPECT_THAT(refused.error().remedy, testing::Not(HasSubstr("resets")));
}

TEST_F(LedgerTest, TokensOfARunAreCapped) {
  const Caps caps{.tokensPerRun = 200};
  spend(kMaker, 0, {100, 50, 0});
  EXPECT_TRUE(reserve(kMaker, caps, 0, 30));
  const auto refused = reserve(kMaker, caps, 0, 21);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("150 tokens used, 30 tokens reserved, 20 tokens left"));
}

TEST_F(LedgerTest, ADayEndsAtLocalMidnightAndAWeekOnMonday) {
  const Caps day{.perDay = MicroUsd{100}}, week{.perWeek = MicroUsd{100}}, month{.perMonth = MicroUsd{100}};
  spend(kMaker, 100);
  EXPECT_FALSE(reserve(kMaker, day, 1));
  clock.jump(*parseTimestamp("2026-11-20T22:59:59Z"));
  EXPECT_FALSE(reserve(kMaker, day, 1));
  clock.jump(*parseTimestamp("2026-11-20T23:00:00Z"));  // midnight in Berlin
  EXPECT_TRUE(reserve(kMaker, day, 1));
  EXPECT_FALSE(reserve(kMaker, week, 1));
  clock.jump(*parseTimestamp("2026-11-22T23:00:00Z"));  // Monday in Berlin
  EXPECT_TRUE(reserve(kMaker, week, 1));
  EXPECT_FALSE(reserve(kMaker, month, 1));
  clock.jump(*parseTimestamp("2026-11-30T23:00:00Z"));
  EXPECT_TRUE(reserve(kMaker, month, 1));
}

TEST_F(LedgerTest, TheCompanysCapCountsEveryAgentAndAnAgentsCapOnlyItsOwn) {
  spend(kMaker, 60);
  spend(kGrower, 30);
  EXPECT_TRUE(reserve(kGrower, {.perDay = MicroUsd{100}}, 5));
  const auto refused = reserve(kGrower, {.companyPerDay = MicroUsd{100}}, 6);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("company_per_day_usd of the company is 0.000100 USD"));
  EXPECT_TRUE(reserve(kGrower, {.companyPerMonth = MicroUsd{100}}, 5));
}

TEST_F(LedgerTest, WhatIsFreeFitsInAnExhaustedCap) {
  spend(kMaker, 500);
  EXPECT_TRUE(reserve(kMaker, {.perRun = MicroUsd{100}, .perDay = MicroUsd{0}}, 0));
  EXPECT_FALSE(reserve(kMaker, {.perDay = MicroUsd{0}}, 1));
}

TEST_F(LedgerTest, SettlesOnce) {
  const auto id = *reserve(kMaker, {}, 50);
  const auto settled = ledger->settle(id, {10, 5, 2}, {7}, "cut");
  ASSERT_TRUE(settled);
  EXPECT_EQ(settled->account.task, "task-2026-1120-001");
  EXPECT_EQ(settled->outcome, "cut");
  EXPECT_EQ(ledger->settle(id, {10, 5, 2}, {7}, "ok").error().code, ErrorCode::kConflict);
  EXPECT_EQ(ledger->settle(id + 1000, {}, {}, "ok").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ledger->costOfRun("maker.aaaaaa")->count, 7);
}

TEST_F(LedgerTest, RefusesANegativeReservation) {
  EXPECT_EQ(reserve(kMaker, {}, -1).error().code, ErrorCode::kInternal);
  EXPECT_EQ(reserve(kMaker, {}, 1, -1).error().code, ErrorCode::kInternal);
}

TEST_F(LedgerTest, OrphansOfOneRunOrOfAllAreSettledAsLostAtWhatWasReserved) {
  const Caps caps{.perDay = MicroUsd{100}, .tokensPerRun = 50};
  ASSERT_TRUE(reserve(kMaker, caps, 60, 40));
  ASSERT_TRUE(reserve(kGrower, caps, 100));
  EXPECT_FALSE(reserve(kMaker, caps, 41, 1));
  const auto ofRun = ledger->settleOrphans(kMaker.instance);
  ASSERT_TRUE(ofRun);
  ASSERT_EQ(ofRun->size(), 1U);
  EXPECT_EQ(ofRun->front().outcome, "lost");
  EXPECT_EQ(ofRun->front().cost.count, 60);
  const auto left = *ledger->left(kMaker, caps);
  for (const CapLeft& one : left) {
    EXPECT_EQ(one.used.count, one.name == "tokens_per_run" ? 40 : 60) << one.name;
    EXPECT_EQ(one.reserved.count, 0) << one.name;
  }
  EXPECT_FALSE(reserve(kMaker, caps, 41, 1)) << "no cap has more room than before";
  EXPECT_FALSE(reserve(kMaker, caps, 1, 11));
  EXPECT_TRUE(reserve(kMaker, caps, 40, 10));
  EXPECT_FALSE(reserve(kGrower, caps, 1));
  EXPECT_EQ(ledger->settleOrphans(std::nullopt)->size(), 2U);
  EXPECT_TRUE(ledger->settleOrphans(std::nullopt)->empty());
}

// A hundred open calls, settled in any order: the sums are those of a model that counts beside them.
TEST_F(LedgerTest, ManyOpenReservationsAddUp) {
  std::mt19937 random(7);
  const Caps caps{.perDay = MicroUsd{10'000}};
  std::vector<std::pair<std::int64_t, std::int64_t>> open;
  std::int64_t used = 0, reserved = 0;
  for (int step = 0; step < 600; ++step) {
    if (open.empty() || random() % 3 != 0) {
      const auto amount = static_cast<std::int64_t>(random() % 400);
      const auto id = reserve(kMaker, caps, amount);
      ASSERT_EQ(id.has_value(), amount == 0 || used + reserved + amount <= 10'000);
      if (id) open.emplace_back(*id, amount), reserved += amount;
    } else {
      const auto pick = random() % open.size();
      const auto cost = std::min<std::int64_t>(open[pick].second, static_cast<std::int64_t>(random() % 20));
      ASSERT_TRUE(ledger->settle(open[pick].first, {1, 1, 0}, {cost}, "ok"));
      used += cost, reserved -= open[pick].second;
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(pick));
    }
  }
  const auto left = ledger->left(kMaker, caps);
  ASSERT_TRUE(left);
  EXPECT_EQ(left->front().used.count, used);
  EXPECT_EQ(left->front().reserved.count, reserved);
  std::int64_t settled = 0;
  for (const auto& one : *ledger->settlements(0, 10'000)) settled += one.cost.count;
  EXPECT_EQ(settled, used);
}

TEST_F(LedgerTest, TotalsByAgentModelTaskAndDay) {
  spend(kMaker, 60);
  spend(kMaker, 5);
  clock.advance(std::chrono::hours(24));
  spend(kGrower, 30);
  const auto agents = *ledger->totals(Ledger::By::kAgent, std::nullopt);
  ASSERT_EQ(agents.size(), 2U);
  EXPECT_EQ(agents[0].key, "grower");
  EXPECT_EQ(agents[1].cost.count, 65);
  EXPECT_EQ(agents[1].calls, 2);
  EXPECT_EQ(agents[1].inputTokens, 200);
  const auto days = *ledger->totals(Ledger::By::kDay, std::nullopt);
  ASSERT_EQ(days.size(), 2U);
  EXPECT_EQ(days[0].key, "2026-11-20");
  EXPECT_EQ(ledger->totals(Ledger::By::kDay, clock.now())->size(), 1U);
  EXPECT_EQ(ledger->totals(Ledger::By::kModel, std::nullopt)->front().cost.count, 95);
  EXPECT_EQ(ledger->totals(Ledger::By::kTask, std::nullopt)->size(), 2U);
}

TEST_F(LedgerTest, SettlementsArePagedInTheOrderOfTheirCommits) {
  const auto first = *reserve(kMaker, {}, 1), second = *reserve(kMaker, {}, 1);
  ASSERT_TRUE(ledger->settle(second, {}, {1}, "ok"));
  const auto page = *ledger->settlements(0, 1);
  ASSERT_EQ(page.size(), 1U);
  ASSERT_TRUE(ledger->settle(first, {}, {1}, "ok"));  // reserved earlier, settled later: must not be missed
  EXPECT_EQ(ledger->settlements(page.back().id, 10)->size(), 1U);
}

TEST_F(LedgerTest, AnotherZoneMakesOtherDaysOfTheSameSettlements) {
  clock.jump(*parseTimestamp("2026-11-20T23:30:00Z"));  // the 21st in Berlin, the 20th in New York
  spend(kMaker, 100);
  clock.jump(*parseTimestamp("2026-11-21T12:00:00Z"));
  EXPECT_FALSE(reserve(kMaker, {.perDay = MicroUsd{100}}, 1));
  ledger = *Ledger::open(*db, clock, "America/New_York");
  EXPECT_TRUE(reserve(kMaker, {.perDay = MicroUsd{100}}, 1));
  EXPECT_EQ(ledger->totals(Ledger::By::kDay, std::nullopt)->front().key, "2026-11-20");
  EXPECT_EQ(ledger->costOfRun("maker.aaaaaa")->count, 100);
}

TEST_F(LedgerTest, RefusesAnUnknownZone) { EXPECT_FALSE(Ledger::open(*db, clock, "Mars/Olympus")); }

}  // namespace
}  // namespace agentos::models
