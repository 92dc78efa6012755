// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <set>

#include "base/text.h"
#include "base/units.h"
#include "models/script.h"

namespace agentos::models {
namespace {

using Keys = std::vector<std::string_view>;
using Entry = YamlNode::Entry;

constexpr std::int64_t kMostTokens = 1'000'000'000;

std::string at(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

// Reads the tree and collects every problem; what is wrong keeps its default.
class ScriptReader {
 public:
  explicit ScriptReader(std::string file) : file_(std::move(file)) {}

  Script read(const YamlNode& root);
  std::vector<YamlProblem> problems;

 private:
  void problem(YamlMark mark, const std::string& path, ErrorCode code, std::string what, std::string remedy = {}) {
    problems.push_back({file_, mark, path, code, std::move(what), std::move(remedy)});
  }
  bool isMap(const YamlNode& node, const std::string& path, const Keys& keys);
  std::string text(const YamlNode* node, const std::string& path, std::string fallback = {});
  std::vector<std::string> texts(const YamlNode* node, const std::string& path);
  std::int64_t number(const YamlNode* node, const std::string& path, std::int64_t from, std::int64_t to,
                      std::int64_t fallback);
  std::optional<std::int64_t> optionalNumber(const YamlNode* node, const std::string& path, std::int64_t from,
                                             std::int64_t to);
  Nanoseconds duration(const YamlNode* node, const std::string& path);
  TurnRange turns(const YamlNode* node, const std::string& path);
  std::optional<std::int64_t> bound(std::string_view digits);

  ScriptRule rule(const YamlNode& node, const std::string& path);
  void when(const YamlNode* node, const std::string& path, ScriptRule& rule);
  TextMatch match(const YamlNode& node, const std::string& path);
  void answer(const YamlNode* node, const std::string& path, ScriptRule& rule);
  ScriptedCall call(const YamlNode& node, const std::string& path);
  Usage usage(const YamlNode& node, const std::string& path);
  ScriptedError error(const YamlNode& node, const std::string& path);
  Json json(const YamlNode& node, const std::string& path);
  void checkPlaceholders(const ScriptRule& rule, const YamlNode& node, const std::string& path);

  std::string file_;
};

bool ScriptReader::isMap(const YamlNode& node, const std::string& path, const Keys& keys) {
  if (node.kind != YamlNode::Kind::kMap) {
    problem(node.mark, path, ErrorCode::kSyntax, "is not a map", "write it as `key: value` lines");
    return false;
  }
  for (const Entry& entry : node.entries) {
    if (std::ranges::find(keys, entry.key) != keys.end()) continue;
    const auto meant = didYouMean(entry.key, keys);
    std::vector<std::string> known(keys.begin(), keys.end());
    problem(entry.mark, at(path, entry.key), ErrorCode::kSyntax, "unknown key",
            meant ? "did you mean '" + *meant + "'?" : "known keys: " + join(known, ", "));
  }
  return true;
}

std::string ScriptReader::text(const YamlNode* node, const std::string& path, std::string fallback) {
  if (!node) return fallback;
  if (node->kind == YamlNode::Kind::kScalar) return node->scalar;
  problem(node->mark, path, ErrorCode::kSyntax, "is not a text", "write one value");
  return fallback;
}

std::vector<std::string> ScriptReader::texts(const YamlNode* node, const std::string& path) {
  if (!node) return {};
  if (node->kind != YamlNode::Kind::kList) return {text(node, path)};
  std::vector<std::string> all;
  for (std::size_t i = 0; i < node->items.size(); ++i)
    all.push_back(text(&node->items[i], fmt::format("{}[{}]", path, i)));
  return all;
}

std::int64_t ScriptReader::number(const YamlNode* node, const std::string& path, std::int64_t from, std::int64_t to,
                                  std::int64_t fallback) {
  if (!node) return fallback;
  const auto value = node->asInt();
  if (value && *value >= from && *value <= to) return *value;
  problem(node->mark, path, ErrorCode::kSyntax, "'" + node->scalar + "' is not a number in range",
          fmt::format("write {} to {}", from, to));
  return fallback;
}

std::optional<std::int64_t> ScriptReader::optionalNumber(const YamlNode* node, const std::string& path,
                                                         std::int64_t from, std::int64_t to) {
  return node ? std::optional(number(node, path, from, to, from)) : std::nullopt;
}

Nanoseconds ScriptReader::duration(const YamlNode* node, const std::string& path) {
  if (!node) return Nanoseconds(0);
  const auto value = parseDuration(text(node, path));
  if (value && *value <= std::chrono::hours(1)) return *value;
  problem(node->mark, path, ErrorCode::kUnit, value ? "is longer than 1h" : value.error().what,
          "write it as 20ms or 1s");
  return Nanoseconds(0);
}

std::optional<std::int64_t> ScriptReader::bound(std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value < 1) return std::nullopt;
  return value;
}

TurnRange ScriptReader::turns(const YamlNode* node, const std::string& path) {
  if (!node) return {};
  const std::string written = text(node, path);
  const auto dots = written.find("..");
  const std::string_view all = written;
  const auto from = dots == 0 ? std::optional<std::int64_t>(1) : bound(all.substr(0, std::min(dots, all.size())));
  const auto to = dots == std::string::npos ? from
                  : dots + 2 == all.size()  ? std::optional<std::int64_t>(INT64_MAX)
                                            : bound(all.substr(dots + 2));
  if (from && to && *from <= *to) return {*from, *to};
  problem(node->mark, path, ErrorCode::kSyntax, "'" + written + "' is no range of turns", "write 1, 2.., ..3 or 2..4");
  return {};
}

Script ScriptReader::read(const YamlNode& root) {
  Script script;
  if (!isMap(root, "", {"models", "rules"})) return script;
  script.models = texts(root.find("models"), "models");
  if (script.models.empty()) script.models = {"scripted/default"};
  const YamlNode* rules = root.find("rules");
  if (!rules || rules->kind != YamlNode::Kind::kList || rules->items.empty()) {
    problem(rules ? rules->mark : root.mark, "rules", ErrorCode::kSyntax, "no list of rules", "give one rule at least");
    return script;
  }
  for (std::size_t i = 0; i < rules->items.size(); ++i)
    script.rules.push_back(rule(rules->items[i], fmt::format("rules[{}]", i)));
  return script;
}

ScriptRule ScriptReader::rule(const YamlNode& node, const std::string& path) {
  ScriptRule rule;
  if (!isMap(node, path, {"name", "when", "times", "answer", "error", "delay", "chunk_delay", "chunk"})) return rule;
  rule.name = text(node.find("name"), at(path, "name"), path);
  when(node.find("when"), at(path, "when"), rule);
  rule.times = optionalNumber(node.find("times"), at(path, "times"), 1, 1'000'000);
  rule.delay = duration(node.find("delay"), at(path, "delay"));
  rule.chunkDelay = duration(node.find("chunk_delay"), at(path, "chunk_delay"));
  rule.chunkBytes = number(node.find("chunk"), at(path, "chunk"), 1, 1 << 20, 16);
  if (const YamlNode* failure = node.find("error")) rule.error = error(*failure, at(path, "error"));
  answer(node.find("answer"), at(path, "answer"), rule);
  if (!rule.error && !node.find("answer"))
    problem(node.mark, path, ErrorCode::kSyntax, "neither answers nor errs", "add `answer:` or `error:`");
  if (rule.error && rule.times)
    problem(node.find("times")->mark, at(path, "times"), ErrorCode::kSyntax,
            "an error leaves no trace in the conversation to count", "use error.attempts");
  checkPlaceholders(rule, node, path);
  return rule;
}

void ScriptReader::when(const YamlNode* node, const std::string& path, ScriptRule& rule) {
  if (!node || !isMap(*node, path, {"agent", "model", "system", "user", "tool_result", "any", "tool", "turn"})) return;
  rule.agent = text(node->find("agent"), at(path, "agent"), "*");
  rule.model = text(node->find("model"), at(path, "model"), "*");
  rule.tool = text(node->find("tool"), at(path, "tool"), "*");
  rule.turn = turns(node->find("turn"), at(path, "turn"));
  for (const char* name : {"system", "user", "tool_result", "any"})
    if (const YamlNode* wanted = node->find(name)) rule.matches[name] = match(*wanted, at(path, name));
}

TextMatch ScriptReader::match(const YamlNode& node, const std::string& path) {
  TextMatch match;
  if (node.kind != YamlNode::Kind::kMap) return {.contains = texts(&node, path), .without = {}, .regex = {}};
  isMap(node, path, {"contains", "without", "regex"});
  match.contains = texts(node.find("contains"), at(path, "contains"));
  match.without = texts(node.find("without"), at(path, "without"));
  if (const YamlNode* regex = node.find("regex")) {
    auto compiled = Pattern::compile(text(regex, at(path, "regex")));
    if (compiled)
      match.regex = *std::move(compiled);
    else
      problem(regex->mark, at(path, "regex"), ErrorCode::kSyntax, compiled.error().what, compiled.error().remedy);
  }
  return match;
}

void ScriptReader::answer(const YamlNode* node, const std::string& path, ScriptRule& rule) {
  if (!node || !isMap(*node, path, {"text", "tool_calls", "finish", "usage"})) return;
  rule.text = text(node->find("text"), at(path, "text"));
  if (const YamlNode* calls = node->find("tool_calls")) {
    if (calls->kind != YamlNode::Kind::kList)
      problem(calls->mark, at(path, "tool_calls"), ErrorCode::kSyntax, "is not a list", "write `- name: …` items");
    for (std::size_t i = 0; i < calls->items.size(); ++i)
      rule.calls.push_back(call(calls->items[i], fmt::format("{}.tool_calls[{}]", path, i)));
  }
  rule.finish = text(node->find("finish"), at(path, "finish"), rule.calls.empty() ? "stop" : "tool_calls");
  if (const YamlNode* counted = node->find("usage")) rule.usage = usage(*counted, at(path, "usage"));
}

ScriptedCall ScriptReader::call(const YamlNode& node, const std::string& path) {
  ScriptedCall call;
  if (!isMap(node, path, {"name", "arguments", "arguments_text"})) return call;
  call.name = text(node.find("name"), at(path, "name"));
  if (call.name.empty()) problem(node.mark, at(path, "name"), ErrorCode::kSyntax, "is missing", "name the tool");
  call.argumentsText = text(node.find("arguments_text"), at(path, "arguments_text"));
  if (const YamlNode* arguments = node.find("arguments"); arguments && isMap(*arguments, at(path, "arguments"), [&] {
                                                            Keys any;
                                                            for (const Entry& entry : arguments->entries)
                                                              any.push_back(entry.key);
                                                            return any;
                                                          }()))
    call.arguments = json(*arguments, at(path, "arguments"));
  return call;
}

Usage ScriptReader::usage(const YamlNode& node, const std::string& path) {
  if (!isMap(node, path, {"input", "output", "cached"})) return {};
  return {number(node.find("input"), at(path, "input"), 0, kMostTokens, 0),
          number(node.find("output"), at(path, "output"), 0, kMostTokens, 0),
          number(node.find("cached"), at(path, "cached"), 0, kMostTokens, 0)};
}

ScriptedError ScriptReader::error(const YamlNode& node, const std::string& path) {
  ScriptedError error;
  if (!isMap(node, path, {"kind", "status", "message", "retry_after", "after_chunks", "attempts"})) return error;
  const std::string kind = text(node.find("kind"), at(path, "kind"), "status");
  if (kind == "timeout")
    error.kind = ScriptedError::Kind::kTimeout;
  else if (kind == "disconnect")
    error.kind = ScriptedError::Kind::kDisconnect;
  else if (kind != "status")
    problem(node.find("kind")->mark, at(path, "kind"), ErrorCode::kSyntax, "'" + kind + "' is no kind of error",
            "use status, timeout or disconnect");
  error.status = static_cast<int>(number(node.find("status"), at(path, "status"), 400, 599, 500));
  error.message = text(node.find("message"), at(path, "message"), "scripted error");
  error.retryAfterSeconds = optionalNumber(node.find("retry_after"), at(path, "retry_after"), 0, 3600);
  error.afterChunks = number(node.find("after_chunks"), at(path, "after_chunks"), 0, 1'000'000, 0);
  error.attempts = optionalNumber(node.find("attempts"), at(path, "attempts"), 1, 1'000'000);
  return error;
}

Json ScriptReader::json(const YamlNode& node, const std::string& path) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return nullptr;
    case YamlNode::Kind::kScalar:
      if (const auto value = node.asBool()) return *value;
      if (const auto value = node.asInt()) return *value;
      return node.scalar;
    case YamlNode::Kind::kList: {
      Json list = Json::array();
      for (const YamlNode& item : node.items) list.push_back(json(item, path));
      return list;
    }
    case YamlNode::Kind::kMap:
      break;
  }
  Json map = Json::object();
  for (const Entry& entry : node.entries) map[entry.key] = json(entry.value, at(path, entry.key));
  return map;
}

