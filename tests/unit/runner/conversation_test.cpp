// SPDX-License-Identifier: Apache-2.0
#include "runner/conversation.h"

#include <gmock/gmock.h>

#include "fake_gateway.h"

namespace agentos::runner {
namespace {

using testing::HasSubstr;

TEST(Assistant, KeepsOnlyWhatTheApiKnows) {
  const auto turn = readAssistant(calls({call("fs.read", "{}", "a")}).body["choices"][0], 3);
  EXPECT_EQ(turn.message["content"], "");
  ASSERT_EQ(turn.calls.size(), 1U);
  EXPECT_EQ(turn.calls[0].id, "a");
  const auto strange = readAssistant(
      *parseJson(R"({"message":{"content":7,"evil":1,"tool_calls":[{"function":{"name":"x","arguments":{"a":1}}},
    {"id":"b"},{"id":"c","function":"no"},5,{"function":{"name":""}}]}})"),
      3);
  EXPECT_TRUE(strange.malformed);
  EXPECT_FALSE(strange.message.contains("evil"));
  ASSERT_EQ(strange.calls.size(), 1U);
  EXPECT_EQ(strange.calls[0].id, "call_3_1");
  EXPECT_EQ(strange.calls[0].arguments, R"({"a":1})");
  for (const char* nothing : {"null", "7", "{}", R"({"message":[]})", R"({"message":{"tool_calls":{}}})"})
    EXPECT_TRUE(readAssistant(*parseJson(nothing), 1).calls.empty()) << nothing;
}

TEST(Context, TheOldestResultsAreCutAndNamed) {
  Conversation conversation("system", "context");
  for (int i = 1; i <= 4; ++i) {
    const ToolCall one{"id" + std::to_string(i), "fs.read", "{\"path\":\"f" + std::to_string(i) + "\"}"};
    conversation.addAssistant(
        readAssistant(calls({call(one.name, one.arguments, one.id)}).body["choices"][0], i).message);
    conversation.addResult(one, std::string(4000, 'x'));
  }
  const auto whole = conversation.tokens();
  EXPECT_TRUE(conversation.cutTo(whole).empty());
  const auto cut = conversation.cutTo(whole - 1500);
  EXPECT_THAT(cut, testing::ElementsAre("fs.read {\"path\":\"f1\"}", "fs.read {\"path\":\"f2\"}"));
  EXPECT_LE(conversation.tokens(), whole - 1500);
  const Json& messages = conversation.messages();
  EXPECT_THAT(messages[3]["content"].get<std::string>(),
              HasSubstr("cut to make room: the result of fs.read {\"path\":\"f1\"}, 4000 bytes"));
  EXPECT_EQ(messages[9]["content"].get<std::string>().size(), 4000U);
  EXPECT_EQ(messages[3]["tool_call_id"], "id1");  // the pair of call and result stays whole
  conversation.cutTo(1);
  EXPECT_TRUE(conversation.cutTo(1).empty());  // nothing more to cut: no endless work
}

}  // namespace
}  // namespace agentos::runner
