// SPDX-License-Identifier: Apache-2.0
// The Responses API of OpenAI, without its memory: nothing is stored, so the whole conversation comes with each
// request.
#include <spdlog/fmt/fmt.h>

#include "models/chat.h"
#include "models/dialect.h"
#include "models/dialect_parts.h"
#include "models/json_read.h"

namespace agentos::models {
namespace {

Json partsOf(const Json& content) {
  Json parts = Json::array();
  if (content.is_string()) addText(parts, content.get<std::string>());
  if (!content.is_array()) return parts;
  for (const Json& part : content) {
    if (textAt(part, "type") == "input_image") {
      addImage(parts, textAt(part, "image_url"));
    } else if (member(part, "text")) {
      addText(parts, textAt(part, "text"));
    } else if (member(part, "refusal")) {
      addText(parts, textAt(part, "refusal"));
    }
  }
  return parts;
}

// Calls that follow each other, and the text before them, are one message of the assistant.
Json& assistantMessage(Json& messages) {
  if (messages.empty() || messages.back()["role"] != "assistant")
    messages.push_back({{"role", "assistant"}, {"content", nullptr}});
  return messages.back();
}

Result<void> addMessage(const Json& item, std::size_t at, Json& messages) {
  std::string role = textAt(item, "role");
  if (role == "developer") role = "system";
  if (role != "system" && role != "user" && role != "assistant")
    return refuseRequest(fmt::format("input[{}] has the role '{}'", at, role), "developer, system, user or assistant");
  const Json* content = member(item, "content");
  Json parts = content ? partsOf(*content) : Json::array();
  if (parts.empty()) return {};
  messages.push_back({{"role", role}, {"content", contentOf(std::move(parts))}});
  return {};
}

Result<void> addItem(const Json& item, std::size_t at, Json& messages) {
  const std::string type = textAt(item, "type");
  if (type == "message" || (type.empty() && member(item, "role"))) return addMessage(item, at, messages);
  if (type == "function_call") {
    assistantMessage(messages)["tool_calls"].push_back(
        functionCall(textAt(item, "call_id"), textAt(item, "name"), textAt(item, "arguments")));
    return {};
  }
  if (type == "function_call_output") {
    const Json* output = member(item, "output");
    messages.push_back({{"role", "tool"},
                        {"tool_call_id", textAt(item, "call_id")},
                        {"content", output ? joinedText(*output) : std::string()}});
    return {};
  }
  if (type == "item_reference")
    return refuseRequest(fmt::format("input[{}] refers to an item that was stored", at),
                         "nothing is stored here: set store to false and send the items themselves");
  return {};  // reasoning, and calls of tools that the vendor runs
}

Result<Json> chatMessages(const Json& request) {
  Json messages = Json::array();
  if (const std::string instructions = textAt(request, "instructions"); !instructions.empty())
    messages.push_back({{"role", "system"}, {"content", instructions}});
  const Json* input = member(request, "input");
  if (input && input->is_string()) {
    messages.push_back({{"role", "user"}, {"content", *input}});
    return messages;
  }
  if (!input || !input->is_array() || input->empty())
    return refuseRequest("input is missing or empty", "send a text, or the items of the conversation");
  for (std::size_t at = 0; at < input->size(); ++at) AGENTOS_CHECK(addItem((*input)[at], at, messages));
  return messages;
}

// Tools of other types are run by the vendor, which is not here.
void copyTools(const Json& request, Json& chat) {
  const Json* tools = member(request, "tools");
  if (!tools || !tools->is_array()) return;
  for (const Json& tool : *tools) {
    if (textAt(tool, "type") != "function") continue;
    Json function = functionTool(textAt(tool, "name"), member(tool, "description"), member(tool, "parameters"));
    if (const Json* strict = member(tool, "strict"); strict && *strict == true) function["function"]["strict"] = true;
    chat["tools"].push_back(std::move(function));
  }
}

void copyToolChoice(const Json& request, Json& chat) {
  const Json* choice = member(request, "tool_choice");
  if (!choice || !chat.contains("tools")) return;
  if (choice->is_string()) chat["tool_choice"] = *choice;
  if (textAt(*choice, "type") == "function")
    chat["tool_choice"] = {{"type", "function"}, {"function", {{"name", textAt(*choice, "name")}}}};
  copyMember(request, "parallel_tool_calls", chat, "parallel_tool_calls");
}

void copyFormat(const Json& request, Json& chat) {
  const Json* text = member(request, "text");
  const Json* format = text ? member(*text, "format") : nullptr;
  if (!format) return;
  if (textAt(*format, "type") == "json_object") chat["response_format"] = {{"type", "json_object"}};
  if (textAt(*format, "type") != "json_schema") return;
  Json schema = Json::object();
  for (const char* key : {"name", "description", "schema", "strict"}) copyMember(*format, key, schema, key);
  chat["response_format"] = {{"type", "json_schema"}, {"json_schema", std::move(schema)}};
}

Json usageJson(const Usage& usage) {
  return {{"input_tokens", usage.inputTokens},
          {"input_tokens_details", {{"cached_tokens", usage.cachedTokens}}},
          {"output_tokens", usage.outputTokens},
          {"output_tokens_details", {{"reasoning_tokens", 0}}},
          {"total_tokens", usage.inputTokens + usage.outputTokens}};
}

Json textItem(const std::string& id, const std::string& text, const char* status) {
  Json content = Json::array();
  if (!text.empty()) content.push_back({{"type", "output_text"}, {"text", text}, {"annotations", Json::array()}});
  return {{"id", id}, {"type", "message"}, {"status", status}, {"role", "assistant"}, {"content", std::move(content)}};
}

Json callItem(const std::string& id, const std::string& callId, const std::string& name, const std::string& arguments,
              const char* status) {
  return {{"id", id},     {"type", "function_call"}, {"status", status}, {"call_id", callId},
          {"name", name}, {"arguments", arguments}};
}

// The response as far as it is known: head, status, items.
struct Answer {
  std::string id, finish;
  Json model = "", created = 0;
  Json output = Json::array();
  std::optional<Usage> usage;

