// SPDX-License-Identifier: Apache-2.0
// The Messages API of Anthropic (version 2023-06-01): content blocks, tool_use and tool_result, named stream events.
#include <spdlog/fmt/fmt.h>

#include "models/chat.h"
#include "models/dialect.h"
#include "models/dialect_parts.h"
#include "models/json_read.h"

namespace agentos::models {
namespace {

constexpr const char* kSeeMessages = "send a Messages request (anthropic-version 2023-06-01)";

std::string imageUrl(const Json& block) {
  const Json* source = member(block, "source");
  if (!source) return {};
  if (textAt(*source, "type") == "url") return textAt(*source, "url");
  return "data:" + textAt(*source, "media_type") + ";base64," + textAt(*source, "data");
}

// A user's message: the results of tools come first, since Chat Completions wants them right after the calls.
void addUser(const Json& content, Json& messages) {
  if (content.is_string()) {
    messages.push_back({{"role", "user"}, {"content", content}});
    return;
  }
  Json parts = Json::array();
  for (const Json& block : content) {
    const std::string type = textAt(block, "type");
    if (type == "tool_result") {
      const Json* result = member(block, "content");
      messages.push_back(
          {{"role", "tool"},
           {"tool_call_id", textAt(block, "tool_use_id")},
           {"content", (trueAt(block, "is_error") ? "error: " : "") + (result ? joinedText(*result) : std::string())}});
    } else if (type == "image") {
      addImage(parts, imageUrl(block));
    } else if (member(block, "text")) {
      addText(parts, textAt(block, "text"));
    }
  }
  if (!parts.empty()) messages.push_back({{"role", "user"}, {"content", contentOf(std::move(parts))}});
}

// An assistant's: what it thought stays with the vendor that can read it.
void addAssistant(const Json& content, Json& messages) {
  Json message{{"role", "assistant"}, {"content", joinedText(content)}};
  if (content.is_array())
    for (const Json& block : content)
      if (textAt(block, "type") == "tool_use") {
        const Json* input = member(block, "input");
        message["tool_calls"].push_back(
            functionCall(textAt(block, "id"), textAt(block, "name"), input ? dumpJson(*input) : "{}"));
      }
  if (message.contains("tool_calls") && message["content"] == "") message["content"] = nullptr;
  messages.push_back(std::move(message));
}

Result<Json> chatMessages(const Json& request) {
  Json messages = Json::array();
  if (const Json* system = member(request, "system"))
    messages.push_back({{"role", "system"}, {"content", joinedText(*system)}});
  const Json* list = member(request, "messages");
  if (!list || !list->is_array() || list->empty()) return refuseRequest("messages is missing or empty", kSeeMessages);
  for (std::size_t at = 0; at < list->size(); ++at) {
    const Json& message = (*list)[at];
    const std::string role = textAt(message, "role");
    const Json* content = member(message, "content");
    if (!content || (!content->is_string() && !content->is_array()))
      return refuseRequest(fmt::format("messages[{}] has no content", at), "a text, or a list of content blocks");
    if (role == "user") {
      addUser(*content, messages);
    } else if (role == "assistant") {
      addAssistant(*content, messages);
    } else if (role == "system") {
      messages.push_back({{"role", "system"}, {"content", joinedText(*content)}});
    } else {
      return refuseRequest(fmt::format("messages[{}] has the role '{}'", at, role), "user, assistant or system");
    }
  }
  return messages;
}

// Tools with a `type` of their own are run by the vendor, which is not here.
void copyTools(const Json& request, Json& chat) {
  const Json* tools = member(request, "tools");
  if (!tools || !tools->is_array()) return;
  for (const Json& tool : *tools) {
    const std::string type = textAt(tool, "type");
    if (type.empty() || type == "custom")
      chat["tools"].push_back(
          functionTool(textAt(tool, "name"), member(tool, "description"), member(tool, "input_schema")));
  }
}

void copyToolChoice(const Json& request, Json& chat) {
  const Json* choice = member(request, "tool_choice");
  if (!choice || !chat.contains("tools")) return;
  const std::string type = textAt(*choice, "type");
  if (type == "auto" || type == "none") chat["tool_choice"] = type;
  if (type == "any") chat["tool_choice"] = "required";
  if (type == "tool") chat["tool_choice"] = {{"type", "function"}, {"function", {{"name", textAt(*choice, "name")}}}};
  if (trueAt(*choice, "disable_parallel_tool_use")) chat["parallel_tool_calls"] = false;
}

std::string stopReason(const std::string& finish) {
  if (finish == "length") return "max_tokens";
  if (finish == "tool_calls" || finish == "function_call") return "tool_use";
  if (finish == "content_filter") return "refusal";
  return "end_turn";
}

Json usageJson(const Usage& usage) {
  return {{"input_tokens", usage.inputTokens - usage.cachedTokens},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", usage.cachedTokens},
          {"output_tokens", usage.outputTokens}};
}

// Arguments that are no object are the model's mistake: the program gets to see them, and can tell the model.
Json inputOf(const std::string& arguments) {
  auto input = parseJson(arguments.empty() ? "{}" : arguments);
  if (input && input->is_object()) return *std::move(input);
  return {{"malformed_arguments", arguments}};
}

Json messageHead(const std::string& id, const Json& model) {
  return {{"id", "msg_" + id},        {"type", "message"},      {"role", "assistant"},     {"model", model},
          {"content", Json::array()}, {"stop_reason", nullptr}, {"stop_sequence", nullptr}};
}

class MessagesStream final : public DialectStream {
 public:
  Result<std::vector<StreamEvent>> add(const Json& chunk) override {
    events_.clear();
    if (!begun_) begin(chunk);
    if (const auto usage = readUsage(chunk)) usage_ = *usage;
    const Json* choices = member(chunk, "choices");
    if (choices && choices->is_array() && !choices->empty()) AGENTOS_CHECK(addChoice(choices->front()));
    return std::move(events_);
  }

