// SPDX-License-Identifier: Apache-2.0
#include "models/script.h"

#include <gmock/gmock.h>

namespace agentos::models {
namespace {

using testing::HasSubstr;

std::string problemsOf(const std::string& text) {
  const auto script = parseScript(text, "s.yaml");
  std::string all;
  if (!script)
    for (const auto& problem : script.error()) all += problem.message() + "\n";
  return all;
}

TEST(ScriptParse, SaysEveryProblemWithItsPlace) {
  const std::string said = problemsOf(R"(
models: scripted/x
rules:
  - wen: {}
    answer: { text: hi, usage: { input: -1 } }
  - when: { turn: 3..2, user: { regex: "(" } }
    delay: soon
    error: { status: 200, kind: explode }
  - name: lazy
  - answer: { tool_calls: [ { arguments: { a: 1 } } ] }
    times: 0
)");
  for (const char* part :
       {"s.yaml:4:5: rules[0].wen", "did you mean 'when'", "rules[0].answer.usage.input", "rules[1].when.turn",
        "rules[1].when.user.regex", "rules[1].delay", "rules[1].error.status", "'explode' is no kind",
        "rules[2]: neither answers nor errs", "rules[3].answer.tool_calls[0].name", "rules[3].times"})
    EXPECT_THAT(said, HasSubstr(part));
}

TEST(ScriptParse, RefusesOtherShapes) {
  EXPECT_THAT(problemsOf("[]"), HasSubstr("is not a map"));
  EXPECT_THAT(problemsOf("rules: []"), HasSubstr("one rule at least"));
  EXPECT_THAT(problemsOf("rules: [ 3 ]"), HasSubstr("rules[0]: is not a map"));
  EXPECT_THAT(problemsOf("rules:\n - answer: {text: '${user.1}'}"), HasSubstr("stands for nothing"));
  EXPECT_THAT(problemsOf("rules:\n - error: {status: 500}\n   times: 2"), HasSubstr("use error.attempts"));
  EXPECT_EQ(problemsOf("rules:\n - answer: {text: '$${user.1}'}"), "");
}

ChatRequest conversation(Json messages, std::string agent = "maker", std::string model = "default") {
  return {.model = std::move(model),
          .agent = std::move(agent),
          .instance = {},
          .body = {{"messages", std::move(messages)}}};
}
Json say(const char* role, const char* text) { return {{"role", role}, {"content", text}}; }

std::string ruleFor(const std::string& script, const ChatRequest& request) {
  const auto parsed = parseScript(script, "s.yaml");
  if (!parsed) return problemsOf(script);
  const auto turn = decide(*parsed, request, [](const ScriptRule&) { return false; });
  return turn.rule ? turn.rule->name : "none";
}

constexpr const char* kRules = R"(
rules:
  - { name: agent, when: { agent: "grow*" }, answer: { text: a } }
  - { name: model, when: { model: cheap }, answer: { text: a } }
  - { name: result, when: { tool: fs.read, tool_result: { contains: [alpha, beta], without: gamma } }, answer: { text: a } }
  - { name: system, when: { system: "be brief" }, answer: { text: a } }
  - { name: regex, when: { user: { regex: "task-[0-9]+" } }, answer: { text: a } }
  - { name: later, when: { turn: 2..3 }, answer: { text: a } }
  - { name: any, when: { any: needle }, answer: { text: a } }
)";

TEST(ScriptMatch, EachConditionDecides) {
  EXPECT_EQ(ruleFor(kRules, conversation(Json::array({say("user", "x")}), "grower")), "agent");
  EXPECT_EQ(ruleFor(kRules, conversation(Json::array({say("user", "x")}), "maker", "cheap")), "model");
  EXPECT_EQ(ruleFor(kRules, conversation(Json::array({say("system", "you must be brief"), say("user", "x")}))),
            "system");
  EXPECT_EQ(ruleFor(kRules, conversation(Json::array({say("user", "do task-17 now")}))), "regex");
  EXPECT_EQ(ruleFor(kRules, conversation(Json::array({say("user", "x")}))), "none");
  EXPECT_EQ(ruleFor(kRules, conversation(Json::array({say("user", "x"), say("assistant", "y"), say("user", "z")}))),
            "later");
  EXPECT_EQ(ruleFor(kRules, conversation(Json::array({say("user", "the needle"), say("user", "x")}))), "any");
  EXPECT_EQ(ruleFor(kRules, conversation(Json::array({say("user", "do task-17 now"), say("user", "no")}))),
            "none");  // the last only
}

Json toolCall(const char* id, const char* name) {
  return {{"role", "assistant"},
          {"content", nullptr},
          {"tool_calls",
           Json::array({{{"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", "{}"}}}}})}};
}
Json toolResult(const char* id, const char* text) {
  return {{"role", "tool"}, {"tool_call_id", id}, {"content", text}};
}