// ${…} must stand for something that this rule's own expressions capture.
void ScriptReader::checkPlaceholders(const ScriptRule& rule, const YamlNode& node, const std::string& path) {
  std::map<std::string, std::string> known{{"agent", ""}, {"turn", ""}};
  for (const auto& [name, match] : rule.matches)
    for (std::size_t i = 0; match.regex && i <= match.regex->groups(); ++i) known[fmt::format("{}.{}", name, i)] = "";
  const auto check = [&](const std::string& written) {
    const std::string rest = fillIn(written, known);
    const auto open = rest.find("${");
    if (open == std::string::npos || written.find("$${") != std::string::npos) return;
    problem(node.mark, path, ErrorCode::kSyntax, "'" + rest.substr(open, 40) + "' stands for nothing",
            "use ${agent}, ${turn}, or ${user.1} of a regex in `when`; write $${ for the characters themselves");
  };
  check(rule.text);
  for (const ScriptedCall& one : rule.calls) check(one.argumentsText), check(dumpJson(one.arguments));
}

}  // namespace

std::expected<Script, std::vector<YamlProblem>> parseScript(std::string_view text, const std::string& file) {
  const auto tree = parseYaml(text, file);
  if (!tree) return std::unexpected(tree.error());
  ScriptReader reader(file);
  Script script = reader.read(*tree);
  if (!reader.problems.empty()) return std::unexpected(std::move(reader.problems));
  return script;
}

}  // namespace agentos::models
