// SPDX-License-Identifier: Apache-2.0
// task.complete, task.fail, task.submit, message.send: words to the gateway.
#include "runner/tools.h"

namespace agentos::runner {
namespace {

constexpr const char* kHandoffFields[] = {"attempted", "changed", "remains", "failed", "next"};

Json textField(const char* description) { return {{"type", "string"}, {"description", description}}; }

Json handoffSchema() {
  return {{"type", "object"},
          {"description", "what the next run, or a reader, must know"},
          {"properties",
           {{"attempted", textField("what you tried")},
            {"changed", textField("what is different now")},
            {"remains", textField("what is left to do")},
            {"failed", textField("what did not work")},
            {"next", textField("what to do next")}}}};
}

Json schema(Json properties, std::vector<std::string> required) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

// Json::empty() says false of an empty text.
bool isBlank(const Json& text) { return text.is_string() && text.get_ref<const std::string&>().empty(); }

// A model's handoff, completed by what the runner saw: the files that were written are named even when it forgot them.
Json handoffFrom(const ToolContext& room, const Json& arguments) {
  Json handoff = Json::object();
  const auto given = arguments.find("handoff");
  for (const char* field : kHandoffFields) {
    handoff[field] = "";
    if (given != arguments.end() && given->is_string() && std::string_view(field) == "changed") handoff[field] = *given;
    if (given != arguments.end() && given->is_object() && given->contains(field) && (*given)[field].is_string())
      handoff[field] = (*given)[field];
  }
  const auto summary = arguments.find("summary");
  if (isBlank(handoff["changed"]) && summary != arguments.end() && summary->is_string()) handoff["changed"] = *summary;
  const Json seen = room.diary.handoff();
  for (const char* field : {"attempted", "changed"})
    if (isBlank(handoff[field])) handoff[field] = seen[field];
  return handoff;
}

Result<Json> artifactsFrom(const Json& arguments) {
  const auto given = arguments.find("artifacts");
  if (given == arguments.end()) return Json::array();
  if (!given->is_array()) return fail(ErrorCode::kInvalidArgument, "argument 'artifacts'", "must be a list of strings");
  for (const Json& one : *given)
    if (!one.is_string()) return fail(ErrorCode::kInvalidArgument, "argument 'artifacts'", "must be a list of strings");
  return *given;
}

Result<ToolAnswer> say(const ToolContext& room, const char* word, const Json& body) {
  const Reply reply = room.gateway.post(std::string("/self/task/") + word, body);
  if (!reply.ok()) return fail(ErrorCode::kConflict, "agentd did not take it: " + reply.message());
  return ToolAnswer{std::string("taken: ") + word, true};
}

Result<ToolAnswer> completeTool(const ToolContext& room, const Json& arguments) {
  AGENTOS_TRY(const std::string outcome, stringArgument(arguments, "outcome", "success"));
  AGENTOS_TRY(const Json artifacts, artifactsFrom(arguments));
  return say(room, "complete",
             {{"outcome", outcome}, {"handoff", handoffFrom(room, arguments)}, {"artifacts", artifacts}});
}

Result<ToolAnswer> submitTool(const ToolContext& room, const Json& arguments) {
  AGENTOS_TRY(const Json artifacts, artifactsFrom(arguments));
  return say(room, "submit", {{"handoff", handoffFrom(room, arguments)}, {"artifacts", artifacts}});
}

Result<ToolAnswer> failTool(const ToolContext& room, const Json& arguments) {
  AGENTOS_TRY(const std::string reason, stringArgument(arguments, "reason"));
  if (reason.empty())
    return fail(ErrorCode::kInvalidArgument, "argument 'reason' is empty", "say why it cannot be done");
  return say(room, "fail", {{"reason", reason}, {"handoff", handoffFrom(room, arguments)}});
}

Result<ToolAnswer> mailTool(const ToolContext& room, const Json& arguments) {
  Json body = Json::object();
  for (const char* field : {"to", "subject", "body"}) {
    AGENTOS_TRY(body[field], stringArgument(arguments, field));
  }
  const Reply reply = room.gateway.post("/self/mail", body);
  if (!reply.ok()) return fail(ErrorCode::kRefused, "the message was not sent: " + reply.message());
  return ToolAnswer{"sent to " + body["to"].get<std::string>()};
}

}  // namespace

std::vector<Tool> taskTools() {
  const Json artifacts{{"type", "array"}, {"items", {{"type", "string"}}}, {"description", "what was produced"}};
  const Json summary = textField("in one or two sentences");
  return {
      {"task.complete", "Give your verdict: the task is done. This ends the run.",
       schema({{"outcome", {{"type", "string"}, {"enum", {"success", "partial", "cancelled"}}}},
               {"summary", summary},
               {"handoff", handoffSchema()},
               {"artifacts", artifacts}},
              {}),
       completeTool},
      {"task.submit", "Hand the task in for review. This ends the run.",
       schema({{"summary", summary}, {"handoff", handoffSchema()}, {"artifacts", artifacts}}, {}), submitTool},
      {"task.fail", "Give your verdict: this attempt failed. This ends the run.",
       schema({{"reason", textField("why, so that the next attempt can do better")},
               {"summary", summary},
               {"handoff", handoffSchema()}},
              {"reason"}),
       failTool},
      {"message.send", "Send a message to another agent, or to human.",
       schema({{"to", textField("an agent's name, or human")},
               {"subject", textField("one line")},
               {"body", textField("Markdown")}},
              {"to", "subject", "body"}),
       mailTool},
  };
}

}  // namespace agentos::runner