  void readHead(const Json& chat) {
    id = textAt(chat, "id");
    if (const Json* name = member(chat, "model")) model = *name;
    if (const Json* when = member(chat, "created")) created = *when;
  }
  std::string itemId() const { return fmt::format("item_{}_{}", id, output.size()); }
  bool isCut() const { return finish == "length" || finish == "content_filter"; }

  Json object(const char* status) const {
    Json response{
        {"id", "resp_" + id}, {"object", "response"}, {"created_at", created}, {"status", status},
        {"model", model},     {"output", output},     {"error", nullptr},      {"incomplete_details", nullptr},
        {"store", false}};
    response["usage"] = usage ? usageJson(*usage) : Json(nullptr);
    return response;
  }
  Json whole() const {
    Json response = object(isCut() ? "incomplete" : "completed");
    if (isCut())
      response["incomplete_details"] = {{"reason", finish == "length" ? "max_output_tokens" : "content_filter"}};
    return response;
  }
};

class ResponsesStream final : public DialectStream {
 public:
  Result<std::vector<StreamEvent>> add(const Json& chunk) override {
    events_.clear();
    if (!begun_) begin(chunk);
    if (const auto usage = readUsage(chunk)) answer_.usage = *usage;
    const Json* choices = member(chunk, "choices");
    if (choices && choices->is_array() && !choices->empty()) AGENTOS_CHECK(addChoice(choices->front()));
    return std::move(events_);
  }

  std::vector<StreamEvent> finish() override {
    events_.clear();
    if (!begun_) begin(Json::object());
    closeItem();
    say(answer_.isCut() ? "response.incomplete" : "response.completed", {{"response", answer_.whole()}});
    return std::move(events_);
  }

  StreamEvent breakOff(Json error) override {
    Json response = answer_.object("failed");
    const Json& why = error["error"];
    response["error"] = {{"code", textAt(why, "code")}, {"message", textAt(why, "message")}};
    return {"response.failed",
            {{"type", "response.failed"}, {"sequence_number", sequence_++}, {"response", std::move(response)}}};
  }

 private:
  enum class Item : std::uint8_t { kNone, kText, kCall };

  void say(const char* name, Json data) {
    data["type"] = name;
    data["sequence_number"] = sequence_++;
    events_.push_back({name, std::move(data)});
  }
  // An event about the item that is open.
  void sayOfItem(const char* name, Json data) {
    data["item_id"] = answer_.itemId();
    data["output_index"] = answer_.output.size();
    if (open_ == Item::kText) data["content_index"] = 0;
    say(name, std::move(data));
  }
  Json item(const char* status) const {
    return open_ == Item::kText ? textItem(answer_.itemId(), text_, status)
                                : callItem(answer_.itemId(), callId_, name_, text_, status);
  }
  Json textPart() const { return {{"type", "output_text"}, {"text", text_}, {"annotations", Json::array()}}; }

