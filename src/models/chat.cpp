// SPDX-License-Identifier: Apache-2.0
#include "models/chat.h"

#include <spdlog/fmt/fmt.h>

#include "models/json_read.h"

namespace agentos::models {
namespace {

constexpr std::int64_t kMostTokens = 1'000'000'000;
constexpr std::int64_t kMostChoices = 16;
constexpr std::int64_t kMostCalls = 256;

std::unexpected<Error> refuse(std::string what, std::string remedy) {
  return fail(ErrorCode::kModelRequest, std::move(what), std::move(remedy));
}

Result<void> checkMessages(const Json& body) {
  const Json* messages = member(body, "messages");
  if (!messages || !messages->is_array() || messages->empty())
    return refuse("messages is missing or empty", "send a list of {\"role\", \"content\"} objects");
  for (std::size_t i = 0; i < messages->size(); ++i)
    if (textAt((*messages)[i], "role").empty())
      return refuse(fmt::format("messages[{}] has no role", i), "use system, user, assistant or tool");
  return {};
}

Result<void> checkCount(const Json& body, const char* key, std::int64_t most) {
  if (!member(body, key)) return {};
  const auto value = intAt(body, key);
  if (value && *value >= 1 && *value <= most) return {};
  return refuse(fmt::format("{} is {}", key, dumpJson(*member(body, key)).substr(0, 40)),
                fmt::format("use 1 to {}", most));
}

std::size_t textBytes(const Json& object, const char* key) {
  const Json* value = member(object, key);
  return value && value->is_string() ? value->get_ref<const std::string&>().size() : 0;
}

void append(std::string& to, const Json& delta, const char* key) {
  if (const Json* value = member(delta, key); value && value->is_string()) to += value->get_ref<const std::string&>();
}

}  // namespace

std::string contentText(const Json& message) {
  const Json* content = member(message, "content");
  if (!content) return {};
  if (content->is_string()) return content->get<std::string>();
  std::string text;
  if (content->is_array())
    for (const Json& part : *content) append(text, part, "text");
  return text;
}

Result<void> checkChatRequest(const Json& body) {
  if (!body.is_object()) return refuse("the request is no JSON object", "send a Chat Completions request");
  AGENTOS_CHECK(checkMessages(body));
  AGENTOS_CHECK(checkCount(body, "n", kMostChoices));
  AGENTOS_CHECK(checkCount(body, "max_tokens", kMostTokens));
  AGENTOS_CHECK(checkCount(body, "max_completion_tokens", kMostTokens));
  if (const Json* stream = member(body, "stream"); stream && !stream->is_boolean())
    return refuse("stream is not a boolean", "use true or false");
  if (const Json* model = member(body, "model"); model && !model->is_string())
    return refuse("model is not a string", "name a model, or leave it out for the first that the contract allows");
  return {};
}

std::optional<Usage> readUsage(const Json& answer) {
  const Json* usage = member(answer, "usage");
  if (!usage) return std::nullopt;
  const auto input = intAt(*usage, "prompt_tokens"), output = intAt(*usage, "completion_tokens");
  const auto believable = [](const std::optional<std::int64_t>& n) { return n && *n >= 0 && *n <= kMostTokens; };
  if (!believable(input) || (output && !believable(output))) return std::nullopt;
  Usage read{*input, output.value_or(0), 0};
  if (const Json* details = member(*usage, "prompt_tokens_details"))
    if (const auto cached = intAt(*details, "cached_tokens"); believable(cached))
      read.cachedTokens = std::min(*cached, *input);
  return read;
}

Json writeUsage(const Usage& usage) {
  Json json{{"prompt_tokens", usage.inputTokens},
            {"completion_tokens", usage.outputTokens},
            {"total_tokens", usage.inputTokens + usage.outputTokens}};
  if (usage.cachedTokens > 0) json["prompt_tokens_details"] = {{"cached_tokens", usage.cachedTokens}};
  return json;
}

std::size_t writtenBytes(const Json& messageOrDelta) {
  std::size_t bytes = contentText(messageOrDelta).size() + textBytes(messageOrDelta, "refusal") +
                      textBytes(messageOrDelta, "reasoning_content");
  const Json* calls = member(messageOrDelta, "tool_calls");
  if (!calls || !calls->is_array()) return bytes;
  for (const Json& call : *calls)
    if (const Json* function = member(call, "function"))
      bytes += textBytes(*function, "name") + textBytes(*function, "arguments");
  return bytes;
}

Result<void> ChatAssembler::add(const Json& chunk) {
  const Json* choices = member(chunk, "choices");
  if (!choices || !choices->is_array())
    return fail(ErrorCode::kModelUpstream,
                "the endpoint streamed something that is no chat.completion.chunk: " + dumpJson(chunk).substr(0, 200));
  for (const char* key : {"id", "created", "model", "system_fingerprint"})
    if (const Json* value = member(chunk, key); value && !head_.contains(key)) head_[key] = *value;
  if (const auto usage = readUsage(chunk)) usage_ = usage;
  for (const Json& choice : *choices) AGENTOS_CHECK(addChoice(choice));
  return {};
}

Result<void> ChatAssembler::addChoice(const Json& choice) {
  const std::int64_t index = intAt(choice, "index").value_or(0);
  if (index < 0 || index >= kMostChoices)
    return fail(ErrorCode::kModelUpstream,
                fmt::format("the endpoint streamed choice {} of at most {}", index, kMostChoices));
  Choice& into = choices_[index];
  if (const std::string finish = textAt(choice, "finish_reason"); !finish.empty()) into.finish = finish;
  const Json* delta = member(choice, "delta");
  if (!delta) return {};
  written_ += writtenBytes(*delta);
  if (written_ > maxBytes_)
    return fail(ErrorCode::kModelUpstream, fmt::format("the endpoint streamed more than {} bytes", maxBytes_),
                "lower max_tokens, or raise the endpoint's max_answer");
  if (const std::string role = textAt(*delta, "role"); !role.empty()) into.role = role;
  append(into.content, *delta, "content");
  append(into.refusal, *delta, "refusal");
  append(into.reasoning, *delta, "reasoning_content");
  addCalls(into, *delta);
  return {};
}

void ChatAssembler::addCalls(Choice& into, const Json& delta) {
  const Json* calls = member(delta, "tool_calls");
  if (!calls || !calls->is_array()) return;
  for (const Json& part : *calls) {
    const std::int64_t index = intAt(part, "index").value_or(0);
    if (index < 0 || index >= kMostCalls) continue;
    Json& call = into.calls[index];
    if (call.is_null()) call = {{"id", ""}, {"type", "function"}, {"function", {{"name", ""}, {"arguments", ""}}}};
    if (const std::string id = textAt(part, "id"); !id.empty()) call["id"] = id;
    const Json* function = member(part, "function");
    if (!function) continue;
    if (const std::string name = textAt(*function, "name"); !name.empty()) call["function"]["name"] = name;
    append(call["function"]["arguments"].get_ref<std::string&>(), *function, "arguments");
  }
}

bool ChatAssembler::finished() const {
  for (const auto& [index, choice] : choices_)
    if (choice.finish.empty()) return false;
  return !choices_.empty();
}

Json ChatAssembler::message() const {
  Json body = head_;
  body["object"] = "chat.completion";
  body["choices"] = Json::array();
  for (const auto& [index, choice] : choices_) {
    Json message{{"role", choice.role}, {"content", nullptr}};
    if (!choice.content.empty() || choice.calls.empty()) message["content"] = choice.content;
    if (!choice.refusal.empty()) message["refusal"] = choice.refusal;
    if (!choice.reasoning.empty()) message["reasoning_content"] = choice.reasoning;
    for (const auto& [callIndex, call] : choice.calls) message["tool_calls"].push_back(call);
    body["choices"].push_back({{"index", index},
                               {"message", std::move(message)},
                               {"finish_reason", choice.finish.empty() ? Json(nullptr) : Json(choice.finish)}});
  }
  if (usage_) body["usage"] = writeUsage(*usage_);
  return body;
}

}  // namespace agentos::models
