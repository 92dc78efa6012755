// SPDX-License-Identifier: Apache-2.0
#include "models/meter.h"

#include <gmock/gmock.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "models/scripted_driver.h"
#include "models/upstream.h"
#include "run_awaitable.h"

namespace agentos::models {
namespace {

using testing::HasSubstr;
namespace asio = boost::asio;

constexpr const char* kScript = R"(
models: [scripted/default]
rules:
  - { when: { user: slow }, chunk: 1, chunk_delay: 5ms, answer: { text: "0123456789012345678901234567890123456789", usage: { input: 30, output: 40 } } }
  - { when: { user: stuck }, delay: 1h, answer: { text: never } }
  - { when: { user: bad }, error: { status: 400, message: no such thing } }
  - { when: { user: cut }, chunk: 2, answer: { text: "abcdefgh", usage: { input: 12, output: 40 } }, error: { kind: disconnect, after_chunks: 3 } }
  - { answer: { text: done, usage: { input: 30, output: 10 } } }
)";

class ThrowingDriver final : public ModelDriver {
 public:
  std::vector<std::string> models() const override { return {"bad/thrower"}; }
  asio::awaitable<Result<ChatAnswer>> complete(ChatRequest, ChunkSink, Usage&) override {
    throw std::runtime_error("boom");
    co_return ChatAnswer{};
  }
};

class MeterTest : public testing::Test {
 protected:
  MeterTest() {
    const Price price{{1'000'000}, {2'000'000}, {0}};
    EXPECT_TRUE(registry.add(*ScriptedDriver::fromText(kScript, "s.yaml"),
                             {{.name = "scripted/default", .upstream = {}, .price = price, .maxOutputTokens = 100}}));
    EXPECT_TRUE(
        registry.add(std::make_unique<ThrowingDriver>(), {{.name = "bad/thrower", .upstream = {}, .price = price}}));
  }

  MeteredRequest request(const char* text, bool stream = false) {
    return {.account = {"maker", "maker.aaaaaa", "task-2026-1120-001"},
            .caps = {},
            .policy = {.allow = {"scripted/*"}, .maxContextTokens = {}},
            .body = {{"messages", Json::array({{{"role", "user"}, {"content", text}}})}, {"stream", stream}}};
  }
  ChunkSink collect(std::size_t failAt = SIZE_MAX) {
    return [this, failAt](const Json& chunk) -> asio::awaitable<Result<void>> {
      if (chunks.size() >= failAt) co_return fail(ErrorCode::kIo, "client gone");
      chunks.push_back(chunk);
      co_return Result<void>();
    };
  }
  Result<MeteredAnswer> run(MeteredRequest what, std::size_t failAt = SIZE_MAX) {
    return runAwaitable(meter.complete(std::move(what), collect(failAt)));
  }
  bool nothingOpen() { return ledger->settleOrphans(std::nullopt)->empty(); }

  FakeClock clock{*parseTimestamp("2026-11-20T12:00:00Z")};
  std::unique_ptr<Database> db = *Database::open(":memory:");
  std::unique_ptr<Ledger> ledger = *Ledger::open(*db, clock, "UTC");
  ModelRegistry registry;
  std::vector<Ledger::Settlement> told;
  Meter meter{registry, *ledger, [this](const Ledger::Settlement& one) { told.push_back(one); }};
  std::vector<Json> chunks;
};

TEST_F(MeterTest, ACallIsReservedRunAndSettledAtWhatItUsed) {
  const auto answer = run(request("hello"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->model, "scripted/default");
  EXPECT_EQ(answer->settlement.usage, (Usage{30, 10, 0}));
  EXPECT_EQ(answer->settlement.cost.count, 30 + 20);
  EXPECT_EQ(answer->settlement.outcome, "ok");
  EXPECT_EQ(answer->settlement.account.task, "task-2026-1120-001");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].id, answer->settlement.id);
  EXPECT_TRUE(nothingOpen());
}

TEST_F(MeterTest, TheUsageChunkIsForThoseWhoAsk) {
  ASSERT_TRUE(run(request("hello", true)));
  for (const Json& chunk : chunks) EXPECT_FALSE(chunk["choices"].empty());
  chunks.clear();
  MeteredRequest asks = request("hello", true);
  asks.body["stream_options"] = {{"include_usage", true}};
  ASSERT_TRUE(run(std::move(asks)));
  EXPECT_EQ(chunks.back()["usage"]["completion_tokens"], 10);
}

