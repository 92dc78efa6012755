// SPDX-License-Identifier: Apache-2.0
// The loop against a gateway and a model that do everything wrong.
#include "runner/run.h"

#include <thread>

#include "tool_test.h"

namespace agentos::runner {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

class RunTest : public testing::Test {
 protected:
  RunTest() {
    runtime = *loadRuntime(std::string(AGENTOS_SOURCE_DIR) + "/runtime/default");
    runtime.settings.backoff = 5ms;
    runtime.settings.retries = 2;
    runtime.settings.roots = {room.path};
  }
  ExitStatus run() {
    GatewayClient gateway(fake.url(), stop, 0s);
    auto self = fetchIdentity(gateway);
    auto task = fetchTask(gateway);
    if (!self || !task) return kUnhandled;
    const RoomFiles files(runtime.settings.roots, room.path);
    runner::Run one(runtime, gateway, files, *self, *task, context);
    return one.toTheEnd();
  }
  std::string reason() const { return fake.verdict().second.value("reason", ""); }

  Folder room;
  FakeGateway fake;
  Runtime runtime;
  std::atomic<bool> stop{false};
  std::string context = "Do the task.";
};

TEST_F(RunTest, WorksUntilTheVerdict) {
  fake.answers = {callsOne("fs_write", {{"path", "a.md"}, {"content", "hello"}}),
                  callsOne("fs.read", {{"path", "a.md"}}),
                  callsOne("task.complete", {{"outcome", "success"},
                                             {"handoff", {{"changed", "made a.md"}, {"next", "nothing"}}},
                                             {"artifacts", {"a.md", "b.md"}}})};
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(room.read("a.md"), "hello");
  const auto [word, body] = fake.verdict();
  EXPECT_EQ(word, "complete");
  EXPECT_EQ(body["outcome"], "success");
  EXPECT_EQ(body["handoff"]["changed"], "made a.md");
  EXPECT_THAT(body["handoff"]["attempted"].get<std::string>(), HasSubstr("fs.write"));  // filled in from what was seen
  EXPECT_EQ(body["artifacts"], Json::array({"a.md", "b.md"}));
  const Json first = fake.asked()[0];
  EXPECT_THAT(first["messages"][0]["content"].get<std::string>(), HasSubstr("You are maker"));
  EXPECT_EQ(first["messages"][1]["content"], "Do the task.");
  EXPECT_EQ(first["model"], "auto");
  EXPECT_EQ(fake.asked()[2]["messages"].back()["content"], "hello");
  EXPECT_EQ(fake.asked()[2]["messages"].back()["role"], "tool");
}

TEST_F(RunTest, SeveralCallsInATurnRunInOrderAndNothingAfterTheVerdict) {
  fake.answers = {
      calls({call("fs.write", R"({"path":"a","content":"1"})", "x"), call("task_fail", R"({"reason":"cannot"})", "y"),
             call("fs.write", R"({"path":"b","content":"2"})", "z")})};
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "fail");
  EXPECT_EQ(reason(), "cannot");
  EXPECT_EQ(room.read("a"), "1");
  EXPECT_FALSE(std::filesystem::exists(room.path + "/b"));
}

TEST_F(RunTest, MistakesGoBackToTheModel) {
  fake.answers = {calls({call("fs.fly", "{}", "1"), call("fs.read", "{broken", "2"),
                         call("fs.read", R"({"path":"/etc/passwd"})", "3"), call("task.fail", "{}", "4")}),
                  callsOne("task.complete", Json::object())};
  EXPECT_EQ(run(), kVerdictGiven);
  const std::string told = fake.lastTold();
  for (const char* part : {"there is no tool 'fs.fly' here; there are: fs.read", "the arguments are no JSON",
                           "outside this room's folders", "'reason'"})
    EXPECT_THAT(told, HasSubstr(part));
}

TEST_F(RunTest, AToolThatIsNotGrantedIsNotThere) {
  fake.capabilities = Json::array({"fs.read", "task.complete"});
  fake.answers = {callsOne("shell.exec", {{"command", "touch " + room.path + "/evil"}}),
                  callsOne("task.complete", Json::object())};
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_THAT(fake.lastTold(), HasSubstr("there is no tool 'shell.exec'"));
  EXPECT_FALSE(std::filesystem::exists(room.path + "/evil"));
  EXPECT_EQ(fake.asked()[0]["tools"].size(), 2U);
}

