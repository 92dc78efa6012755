// SPDX-License-Identifier: Apache-2.0
#include "models/dialect.h"

#include <gmock/gmock.h>

#include "models/chat.h"
#include "models/json_read.h"

namespace agentos::models {
namespace {

Json json(const char* text) { return *parseJson(text); }

// What Chat Completions streams for "Hi!", then two calls.
const char* const kChunks[] = {
    R"({"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})",
    R"({"id":"c1","choices":[{"index":0,"delta":{"content":"Hi"}}]})",
    R"({"id":"c1","choices":[{"index":0,"delta":{"content":"!"}}]})",
    R"({"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"Write","arguments":""}}]}}]})",
    R"({"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"p\":"}}]}}]})",
    R"({"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]})",
    R"({"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"Read","arguments":"{}"}}]}}]})",
    R"({"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]})",
    R"({"id":"c1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6}}})"};

Json completionOfChunks() {
  ChatAssembler whole(1 << 20);
  for (const char* chunk : kChunks) EXPECT_TRUE(whole.add(json(chunk)));
  return whole.message();
}

std::vector<StreamEvent> streamed(const Dialect& dialect) {
  const auto stream = dialect.stream();
  std::vector<StreamEvent> all;
  for (const char* chunk : kChunks)
    for (auto& event : *stream->add(json(chunk))) all.push_back(std::move(event));
  for (auto& event : stream->finish()) all.push_back(std::move(event));
  return all;
}

std::vector<std::string> namesOf(const std::vector<StreamEvent>& events) {
  std::vector<std::string> names;
  for (const auto& event : events)
    if (names.empty() || names.back() != event.name || !event.name.ends_with("delta")) names.push_back(event.name);
  return names;
}

TEST(MessagesDialect, TurnsAConversationIntoChatCompletions) {
  const auto chat = messagesDialect().toChat(json(R"({
    "model": "scripted/default", "max_tokens": 100, "stop_sequences": ["END"], "stream": true, "top_k": 4,
    "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind.", "cache_control": {}}],
    "tools": [{"name": "Write", "description": "writes", "input_schema": {"type": "object"}},
              {"type": "web_search_20250305", "name": "web_search"}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
    "messages": [
      {"role": "user", "content": [{"type": "text", "text": "look"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]},
      {"role": "system", "content": "a word in between"},
      {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "x"},
        {"type": "text", "text": "I write."}, {"type": "tool_use", "id": "t1", "name": "Write", "input": {"p": 1}}]},
      {"role": "user", "content": [{"type": "text", "text": "and now?"},
        {"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [{"type": "text", "text": "full"}]}]}
    ]})"));
  ASSERT_TRUE(chat) << chat.error().message();
  EXPECT_EQ(*chat, json(R"({
    "model": "scripted/default", "max_tokens": 100, "stop": ["END"], "stream": true,
    "stream_options": {"include_usage": true}, "tool_choice": "required", "parallel_tool_calls": false,
    "tools": [{"type": "function", "function": {"name": "Write", "description": "writes", "parameters": {"type": "object"}}}],
    "messages": [
      {"role": "system", "content": "Be brief.\nBe kind."},
      {"role": "user", "content": [{"type": "text", "text": "look"},
                                   {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
      {"role": "system", "content": "a word in between"},
      {"role": "assistant", "content": "I write.",
       "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "Write", "arguments": "{\"p\":1}"}}]},
      {"role": "tool", "tool_call_id": "t1", "content": "error: full"},
      {"role": "user", "content": "and now?"}
    ]})"));
  EXPECT_TRUE(checkChatRequest(*chat));
}

TEST(MessagesDialect, AnswersInBlocks) {
  const Json answer = messagesDialect().answer(completionOfChunks());
  EXPECT_EQ(answer["content"], json(R"([{"type":"text","text":"Hi!"},
    {"type":"tool_use","id":"a","name":"Write","input":{"p":1}}, {"type":"tool_use","id":"b","name":"Read","input":{}}])"));
  EXPECT_EQ(answer["stop_reason"], "tool_use");
  EXPECT_EQ(answer["usage"]["input_tokens"], 4);
  EXPECT_EQ(answer["usage"]["cache_read_input_tokens"], 6);
  EXPECT_EQ(answer["usage"]["output_tokens"], 4);
}

TEST(MessagesDialect, StreamsBlocksOneAfterTheOther) {
  const auto events = streamed(messagesDialect());
  EXPECT_THAT(namesOf(events), testing::ElementsAre("message_start", "content_block_start", "content_block_delta",
                                                    "content_block_stop", "content_block_start", "content_block_delta",
                                                    "content_block_stop", "content_block_start", "content_block_delta",
                                                    "content_block_stop", "message_delta", "message_stop"));
  std::string text, arguments;
  std::int64_t index = -1;
  for (const auto& event : events) {
    EXPECT_EQ(event.data["type"], event.name);
    if (event.name == "content_block_start") EXPECT_EQ(event.data["index"], ++index);
    if (event.name != "content_block_delta") continue;
    EXPECT_EQ(event.data["index"], index);
    text += textAt(event.data["delta"], "text");
    if (index == 1) arguments += textAt(event.data["delta"], "partial_json");
  }
  EXPECT_EQ(text, "Hi!");
  EXPECT_EQ(arguments, R"({"p":1})");
  const Json& end = events[events.size() - 2].data;
  EXPECT_EQ(end["delta"]["stop_reason"], "tool_use");
  EXPECT_EQ(end["usage"]["output_tokens"], 4);
}

TEST(MessagesDialect, ShowsArgumentsThatAreNoObject) {
  const Json chat = json(R"({"id":"x","choices":[{"message":{"role":"assistant","content":null,
    "tool_calls":[{"id":"a","function":{"name":"Write","arguments":"{not json"}}]},"finish_reason":"tool_calls"}]})");
  EXPECT_EQ(messagesDialect().answer(chat)["content"][0]["input"]["malformed_arguments"], "{not json");
}