TEST_F(MeterTest, WhatCannotRunReservesNothing) {
  MeteredRequest noMessages = request("x");
  noMessages.body = {{"model", "auto"}};
  EXPECT_EQ(run(std::move(noMessages)).error().code, ErrorCode::kModelRequest);
  MeteredRequest unknown = request("x");
  unknown.body["model"] = "gpt-4o";
  EXPECT_EQ(run(std::move(unknown)).error().code, ErrorCode::kModelUnknown);
  MeteredRequest forbidden = request("x");
  forbidden.body["model"] = "bad/thrower";
  EXPECT_EQ(run(std::move(forbidden)).error().code, ErrorCode::kModelUnknown);
  MeteredRequest large = request(std::string(4000, 'x').c_str());
  large.policy.maxContextTokens = 900;
  EXPECT_EQ(run(std::move(large)).error().code, ErrorCode::kTooLarge);
  MeteredRequest poor = request("x");
  poor.caps.perRun = MicroUsd{100};  // less than a hundred tokens of output alone may cost
  EXPECT_EQ(run(std::move(poor)).error().code, ErrorCode::kBudgetExhausted);
  EXPECT_TRUE(told.empty());
  EXPECT_TRUE(nothingOpen());
}

TEST_F(MeterTest, AskingForLessFitsInASmallerBudget) {
  MeteredRequest small = request("x");
  small.caps.perRun = MicroUsd{100};
  small.body["max_tokens"] = 10;
  EXPECT_TRUE(run(std::move(small)));
}

TEST_F(MeterTest, ARefusedCallCostsNothing) {
  const auto refused = run(request("bad"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(upstreamStatus(refused.error()), 400);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].outcome, "failed");
  EXPECT_EQ(told[0].cost.count, 0);
  EXPECT_TRUE(nothingOpen());
}

TEST_F(MeterTest, ABrokenStreamIsSettledAtWhatCame) {
  ASSERT_FALSE(run(request("cut", true)));
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].outcome, "failed");
  EXPECT_EQ(told[0].usage.inputTokens, 12);
  EXPECT_GT(told[0].usage.outputTokens, 0);
  EXPECT_LT(told[0].usage.outputTokens, 40);
  EXPECT_TRUE(nothingOpen());
}

TEST_F(MeterTest, AClientThatDiesInMidStreamIsChargedForWhatItGot) {
  const auto gone = run(request("slow", true), 10);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().what, "client gone");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].outcome, "cut");
  EXPECT_GT(told[0].cost.count, 30);
  EXPECT_LT(told[0].cost.count, 30 + 80);
  EXPECT_TRUE(nothingOpen());
}

TEST_F(MeterTest, ACancelledCallIsSettled) {
  using namespace asio::experimental::awaitable_operators;
  asio::io_context context;
  const auto race = [&](const char* text) -> asio::awaitable<bool> {
    asio::steady_timer timer(context, std::chrono::milliseconds(30));
    MeteredRequest what = request(text, true);
    ChunkSink sink = collect();
    const auto won =
        co_await (meter.complete(std::move(what), std::move(sink)) || timer.async_wait(asio::use_awaitable));
    co_return won.index() == 1;
  };
  EXPECT_TRUE(runAwaitable(context, race("stuck")));
  EXPECT_TRUE(runAwaitable(context, race("slow")));
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].outcome, "cut");
  EXPECT_EQ(told[0].usage.outputTokens, 0);
  EXPECT_EQ(told[1].outcome, "cut");
  EXPECT_GT(told[1].usage.outputTokens, 0);
  EXPECT_TRUE(nothingOpen());
}

// The daemon stops: the coroutine's frame is destroyed where it waits.
TEST_F(MeterTest, ADestroyedCallIsSettled) {
  {
    asio::io_context context;
    asio::co_spawn(context, meter.complete(request("slow", true), collect()),
                   [](std::exception_ptr, Result<MeteredAnswer>) {});
    context.run_for(std::chrono::milliseconds(40));
    EXPECT_TRUE(told.empty());
    EXPECT_FALSE(chunks.empty());
  }
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].outcome, "cut");
  EXPECT_GT(told[0].cost.count, 30);
  EXPECT_TRUE(nothingOpen());
}

TEST_F(MeterTest, ADriverThatThrowsIsAnErrorAndSettled) {
  MeteredRequest what = request("x");
  what.policy.allow = {"bad/*"};
  const auto thrown = run(std::move(what));
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().code, ErrorCode::kInternal);
  EXPECT_THAT(thrown.error().what, HasSubstr("boom"));
  EXPECT_TRUE(nothingOpen());
}

// The supervisor swept the run's reservations while the call was still open: nothing is charged twice, nothing breaks.
TEST_F(MeterTest, ASettlementThatCameFirstWins) {
  const auto sweep = [this](const Json& chunk) -> asio::awaitable<Result<void>> {
    chunks.push_back(chunk);
    if (chunks.size() == 3) static_cast<void>(ledger->settleOrphans("maker.aaaaaa"));
    co_return Result<void>();
  };
  const auto answer = runAwaitable(meter.complete(request("hello", true), sweep));
  EXPECT_EQ(answer.error().code, ErrorCode::kConflict);
  EXPECT_EQ(ledger->settlements(0, 10)->size(), 1U);
}

}  // namespace
}  // namespace agentos::models