  std::vector<StreamEvent> finish() override {
    events_.clear();
    if (!begun_) begin(Json::object());
    closeBlock();
    say("message_delta",
        {{"delta", {{"stop_reason", stopReason(finish_)}, {"stop_sequence", nullptr}}}, {"usage", usageJson(usage_)}});
    say("message_stop", Json::object());
    return std::move(events_);
  }

  StreamEvent breakOff(Json error) override { return {"error", std::move(error)}; }

 private:
  enum class Block : std::uint8_t { kNone, kText, kTool };

  void say(const char* name, Json data) {
    data["type"] = name;
    events_.push_back({name, std::move(data)});
  }
  void begin(const Json& chunk) {
    begun_ = true;
    const Json* model = member(chunk, "model");
    Json message = messageHead(textAt(chunk, "id"), model ? *model : Json(""));
    message["usage"] = usageJson({});
    say("message_start", {{"message", std::move(message)}});
  }
  void openBlock(Block kind, Json block) {
    closeBlock();
    open_ = kind;
    say("content_block_start", {{"index", index_}, {"content_block", std::move(block)}});
  }
  void closeBlock() {
    if (open_ == Block::kNone) return;
    say("content_block_stop", {{"index", index_++}});
    open_ = Block::kNone;
  }
  void delta(Json what) { say("content_block_delta", {{"index", index_}, {"delta", std::move(what)}}); }

  Result<void> addChoice(const Json& choice) {
    if (const std::string finish = textAt(choice, "finish_reason"); !finish.empty()) finish_ = finish;
    const Json* part = member(choice, "delta");
    if (!part) return {};
    for (const char* key : {"content", "refusal"})
      if (const std::string text = textAt(*part, key); !text.empty()) {
        if (open_ != Block::kText) openBlock(Block::kText, {{"type", "text"}, {"text", ""}});
        delta({{"type", "text_delta"}, {"text", text}});
      }
    const Json* calls = member(*part, "tool_calls");
    if (!calls || !calls->is_array()) return {};
    for (const Json& call : *calls) AGENTOS_CHECK(addCall(call));
    return {};
  }