TEST_F(RunTest, TheSameCallAgainAndAgainIsToldAndThenEnded) {
  fake.rest = callsOne("fs.list", Json::object());
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "fail");
  EXPECT_THAT(reason(), HasSubstr("loop: fs.list"));
  EXPECT_EQ(fake.asked().size(), 6U);
  EXPECT_THAT(fake.lastTold(), HasSubstr("same call 5 times in a row"));
}

TEST_F(RunTest, EndlessErrorsAreEnded) {
  runtime.settings.errorsInARow = 4;
  for (int i = 0; i < 20; ++i) fake.answers.push_back(callsOne("fs.read", {{"path", "none" + std::to_string(i)}}));
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "fail");
  EXPECT_THAT(reason(), HasSubstr("4 tool errors in a row"));
}

TEST_F(RunTest, EndlessWorkEndsAtTheTurnsOfTheContract) {
  fake.maxTurns = 5;
  for (int i = 0; i < 20; ++i)
    fake.answers.push_back(callsOne("fs.write", {{"path", "f" + std::to_string(i)}, {"content", "x"}}));
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "release");
  EXPECT_EQ(reason(), "max_turns");
  EXPECT_EQ(fake.asked().size(), 5U);
  EXPECT_THAT(dumpJson(fake.asked()[2]["messages"].back()), HasSubstr("3 turns left"));
  EXPECT_THAT(fake.verdict().second["handoff"]["changed"].get<std::string>(), HasSubstr("/f4"));
}

TEST_F(RunTest, AnExhaustedBudgetHandsTheTaskOver) {
  fake.answers = {
      callsOne("fs.write", {{"path", "half"}, {"content", "x"}}),
      error(429, "budget.exhausted", "per_run_usd of run maker.aaaaaa is 0.25 USD", "x-should-retry: false\r\n")};
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "release");
  EXPECT_THAT(reason(), testing::StartsWith("budget: 429 per_run_usd"));
  EXPECT_THAT(fake.verdict().second["handoff"]["changed"].get<std::string>(), HasSubstr("/half"));
  EXPECT_EQ(fake.asked().size(), 2U);  // not tried again
}

TEST_F(RunTest, TransientModelErrorsAreHealed) {
  fake.answers = {
      error(502, "model.upstream", "bad gateway"), {503, nullptr, {}, {}}, callsOne("task.complete", Json::object())};
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "complete");
  EXPECT_EQ(fake.asked().size(), 3U);
}

TEST_F(RunTest, RetryAfterIsKeptTo) {
  fake.answers = {error(429, "model.upstream", "slow", "Retry-After: 1\r\n"),
                  callsOne("task.complete", Json::object())};
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 1s);
  fake.answers = {error(429, "model.upstream", "slow", "Retry-After: 4000\r\n")};
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "release");
}

TEST_F(RunTest, AModelThatStaysBrokenIsReleasedAndARefusalFailed) {
  fake.rest = error(502, "model.upstream", "down");
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "release");
  EXPECT_EQ(fake.asked().size(), 3U);
  fake.rest = error(404, "model.unknown", "no such model");
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "fail");
  EXPECT_THAT(reason(), HasSubstr("no such model"));
}

TEST_F(RunTest, TheContextIsKeptWithinItsBound) {
  fake.maxContextTokens = 6000;
  room.write("big", std::string(9000, 'x'));
  for (int i = 0; i < 5; ++i)
    fake.answers.push_back(callsOne("fs.read", {{"path", "big"}, {"from_line", 1}, {"lines", i + 1}}));
  fake.answers.push_back(callsOne("task.complete", Json::object()));
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "complete");
  for (const Json& asked : fake.asked()) EXPECT_LE(dumpJson(asked).size() / 4, 6000U);
  EXPECT_THAT(dumpJson(fake.asked().back()), HasSubstr("cut to make room: the result of fs.read"));
}

TEST_F(RunTest, AContextThatCannotFitIsHandedOver) {
  fake.maxContextTokens = 3000;
  context = std::string(20'000, 'x');
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "release");
  EXPECT_EQ(reason(), "context");
  EXPECT_TRUE(fake.asked().empty());
}