TEST(ResponsesDialect, TurnsItemsIntoChatCompletions) {
  const auto chat = responsesDialect().toChat(json(R"({
    "model": "m", "instructions": "Be brief.", "stream": true, "store": false, "max_output_tokens": 50,
    "tools": [{"type": "function", "name": "exec", "description": "runs", "parameters": {"type": "object"}, "strict": true},
              {"type": "web_search"}, {"type": "namespace", "name": "n"}],
    "tool_choice": "auto", "parallel_tool_calls": true, "reasoning": {"effort": "high"},
    "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}},
    "input": [
      {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "rules"}]},
      {"role": "user", "content": "go"},
      {"type": "reasoning", "summary": [], "encrypted_content": "x"},
      {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I run."}]},
      {"type": "function_call", "call_id": "a", "name": "exec", "arguments": "{}"},
      {"type": "function_call", "call_id": "b", "name": "exec", "arguments": "{\"n\":2}"},
      {"type": "function_call_output", "call_id": "a", "output": "one"},
      {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "two"}]}
    ]})"));
  ASSERT_TRUE(chat) << chat.error().message();
  EXPECT_EQ(*chat, json(R"({
    "model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 50,
    "tools": [{"type": "function", "function": {"name": "exec", "description": "runs", "parameters": {"type": "object"},
                                                "strict": true}}],
    "tool_choice": "auto", "parallel_tool_calls": true,
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
    "messages": [
      {"role": "system", "content": "Be brief."},
      {"role": "system", "content": "rules"},
      {"role": "user", "content": "go"},
      {"role": "assistant", "content": "I run.",
       "tool_calls": [{"id": "a", "type": "function", "function": {"name": "exec", "arguments": "{}"}},
                      {"id": "b", "type": "function", "function": {"name": "exec", "arguments": "{\"n\":2}"}}]},
      {"role": "tool", "tool_call_id": "a", "content": "one"},
      {"role": "tool", "tool_call_id": "b", "content": "two"}
    ]})"));
  EXPECT_TRUE(checkChatRequest(*chat));
}

TEST(ResponsesDialect, AnswersWithItems) {
  const Json answer = responsesDialect().answer(completionOfChunks());
  EXPECT_EQ(answer["status"], "completed");
  ASSERT_EQ(answer["output"].size(), 3U);
  EXPECT_EQ(answer["output"][0]["content"][0]["text"], "Hi!");
  EXPECT_EQ(answer["output"][1]["call_id"], "a");
  EXPECT_EQ(answer["output"][1]["arguments"], R"({"p":1})");
  EXPECT_EQ(answer["output"][2]["name"], "Read");
  EXPECT_EQ(answer["usage"]["input_tokens"], 10);
  EXPECT_EQ(answer["usage"]["input_tokens_details"]["cached_tokens"], 6);
}