  void begin(const Json& chunk) {
    begun_ = true;
    answer_.readHead(chunk);
    say("response.created", {{"response", answer_.object("in_progress")}});
    say("response.in_progress", {{"response", answer_.object("in_progress")}});
  }
  void openItem(Item kind) {
    open_ = kind;
    text_.clear();
    say("response.output_item.added", {{"output_index", answer_.output.size()}, {"item", item("in_progress")}});
    if (kind == Item::kText) sayOfItem("response.content_part.added", {{"part", textPart()}});
  }
  void closeItem() {
    if (open_ == Item::kNone) return;
    if (open_ == Item::kText) {
      sayOfItem("response.output_text.done", {{"text", text_}});
      sayOfItem("response.content_part.done", {{"part", textPart()}});
    } else {
      sayOfItem("response.function_call_arguments.done", {{"arguments", text_}});
    }
    Json done = item("completed");
    say("response.output_item.done", {{"output_index", answer_.output.size()}, {"item", done}});
    answer_.output.push_back(std::move(done));
    open_ = Item::kNone;
  }

  Result<void> addChoice(const Json& choice) {
    if (const std::string finish = textAt(choice, "finish_reason"); !finish.empty()) answer_.finish = finish;
    const Json* part = member(choice, "delta");
    if (!part) return {};
    for (const char* key : {"content", "refusal"})
      if (const std::string text = textAt(*part, key); !text.empty()) addTextDelta(text);
    const Json* calls = member(*part, "tool_calls");
    if (!calls || !calls->is_array()) return {};
    for (const Json& call : *calls) AGENTOS_CHECK(addCall(call));
    return {};
  }
  void addTextDelta(const std::string& text) {
    if (open_ != Item::kText) {
      closeItem();
      openItem(Item::kText);
    }
    text_ += text;
    sayOfItem("response.output_text.delta", {{"delta", text}});
  }

  // Items follow each other; a call that goes on after the next has begun cannot be told.
  Result<void> addCall(const Json& call) {
    const std::int64_t at = intAt(call, "index").value_or(0);
    const Json* function = member(call, "function");
    if (at > call_) {
      closeItem();
      call_ = at;
      callId_ = textAt(call, "id");
      name_ = function ? textAt(*function, "name") : "";
      openItem(Item::kCall);
    } else if (at < call_ || open_ != Item::kCall) {
      return fail(ErrorCode::kModelUpstream,
                  fmt::format("the endpoint went back to tool call {} after another part had begun", at));
    }
    if (!function) return {};
    if (const std::string arguments = textAt(*function, "arguments"); !arguments.empty()) {
      text_ += arguments;
      sayOfItem("response.function_call_arguments.delta", {{"delta", arguments}});
    }
    return {};
  }

  std::vector<StreamEvent> events_;
  Answer answer_;
  bool begun_ = false;
  Item open_ = Item::kNone;
  std::int64_t call_ = -1, sequence_ = 0;
  std::string text_, callId_, name_;  // of the open item; text_ is its text or its arguments
};

class ResponsesDialect final : public Dialect {
 public:
  std::string_view name() const override { return "Responses"; }

  Result<Json> toChat(Json request) const override {
    if (member(request, "previous_response_id"))
      return refuseRequest("previous_response_id names a response that was stored",
                           "nothing is stored here: send the whole conversation as input");
    if (trueAt(request, "background"))
      return refuseRequest("background is true", "a call is answered while its client waits: leave it out");
    Json chat = Json::object();
    AGENTOS_TRY(chat["messages"], chatMessages(request));
    for (const char* key : {"model", "temperature", "top_p", "stream"}) copyMember(request, key, chat, key);
    copyMember(request, "max_output_tokens", chat, "max_tokens");
    copyTools(request, chat);
    copyToolChoice(request, chat);
    copyFormat(request, chat);
    if (trueAt(chat, "stream")) chat["stream_options"] = {{"include_usage", true}};
    return chat;
  }

  Json answer(const Json& chatCompletion) const override {
    Answer answer;
    answer.readHead(chatCompletion);
    answer.finish = finishOf(chatCompletion);
    answer.usage = readUsage(chatCompletion);
    const Json& said = messageOf(chatCompletion);
    if (const std::string text = contentText(said) + textAt(said, "refusal"); !text.empty())
      answer.output.push_back(textItem(answer.itemId(), text, "completed"));
    if (const Json* calls = member(said, "tool_calls"); calls && calls->is_array())
      for (const Json& call : *calls)
        if (const Json* function = member(call, "function"))
          answer.output.push_back(callItem(answer.itemId(), textAt(call, "id"), textAt(*function, "name"),
                                           textAt(*function, "arguments"), "completed"));
    return answer.whole();
  }

  Json error(const Error& error, int httpStatus) const override { return chatDialect().error(error, httpStatus); }
  std::unique_ptr<DialectStream> stream() const override { return std::make_unique<ResponsesStream>(); }
};

}  // namespace

const Dialect& responsesDialect() {
  static const ResponsesDialect kDialect;
  return kDialect;
}

}  // namespace agentos::models