  // Blocks follow each other; a call that goes on after the next has begun cannot be told.
  Result<void> addCall(const Json& call) {
    const std::int64_t at = intAt(call, "index").value_or(0);
    const Json* function = member(call, "function");
    if (at > call_) {
      call_ = at;
      openBlock(Block::kTool, {{"type", "tool_use"},
                               {"id", textAt(call, "id")},
                               {"name", function ? textAt(*function, "name") : ""},
                               {"input", Json::object()}});
    } else if (at < call_ || open_ != Block::kTool) {
      return fail(ErrorCode::kModelUpstream,
                  fmt::format("the endpoint went back to tool call {} after another part had begun", at));
    }
    if (!function) return {};
    if (const std::string arguments = textAt(*function, "arguments"); !arguments.empty())
      delta({{"type", "input_json_delta"}, {"partial_json", arguments}});
    return {};
  }

  std::vector<StreamEvent> events_;
  bool begun_ = false;
  Block open_ = Block::kNone;
  std::int64_t index_ = 0, call_ = -1;
  std::string finish_;
  Usage usage_;
};

std::string_view typeOf(const Error& error, int status) {
  if (error.code == ErrorCode::kBudgetExhausted) return "billing_error";
  if (status == 413) return "request_too_large";
  if (status == 429) return "rate_limit_error";
  if (status == 404) return "not_found_error";
  if (status == 403) return "permission_error";
  return status < 500 ? "invalid_request_error" : "api_error";
}

class MessagesDialect final : public Dialect {
 public:
  std::string_view name() const override { return "Messages"; }

  Result<Json> toChat(Json request) const override {
    Json chat = Json::object();
    AGENTOS_TRY(chat["messages"], chatMessages(request));
    for (const char* key : {"model", "max_tokens", "temperature", "top_p", "stream"})
      copyMember(request, key, chat, key);
    copyMember(request, "stop_sequences", chat, "stop");
    copyTools(request, chat);
    copyToolChoice(request, chat);
    if (trueAt(chat, "stream")) chat["stream_options"] = {{"include_usage", true}};
    return chat;
  }

  Json answer(const Json& chatCompletion) const override {
    const Json& said = messageOf(chatCompletion);
    const Json* model = member(chatCompletion, "model");
    Json message = messageHead(textAt(chatCompletion, "id"), model ? *model : Json(""));
    const std::string text = contentText(said) + textAt(said, "refusal");
    if (!text.empty()) message["content"].push_back({{"type", "text"}, {"text", text}});
    if (const Json* calls = member(said, "tool_calls"); calls && calls->is_array())
      for (const Json& call : *calls)
        if (const Json* function = member(call, "function"))
          message["content"].push_back({{"type", "tool_use"},
                                        {"id", textAt(call, "id")},
                                        {"name", textAt(*function, "name")},
                                        {"input", inputOf(textAt(*function, "arguments"))}});
    message["stop_reason"] = stopReason(finishOf(chatCompletion));
    message["usage"] = usageJson(readUsage(chatCompletion).value_or(Usage{}));
    return message;
  }

  Json error(const Error& error, int httpStatus) const override {
    return {{"type", "error"},
            {"error",
             {{"type", typeOf(error, httpStatus)}, {"message", error.message()}, {"code", infoOf(error.code).name}}}};
  }

  std::unique_ptr<DialectStream> stream() const override { return std::make_unique<MessagesStream>(); }
};

}  // namespace

const Dialect& messagesDialect() {
  static const MessagesDialect kDialect;
  return kDialect;
}

}  // namespace agentos::models