TEST(ResponsesDialect, StreamsWhatItAnswersWithoutAStream) {
  const auto events = streamed(responsesDialect());
  EXPECT_THAT(namesOf(events),
              testing::ElementsAre(
                  "response.created", "response.in_progress", "response.output_item.added",
                  "response.content_part.added", "response.output_text.delta", "response.output_text.done",
                  "response.content_part.done", "response.output_item.done", "response.output_item.added",
                  "response.function_call_arguments.delta", "response.function_call_arguments.done",
                  "response.output_item.done", "response.output_item.added", "response.function_call_arguments.delta",
                  "response.function_call_arguments.done", "response.output_item.done", "response.completed"));
  for (std::size_t at = 0; at < events.size(); ++at) EXPECT_EQ(events[at].data["sequence_number"], at);
  Json whole = events.back().data["response"], answer = responsesDialect().answer(completionOfChunks());
  EXPECT_EQ(whole, answer);
}

TEST(ResponsesDialect, SaysThatAnAnswerWasCut) {
  const Json answer = responsesDialect().answer(
      json(R"({"id":"x","choices":[{"message":{"role":"assistant","content":"half"},"finish_reason":"length"}]})"));
  EXPECT_EQ(answer["status"], "incomplete");
  EXPECT_EQ(answer["incomplete_details"]["reason"], "max_output_tokens");
}

TEST(Dialects, RefuseWhatTheyCannotTell) {
  for (const char* bad : {"{}", R"({"messages":[]})", R"({"messages":"hi"})", R"({"messages":[{"role":"user"}]})",
                          R"({"messages":[{"role":"tool","content":"x"}]})", R"({"messages":["x"]})"})
    EXPECT_EQ(messagesDialect().toChat(json(bad)).error().code, ErrorCode::kModelRequest) << bad;
  for (const char* bad : {"{}", R"({"input":[]})", R"({"input":7})", R"({"input":"x","previous_response_id":"resp_1"})",
                          R"({"input":"x","background":true})", R"({"input":[{"type":"item_reference","id":"i"}]})",
                          R"({"input":[{"role":"oracle","content":"x"}]})"})
    EXPECT_EQ(responsesDialect().toChat(json(bad)).error().code, ErrorCode::kModelRequest) << bad;
}

// Members of the wrong type are absent, and nothing throws.
TEST(Dialects, TakeNonsenseWithoutFalling) {
  for (
      const char* odd :
      {R"({"messages":[{"role":"user","content":[1,null,{"type":"tool_result","content":{}},{"type":"image"}]}],"tools":[3],
            "system":9,"tool_choice":[]})",
       R"({"input":[{"type":"function_call"},{"type":"function_call_output","output":4},{"type":"message","role":"user",
            "content":[null,{"type":"input_image"}]}],"tools":{"a":1},"text":{"format":[]},"instructions":{}})"}) {
    static_cast<void>(messagesDialect().toChat(json(odd)));
    static_cast<void>(responsesDialect().toChat(json(odd)));
  }
  for (const Dialect* dialect : {&messagesDialect(), &responsesDialect()}) {
    for (const char* odd :
         {"{}", R"({"choices":[]})", R"({"choices":[7]})", R"({"choices":[{"delta":{"tool_calls":[9]}}]})"}) {
      static_cast<void>(dialect->answer(json(odd)));
      const auto stream = dialect->stream();
      static_cast<void>(stream->add(json(odd)));
      EXPECT_FALSE(stream->finish().empty());
    }
  }
}

TEST(Dialects, DoNotMixUpCallsThatAnEndpointInterleaves) {
  for (const Dialect* dialect : {&messagesDialect(), &responsesDialect()}) {
    const auto stream = dialect->stream();
    for (std::size_t at = 3; at < 7; ++at) ASSERT_TRUE(stream->add(json(kChunks[at])));
    const auto back = stream->add(json(kChunks[5]));
    ASSERT_FALSE(back);
    EXPECT_EQ(back.error().code, ErrorCode::kModelUpstream);
  }
}

TEST(Dialects, TellErrorsInTheShapeOfTheirApi) {
  const Error spent{ErrorCode::kBudgetExhausted, "spent", "wait", 0, {}};
  EXPECT_EQ(chatDialect().error(spent, 402)["error"]["type"], "insufficient_quota");
  EXPECT_EQ(messagesDialect().error(spent, 402)["error"]["type"], "billing_error");
  EXPECT_EQ(messagesDialect().error(spent, 402)["type"], "error");
  EXPECT_EQ(responsesDialect().error(spent, 402)["error"]["code"], infoOf(spent.code).name);
  const auto stream = responsesDialect().stream();
  const StreamEvent broken = stream->breakOff(responsesDialect().error(spent, 402));
  EXPECT_EQ(broken.name, "response.failed");
  EXPECT_EQ(broken.data["response"]["status"], "failed");
  EXPECT_EQ(broken.data["response"]["error"]["code"], infoOf(spent.code).name);
}

}  // namespace
}  // namespace agentos::models
