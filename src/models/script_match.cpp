// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>

#include "base/text.h"
#include "models/json_read.h"
#include "models/script.h"

namespace agentos::models {
namespace {

// What the rules can see of a conversation before one of its answers.
struct View {
  std::int64_t turn = 1;
  std::map<std::string, std::string> texts;  // "system", "user", "tool_result", "any"
  std::string tool;                          // that gave the last result
};

std::string toolOf(const Json& messages, std::size_t end, const std::string& callId) {
  for (std::size_t i = end; i-- > 0;) {
    const Json* calls = member(messages[i], "tool_calls");
    if (!calls || !calls->is_array()) continue;
    for (const Json& call : *calls)
      if (textAt(call, "id") == callId)
        if (const Json* function = member(call, "function")) return textAt(*function, "name");
  }
  return {};
}

View viewOf(const Json& messages, std::size_t end) {
  View view;
  for (std::size_t i = 0; i < end; ++i) {
    const Json& message = messages[i];
    const std::string role = textAt(message, "role"), text = contentText(message);
    view.texts["any"] += text + "\n";
    if (role == "system" || role == "developer") view.texts["system"] += text + "\n";
    if (role == "user") view.texts["user"] = text;
    if (role == "assistant") ++view.turn;
    if (role != "tool") {
      view.texts["tool_result"].clear();
      view.tool.clear();
    } else {
      view.texts["tool_result"] += text + "\n";
      view.tool = toolOf(messages, i, textAt(message, "tool_call_id"));
    }
  }
  return view;
}

bool fits(const TextMatch& match, const std::string& name, const std::string& text,
          std::map<std::string, std::string>& values) {
  for (const std::string& part : match.contains)
    if (text.find(part) == std::string::npos) return false;
  for (const std::string& part : match.without)
    if (text.find(part) != std::string::npos) return false;
  if (!match.regex) return true;
  const auto groups = match.regex->search(text);
  if (!groups) return false;
  for (std::size_t i = 0; i < groups->size(); ++i) values[name + "." + std::to_string(i)] = (*groups)[i];
  return true;
}

bool fits(const ScriptRule& rule, const ChatRequest& request, const View& view,
          std::map<std::string, std::string>& values) {
  if (!matchesPattern(rule.agent, request.agent) || !matchesPattern(rule.model, request.model)) return false;
  if (view.turn < rule.turn.from || view.turn > rule.turn.to) return false;
  if (rule.tool != "*" && !matchesPattern(rule.tool, view.tool)) return false;
  for (const auto& [name, match] : rule.matches) {
    const auto text = view.texts.find(name);
    if (!fits(match, name, text == view.texts.end() ? std::string() : text->second, values)) return false;
  }
  return true;
}

class Decision {
 public:
  Decision(const Script& script, const ChatRequest& request)
      : script_(script), request_(request), uses_(script.rules.size()) {}

  ScriptedTurn at(const Json& messages, std::size_t end, const std::function<bool(const ScriptRule&)>& attemptsSpent) {
    const View view = viewOf(messages, end);
    for (std::size_t i = 0; i < script_.rules.size(); ++i) {
      const ScriptRule& rule = script_.rules[i];
      ScriptedTurn turn{.rule = &rule, .turn = view.turn, .values = {}};
      if (rule.times && uses_[i] >= *rule.times) continue;
      if (!fits(rule, request_, view, turn.values)) continue;
      if (rule.error && (!attemptsSpent || (rule.error->attempts && attemptsSpent(rule)))) continue;
      ++uses_[i];
      turn.values["agent"] = request_.agent;
      turn.values["turn"] = std::to_string(view.turn);
      return turn;
    }
    return {.rule = nullptr, .turn = view.turn, .values = {}};
  }

 private:
  const Script& script_;
  const ChatRequest& request_;
  std::vector<std::int64_t> uses_;
};

}  // namespace

// Every answer the conversation already holds is decided again, so that `times` counts without a memory. A rule with an
// error left no answer behind, so those are passed over on the way.
ScriptedTurn decide(const Script& script, const ChatRequest& request,
                    const std::function<bool(const ScriptRule&)>& attemptsSpent) {
  const Json* messages = member(request.body, "messages");
  if (!messages || !messages->is_array()) return {};
  Decision decision(script, request);
  const bool counts = std::ranges::any_of(script.rules, [](const ScriptRule& rule) { return rule.times.has_value(); });
  for (std::size_t i = 0; counts && i < messages->size(); ++i)
    if (textAt((*messages)[i], "role") == "assistant") decision.at(*messages, i, nullptr);
  return decision.at(*messages, messages->size(), attemptsSpent);
}

std::string fillIn(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string out;
  while (!text.empty()) {
    const auto at = text.find("${");
    if (at == std::string_view::npos) return out.append(text);
    if (at > 0 && text[at - 1] == '$') {
      out.append(text.substr(0, at - 1)).append("${");
      text.remove_prefix(at + 2);
      continue;
    }
    const auto end = text.find('}', at);
    if (end == std::string_view::npos) return out.append(text);
    const auto value = values.find(std::string(text.substr(at + 2, end - at - 2)));
    out.append(text.substr(0, at));
    out.append(value == values.end() ? text.substr(at, end - at + 1) : std::string_view(value->second));
    text.remove_prefix(end + 1);
  }
  return out;
}

Json fillInJson(const Json& value, const std::map<std::string, std::string>& values) {
  if (value.is_string()) return fillIn(value.get_ref<const std::string&>(), values);
  Json filled = value;
  if (value.is_structured())
    for (auto& [key, item] : filled.items()) item = fillInJson(Json(item), values);
  return filled;
}

}  // namespace agentos::models
