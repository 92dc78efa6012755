// SPDX-License-Identifier: Apache-2.0
#include "models/dialect_parts.h"

#include "models/json_read.h"

namespace agentos::models {
namespace {

const Json& emptyObject() {
  static const Json kEmpty = Json::object();
  return kEmpty;
}

const Json* firstChoice(const Json& chatCompletion) {
  const Json* choices = member(chatCompletion, "choices");
  return choices && choices->is_array() && !choices->empty() ? &choices->front() : nullptr;
}

}  // namespace

std::unexpected<Error> refuseRequest(std::string what, std::string remedy) {
  return fail(ErrorCode::kModelRequest, std::move(what), std::move(remedy));
}

std::string joinedText(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  if (!content.is_array()) return text;
  for (const Json& part : content) {
    if (!member(part, "text")) continue;
    if (!text.empty()) text += '\n';
    text += textAt(part, "text");
  }
  return text;
}

void addText(Json& parts, std::string text) { parts.push_back({{"type", "text"}, {"text", std::move(text)}}); }

void addImage(Json& parts, std::string url) {
  parts.push_back({{"type", "image_url"}, {"image_url", {{"url", std::move(url)}}}});
}

Json contentOf(Json parts) {
  if (parts.size() == 1 && parts[0]["type"] == "text") return std::move(parts[0]["text"]);
  return parts;
}

Json functionTool(const std::string& name, const Json* description, const Json* parameters) {
  Json function{{"name", name}};
  if (description) function["description"] = *description;
  function["parameters"] = parameters ? *parameters : Json{{"type", "object"}};
  return {{"type", "function"}, {"function", std::move(function)}};
}

Json functionCall(std::string id, std::string name, std::string arguments) {
  return {{"id", std::move(id)},
          {"type", "function"},
          {"function", {{"name", std::move(name)}, {"arguments", std::move(arguments)}}}};
}

void copyMember(const Json& from, std::string_view key, Json& to, std::string_view as) {
  if (const Json* value = member(from, key)) to[std::string(as)] = *value;
}

const Json& messageOf(const Json& chatCompletion) {
  const Json* choice = firstChoice(chatCompletion);
  const Json* message = choice ? member(*choice, "message") : nullptr;
  return message ? *message : emptyObject();
}

std::string finishOf(const Json& chatCompletion) {
  const Json* choice = firstChoice(chatCompletion);
  return choice ? textAt(*choice, "finish_reason") : std::string();
}

}  // namespace agentos::models
