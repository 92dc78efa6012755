// SPDX-License-Identifier: Apache-2.0
#include "runner/conversation.h"

namespace agentos::runner {
namespace {

constexpr std::size_t kLongestName = 120;

std::string textOf(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// A call needs a function's name; an id that is missing is given.
bool readCall(const Json& json, const std::string& fallbackId, ToolCall& call) {
  if (!json.is_object() || !json.contains("function")) return false;
  const Json& function = json["function"];
  call = {textOf(json, "id"), textOf(function, "name"), textOf(function, "arguments")};
  if (function.is_object() && function.contains("arguments") && function["arguments"].is_object())
    call.arguments = dumpJson(function["arguments"]);
  if (call.id.empty()) call.id = fallbackId;
  return !call.name.empty();
}

}  // namespace

AssistantTurn readAssistant(const Json& choice, std::int64_t turn) {
  AssistantTurn read;
  const Json message = choice.is_object() && choice.contains("message") ? choice["message"] : Json::object();
  read.text = textOf(message, "content");
  read.message = {{"role", "assistant"}, {"content", read.text}};
  if (!message.is_object() || !message.contains("tool_calls") || !message["tool_calls"].is_array()) return read;
  for (const Json& json : message["tool_calls"]) {
    ToolCall call;
    if (!readCall(json, "call_" + std::to_string(turn) + "_" + std::to_string(read.calls.size() + 1), call)) {
      read.malformed = true;
      continue;
    }
    read.message["tool_calls"].push_back(
        {{"id", call.id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    read.calls.push_back(std::move(call));
  }
  return read;
}

Conversation::Conversation(std::string systemPrompt, std::string context) {
  messages_ = Json::array();
  messages_.push_back({{"role", "system"}, {"content", std::move(systemPrompt)}});
  messages_.push_back({{"role", "user"}, {"content", std::move(context)}});
}

void Conversation::addResult(const ToolCall& call, const std::string& text) {
  results_.push_back({messages_.size(), (call.name + " " + call.arguments).substr(0, kLongestName)});
  messages_.push_back({{"role", "tool"}, {"tool_call_id", call.id}, {"content", text}});
}

std::int64_t Conversation::tokens() const { return static_cast<std::int64_t>(dumpJson(messages_).size() / 4); }

std::vector<std::string> Conversation::cutTo(std::int64_t most) {
  std::vector<std::string> names;
  for (Result& result : results_) {
    if (tokens() <= most) break;
    Json& content = messages_[result.index]["content"];
    const std::string note = "[cut to make room: the result of " + result.what + ", " +
                             std::to_string(content.get_ref<const std::string&>().size()) +
                             " bytes. Call again if you need it.]";
    if (result.cut || content.get_ref<const std::string&>().size() <= note.size()) continue;
    content = note;
    result.cut = true;
    names.push_back(result.what);
  }
  return names;
}

}  // namespace agentos::runner
