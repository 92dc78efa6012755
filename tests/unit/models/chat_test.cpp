// SPDX-License-Identifier: Apache-2.0
#include "models/chat.h"

#include <gmock/gmock.h>

#include "models/json_read.h"

namespace agentos::models {
namespace {

Json body(const char* text) { return *parseJson(text); }

TEST(ChatRequest, GoodOnesPass) {
  EXPECT_TRUE(checkChatRequest(body(R"({"messages":[{"role":"user","content":"hi"}]})")));
  EXPECT_TRUE(
      checkChatRequest(body(R"({"messages":[{"role":"user"}],"n":2,"max_tokens":5,"stream":true,"model":null})")));
}

TEST(ChatRequest, MalformedOnesAreRefusedBeforeAnythingIsReserved) {
  for (const char* bad : {"[]", "3", "{}", R"({"messages":[]})", R"({"messages":{}})", R"({"messages":["x"]})",
                          R"({"messages":[{"content":"no role"}]})", R"({"messages":[{"role":3}]})"})
    EXPECT_EQ(checkChatRequest(body(bad)).error().code, ErrorCode::kModelRequest) << bad;
  for (const char* field :
       {R"("n":0)", R"("n":17)", R"("n":-1)", R"("n":"2")", R"("n":1.5)", R"("max_tokens":0)",
        R"("max_tokens":18446744073709551615)", R"("max_completion_tokens":-5)", R"("stream":"yes")", R"("model":7)"})
    EXPECT_EQ(
        checkChatRequest(body((R"({"messages":[{"role":"user"}],)" + std::string(field) + "}").c_str())).error().code,
        ErrorCode::kModelRequest)
        << field;
}

TEST(Usage, IsReadWhenItCanBeBelieved) {
  EXPECT_EQ(readUsage(body(
                R"({"usage":{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6}}})")),
            (Usage{10, 4, 6}));
  EXPECT_EQ(readUsage(body(R"({"usage":{"prompt_tokens":10}})")), (Usage{10, 0, 0}));
  EXPECT_EQ(
      readUsage(
          body(R"({"usage":{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":60}}})")),
      (Usage{10, 4, 10}));
  for (const char* lie :
       {"{}", R"({"usage":null})", R"({"usage":[]})", R"({"usage":{"prompt_tokens":-1,"completion_tokens":4}})",
        R"({"usage":{"prompt_tokens":1,"completion_tokens":18446744073709551615}})",
        R"({"usage":{"prompt_tokens":"10"}})", R"({"usage":{"prompt_tokens":1e30}})"})
    EXPECT_EQ(readUsage(body(lie)), std::nullopt) << lie;
}

TEST(Assembler, PutsTextToolCallsAndUsageTogether) {
  ChatAssembler assembler(1 << 20);
  for (
      const char* chunk :
      {R"({"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]})",
       R"({"choices":[{"index":0,"delta":{"content":"lo"}}]})",
       R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"fs.list","arguments":"{}"}}]}}]})",
       R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"fs.read","arguments":"{\"pa"}}]}}]})",
       R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"th\":1}"}}]}}]})",
       R"({"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]})",
       R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}})"})
    ASSERT_TRUE(assembler.add(body(chunk)));
  EXPECT_TRUE(assembler.finished());
  const Json message = assembler.message()["choices"][0]["message"];
  EXPECT_EQ(message["content"], "Hello");
  EXPECT_EQ(message["tool_calls"][0]["function"]["arguments"], R"({"path":1})");
  EXPECT_EQ(message["tool_calls"][1]["function"]["name"], "fs.list");
  EXPECT_EQ(assembler.message()["choices"][0]["finish_reason"], "tool_calls");
  EXPECT_EQ(assembler.message()["id"], "c1");
  EXPECT_EQ(assembler.usage(), (Usage{3, 2, 0}));
}

TEST(Assembler, SeveralChoicesAndAHalfAnswer) {
  ChatAssembler assembler(100);
  EXPECT_FALSE(assembler.finished());
  ASSERT_TRUE(assembler.add(body(R"({"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"stop"}]})")));
  EXPECT_TRUE(assembler.finished());
  ASSERT_TRUE(assembler.add(body(R"({"choices":[{"index":0,"delta":{"content":"a"}}]})")));
  EXPECT_FALSE(assembler.finished());
  EXPECT_EQ(assembler.message()["choices"][1]["message"]["content"], "b");
  EXPECT_TRUE(assembler.message()["choices"][0]["finish_reason"].is_null());
}

TEST(Assembler, BoundsAndRefusesWhatIsNoChunk) {
  ChatAssembler assembler(10);
  EXPECT_FALSE(assembler.add(body("[]")));
  EXPECT_FALSE(assembler.add(body(R"({"choices":7})")));
  EXPECT_FALSE(assembler.add(body(R"({"choices":[{"index":99,"delta":{}}]})")));
  EXPECT_FALSE(assembler.add(body(R"({"choices":[{"index":-1,"delta":{}}]})")));
  EXPECT_TRUE(assembler.add(
      body(R"({"choices":["x",{"index":0,"delta":{"content":7,"tool_calls":[{"index":9999999}, 4]}}]})")));
  EXPECT_TRUE(assembler.add(body(R"({"choices":[{"index":0,"delta":{"content":"0123456789"}}]})")));
  EXPECT_EQ(assembler.add(body(R"({"choices":[{"index":0,"delta":{"content":"x"}}]})")).error().code,
            ErrorCode::kModelUpstream);
}

TEST(Message, TextPartsAreJoined) {
  EXPECT_EQ(
      contentText(body(R"({"content":[{"type":"text","text":"a"},{"type":"image_url"},{"type":"text","text":"b"}]})")),
      "ab");
  EXPECT_EQ(contentText(body(R"({"content":null})")), "");
}

}  // namespace
}  // namespace agentos::models