TEST_F(RunTest, AGatewayThatSaysTooLargeMakesItCutMore) {
  room.write("big", std::string(9000, 'x'));
  fake.answers = {callsOne("fs.read", {{"path", "big"}}), callsOne("fs.read", {{"path", "big"}, {"lines", 5}}),
                  error(413, "too_large", "too large"),   error(413, "too_large", "too large"),
                  error(413, "too_large", "too large"),   callsOne("task.complete", Json::object())};
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "complete");
  EXPECT_THAT(dumpJson(fake.asked().back()), HasSubstr("cut to make room"));
}

TEST_F(RunTest, AModelThatOnlyTalksIsRemindedAndThenEnded) {
  fake.rest = says("I am thinking about it.");
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.asked().size(), 3U);
  EXPECT_THAT(fake.lastTold(), HasSubstr("no verdict yet"));
  EXPECT_EQ(fake.verdict().first, "fail");
  EXPECT_THAT(fake.verdict().second["handoff"]["next"].get<std::string>(), HasSubstr("thinking about it"));
}

TEST_F(RunTest, WithoutAToolToEndWithTheWordsAreTheResult) {
  fake.capabilities = Json::array({"rag.retrieve"});
  fake.rest = says("The answer is 42.");
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "complete");
  EXPECT_EQ(fake.verdict().second["handoff"]["changed"], "The answer is 42.");
  EXPECT_FALSE(fake.asked()[0].contains("tools"));
}

TEST_F(RunTest, WithoutATaskItIsDoneWhenTheModelIs) {
  fake.hasTask = false;
  fake.answers = {callsOne("message.send", {{"to", "human"}, {"subject", "hi"}, {"body", "x"}}), says("answered")};
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.bodiesOf("/self/mail").size(), 1U);
  EXPECT_EQ(fake.bodiesOf("/self/mail")[0], (Json{{"to", "human"}, {"subject", "hi"}, {"body", "x"}}));
  EXPECT_EQ(fake.verdict().first, "");
}

TEST_F(RunTest, AVerdictThatIsNotTakenIsToldAndAtLastNoVerdict) {
  fake.verdictStatus = 409;
  fake.rest = callsOne("task.complete", Json::object());
  EXPECT_EQ(run(), kNoVerdict);
  EXPECT_THAT(fake.lastTold(), HasSubstr("agentd did not take it: 409 too late; stop"));
}

TEST_F(RunTest, AnswersOfAnyShapeEndInAVerdict) {
  fake.answers = {{200, nullptr, {}, {}},
                  {200, *parseJson("[]"), {}, {}},
                  {200, *parseJson(R"({"choices":[7],"usage":[]})"), {}, {}}};
  fake.rest = {200, *parseJson(R"({"choices":[{"message":{"content":{"a":1},"tool_calls":[1,2]}}]})"), {}, {}};
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "fail");
}

TEST_F(RunTest, ADeadlineIsLeftTimeForTheHandover) {
  fake.deadline = formatUtc(SystemClock().now() + 5s);  // leave_before_deadline is 10 s
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_EQ(fake.verdict().first, "release");
  EXPECT_EQ(reason(), "deadline");
}

TEST_F(RunTest, AStopDuringAModelCallHandsOverAtOnce) {
  Answer late = says("late");
  late.delay = 20s;
  fake.rest = late;
  std::thread stopper([this] {
    std::this_thread::sleep_for(300ms);
    stop = true;
  });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 4s);
  EXPECT_EQ(reason(), "stopped");
  stopper.join();
}

TEST_F(RunTest, ABigResultIsCutAndAFloodOfCallsBounded) {
  room.write("big", std::string(200'000, 'x'));
  std::vector<Json> flood;
  for (int i = 0; i < 40; ++i)
    flood.push_back(
        call("fs.write", R"({"path":"f)" + std::to_string(i) + R"(","content":""})", "c" + std::to_string(i)));
  fake.answers = {callsOne("fs.read", {{"path", "big"}}), calls(flood), callsOne("task.complete", Json::object())};
  EXPECT_EQ(run(), kVerdictGiven);
  EXPECT_LT(fake.asked()[1]["messages"].back()["content"].get<std::string>().size(), 34'000U);
  EXPECT_THAT(fake.asked()[1]["messages"].back()["content"].get<std::string>(),
              HasSubstr("the result has 200000 bytes"));
  EXPECT_TRUE(std::filesystem::exists(room.path + "/f31"));
  EXPECT_FALSE(std::filesystem::exists(room.path + "/f32"));
  EXPECT_THAT(fake.lastTold(), HasSubstr("at most 32 calls in one turn"));
}

}  // namespace
}  // namespace agentos::runner