TEST(ScriptMatch, ToolResultsAreThoseAfterTheLastAnswer) {
  const Json asked = say("user", "x");
  EXPECT_EQ(
      ruleFor(kRules, conversation(Json::array({asked, toolCall("1", "fs.read"), toolResult("1", "alpha beta")}))),
      "result");
  EXPECT_EQ(ruleFor(kRules, conversation(Json::array({asked, toolCall("1", "fs.read"), toolResult("1", "alpha")}))),
            "later");
  EXPECT_EQ(ruleFor(kRules,
                    conversation(Json::array({asked, toolCall("1", "fs.read"), toolResult("1", "alpha beta gamma")}))),
            "later");
  EXPECT_EQ(
      ruleFor(kRules, conversation(Json::array({asked, toolCall("1", "fs.list"), toolResult("1", "alpha beta")}))),
      "later");
  EXPECT_EQ(ruleFor(kRules, conversation(Json::array({asked, toolCall("1", "fs.read"), toolResult("1", "alpha beta"),
                                                      say("assistant", "so"), asked}))),
            "later");
}

TEST(ScriptMatch, TimesCountsByWalkingTheConversationAgain) {
  const std::string script = R"(
rules:
  - { name: twice, when: { any: x }, times: 2, answer: { text: a } }
  - { name: rest, answer: { text: b } }
)";
  Json messages = Json::array({say("user", "x")});
  std::vector<std::string> decided;
  for (int i = 0; i < 4; ++i) {
    decided.push_back(ruleFor(script, conversation(messages)));
    messages.push_back(say("assistant", "whatever"));
    messages.push_back(say("user", "and?"));
  }
  EXPECT_THAT(decided, testing::ElementsAre("twice", "twice", "rest", "rest"));
  EXPECT_EQ(ruleFor(script, conversation(Json::array({say("user", "x")}))),
            "twice");  // another conversation starts anew
}

TEST(ScriptMatch, SurvivesConversationsOfAnyShape) {
  for (const char* text :
       {R"({"messages":7})", "{}", R"({"messages":[1,null,"x",{"role":5,"content":{}},{"role":"tool"}]})",
        R"({"messages":[{"role":"assistant","tool_calls":[3,{"id":1}]},{"role":"tool","tool_call_id":9}]})"})
    EXPECT_EQ(ruleFor(kRules, {.model = "m", .agent = "a", .instance = {}, .body = *parseJson(text)}).substr(0, 5),
              std::string(text).find("assistant") == std::string::npos ? "none" : "later")
        << text;
}

TEST(ScriptFill, CapturesFillTheAnswer) {
  const std::map<std::string, std::string> values{{"user.1", "task-7"}, {"agent", "maker"}};
  EXPECT_EQ(fillIn("${agent} does ${user.1}", values), "maker does task-7");
  EXPECT_EQ(fillIn("$${agent} ${unknown} ${", values), "${agent} ${unknown} ${");
  EXPECT_EQ(fillInJson(*parseJson(R"({"a":["${user.1}",1,{"b":"${agent}"}]})"), values),
            *parseJson(R"({"a":["task-7",1,{"b":"maker"}]})"));
}

TEST(Pattern, DoesNotFallOverLongOrEvilTexts) {
  const auto pattern = Pattern::compile("(a+)+b");
  EXPECT_FALSE(pattern->search(std::string(100'000, 'a')));
  EXPECT_EQ(pattern->search("xaab")->at(0), "aab");
  EXPECT_EQ(pattern->search(std::string(50'000, 'x') + "\nthe task: aab")->at(1),
            "aa");  // far down, but early in its line
  EXPECT_FALSE(Pattern::compile("a{2,1}"));
}

}  // namespace
}  // namespace agentos::models
