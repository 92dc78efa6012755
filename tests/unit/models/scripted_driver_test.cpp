// SPDX-License-Identifier: Apache-2.0
#include "models/scripted_driver.h"

#include <gmock/gmock.h>

#include "models/chat.h"
#include "models/upstream.h"
#include "run_awaitable.h"

namespace agentos::models {
namespace {

using testing::HasSubstr;
namespace asio = boost::asio;

constexpr const char* kScript = R"yaml(
rules:
  - name: flaky
    when: { user: flaky }
    error: { status: 429, message: slow down, retry_after: 3, attempts: 2 }
  - name: cut
    when: { user: cut }
    answer: { text: "one two three four" }
    chunk: 4
    error: { kind: disconnect, after_chunks: 3 }
  - name: gone
    when: { user: silent }
    error: { kind: timeout }
  - name: work
    when: { user: { regex: "(task-[0-9]+)" }, turn: 1 }
    chunk: 5
    answer:
      text: "Größe ${user.1}"
      tool_calls:
        - { name: fs.write, arguments: { path: "${user.1}.md", content: "x", count: 3, deep: { yes: true, text: "true" } } }
        - { name: shell.exec, arguments_text: "{broken" }
      usage: { input: 120, output: 40, cached: 20 }
  - name: flaky-done
    when: { user: flaky }
    answer: { text: fine }
)yaml";

class ScriptedDriverTest : public testing::Test {
 protected:
  std::unique_ptr<ScriptedDriver> driver = *ScriptedDriver::fromText(kScript, "s.yaml");
  std::vector<Json> chunks;
  Usage used;

  Result<ChatAnswer> ask(const char* text, bool stream, std::size_t failAt = SIZE_MAX,
                         const char* instance = "maker.aaaaaa") {
    ChatRequest request{.model = "default",
                        .agent = "maker",
                        .instance = instance,
                        .body = {{"messages", Json::array({{{"role", "user"}, {"content", text}}})}},
                        .stream = stream};
    chunks.clear();
    used = {};
    return runAwaitable(driver->complete(
        std::move(request),
        [this, failAt](const Json& chunk) -> asio::awaitable<Result<void>> {
          if (chunks.size() >= failAt) co_return fail(ErrorCode::kIo, "client gone");
          chunks.push_back(chunk);
          co_return Result<void>();
        },
        used));
  }
};

TEST_F(ScriptedDriverTest, AStreamAddsUpToTheWholeAnswer) {
  const auto whole = ask("do task-7", false);
  ASSERT_TRUE(whole);
  const auto streamed = ask("do task-7", true);
  ASSERT_TRUE(streamed);
  EXPECT_EQ(whole->body, streamed->body);
  EXPECT_EQ(whole->usage, (Usage{120, 40, 20}));
  EXPECT_TRUE(whole->usageKnown);
  ChatAssembler assembler(1 << 20);
  for (const Json& chunk : chunks) ASSERT_TRUE(assembler.add(chunk));
  EXPECT_EQ(assembler.message()["choices"], whole->body["choices"]);
  EXPECT_EQ(assembler.usage(), whole->usage);
  EXPECT_GT(chunks.size(), 8U);
  const Json message = whole->body["choices"][0]["message"];
  EXPECT_EQ(message["content"], "Größe task-7");
  EXPECT_EQ(*parseJson(message["tool_calls"][0]["function"]["arguments"].get<std::string>()),
            *parseJson(R"({"path":"task-7.md","content":"x","count":3,"deep":{"yes":true,"text":"true"}})"));
  EXPECT_EQ(message["tool_calls"][1]["function"]["arguments"], "{broken");
  EXPECT_EQ(whole->body["choices"][0]["finish_reason"], "tool_calls");
}

TEST_F(ScriptedDriverTest, TheSameConversationGetsTheSameBytes) {
  const auto first = ask("do task-7", false);
  ask("flaky", false);
  const auto again = ask("do task-7", false, SIZE_MAX, "maker.bbbbbb");
  EXPECT_EQ(dumpJson(first->body), dumpJson(again->body));
  EXPECT_NE(dumpJson(first->body), dumpJson(ask("do task-8", false)->body));
}

TEST_F(ScriptedDriverTest, AnErrorWithAttemptsFailsThatOftenForEachRun) {
  for (int i = 0; i < 2; ++i) {
    const auto refused = ask("flaky", false);
    ASSERT_FALSE(refused);
    EXPECT_EQ(upstreamStatus(refused.error()), 429);
    EXPECT_EQ(upstreamRetryAfter(refused.error()), std::chrono::seconds(3));
  }
  EXPECT_EQ(ask("flaky", false)->body["choices"][0]["message"]["content"], "fine");
  EXPECT_FALSE(ask("flaky", false, SIZE_MAX, "maker.bbbbbb"));  // another run fails anew
}

TEST_F(ScriptedDriverTest, AStreamThatIsCutSaysWhatWasUsed) {
  const auto cut = ask("cut", true);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::kModelUpstream);
  EXPECT_EQ(chunks.size(), 3U);
  EXPECT_GT(used.inputTokens, 0);
  EXPECT_GT(used.outputTokens, 0);
  EXPECT_EQ(ask("silent", true).error().code, ErrorCode::kTimedOut);
  EXPECT_EQ(used, Usage{});
}

TEST_F(ScriptedDriverTest, StopsWhenTheClientIsGone) {
  const auto gone = ask("do task-7", true, 4);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().what, "client gone");
  EXPECT_EQ(chunks.size(), 4U);
  EXPECT_LT(used.outputTokens, 40);
}

TEST_F(ScriptedDriverTest, WithoutARuleItSaysWhichTurnFoundNone) {
  const auto none = ask("what?", false);
  ASSERT_FALSE(none);
  EXPECT_EQ(upstreamStatus(none.error()), 501);
  EXPECT_THAT(none.error().what, HasSubstr("no rule fits turn 1 of agent 'maker', whose last user text is 'what?'"));
}

TEST_F(ScriptedDriverTest, DelaysAreWaitedFor) {
  driver =
      *ScriptedDriver::fromText("rules: [{delay: 30ms, chunk_delay: 10ms, chunk: 1, answer: {text: abc}}]", "s.yaml");
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(ask("x", true));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(70));  // four deltas
}

TEST_F(ScriptedDriverTest, ABrokenScriptIsRefusedWithEveryLine) {
  const auto broken = ScriptedDriver::fromText("rules: [{a: 1, b: 2}]", "s.yaml");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::kConfig);
  EXPECT_THAT(broken.error().what, HasSubstr("rules[0].a"));
  EXPECT_THAT(broken.error().what, HasSubstr("rules[0].b"));
  EXPECT_FALSE(ScriptedDriver::load("/nonexistent/script.yaml"));
}

}  // namespace
}  // namespace agentos::models
