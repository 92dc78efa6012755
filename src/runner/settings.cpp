// SPDX-License-Identifier: Apache-2.0
#include "runner/settings.h"

#include <algorithm>
#include <functional>

#include "base/files.h"
#include "base/text.h"
#include "base/yaml.h"

namespace agentos::runner {
namespace {

constexpr std::int64_t kRuntimeVersion = 1;

// One key of config/runner.yaml: reads its node, or says what would be right.
struct Key {
  std::string_view name;
  std::function<bool(Settings&, const YamlNode&)> read;
  std::string_view right;
};

Key number(std::string_view name, std::int64_t Settings::* field, std::int64_t from, std::int64_t to,
           std::string_view right) {
  return {name,
          [=](Settings& settings, const YamlNode& node) {
            const auto value = node.asInt();
            if (value) settings.*field = *value;
            return value && *value >= from && *value <= to;
          },
          right};
}

Key duration(std::string_view name, Nanoseconds Settings::* field) {
  return {name,
          [=](Settings& settings, const YamlNode& node) {
            const auto value = parseDuration(node.scalar);
            if (value) settings.*field = *value;
            return value && *value <= std::chrono::hours(24);
          },
          "a duration as 30s or 5m, at most 24h"};
}

Key size(std::string_view name, Bytes Settings::* field) {
  return {name,
          [=](Settings& settings, const YamlNode& node) {
            const auto value = parseBytes(node.scalar);
            if (value) settings.*field = *value;
            return value && value->count >= 256 && value->count <= (64U << 20);
          },
          "a size as 32KiB, from 256 to 64MiB"};
}

bool readRoots(Settings& settings, const YamlNode& node) {
  settings.roots.clear();
  for (const YamlNode& item : node.items) {
    if (!item.scalar.starts_with('/') || item.scalar.size() < 2) return false;
    settings.roots.push_back(item.scalar);
  }
  return node.kind == YamlNode::Kind::kList && !node.items.empty();
}

const std::vector<Key>& keys() {
  static const std::vector<Key> all{
      {"model", [](Settings& settings, const YamlNode& node) { return !(settings.model = node.scalar).empty(); },
       "auto, or a model's name"},
      number("max_turns", &Settings::maxTurns, 1, 10'000, "a number from 1 to 10000"),
      number("max_context_tokens", &Settings::maxContextTokens, 1000, 10'000'000, "a number from 1000 to 10000000"),
      number("max_output_tokens", &Settings::maxOutputTokens, 1, 1'000'000, "a number from 1 to 1000000"),
      number("retries", &Settings::retries, 0, 100, "a number from 0 to 100"),
      duration("backoff", &Settings::backoff),
      duration("longest_wait", &Settings::longestWait),
      duration("call_timeout", &Settings::callTimeout),
      duration("heartbeat", &Settings::heartbeat),
      duration("leave_before_deadline", &Settings::leaveBeforeDeadline),
      number("nudges", &Settings::nudges, 0, 100, "a number from 0 to 100"),
      number("same_calls", &Settings::sameCalls, 2, 100, "a number from 2 to 100"),
      number("errors_in_a_row", &Settings::errorsInARow, 1, 1000, "a number from 1 to 1000"),
      {"roots", readRoots, "a list of absolute paths"},
      size("max_file", &Settings::maxFile),
      size("max_result", &Settings::maxResult),
      duration("shell_timeout", &Settings::shellTimeout),
      duration("shell_most", &Settings::shellMost),
  };
  return all;
}

std::unexpected<Error> refuse(ErrorCode code, const std::vector<YamlProblem>& problems) {
  std::vector<std::string> lines;
  for (const YamlProblem& problem : problems) lines.push_back(problem.message());
  return fail(code, join(lines, "\n"));
}

Result<Settings> parseSettings(const std::string& text, const std::string& file) {
  const auto tree = parseYaml(text, file);
  if (!tree) return refuse(ErrorCode::kConfig, tree.error());
  Settings settings;
  if (tree->kind == YamlNode::Kind::kNull) return settings;
  if (tree->kind != YamlNode::Kind::kMap)
    return fail(ErrorCode::kConfig, file + ": is no map", "write `key: value` lines");
  std::vector<std::string_view> names;
  for (const Key& key : keys()) names.push_back(key.name);
  std::vector<YamlProblem> problems;
  for (const auto& entry : tree->entries) {
    const auto key = std::ranges::find(keys(), std::string_view(entry.key), &Key::name);
    if (key == keys().end()) {
      const auto meant = didYouMean(entry.key, names);
      problems.push_back({file, entry.mark, entry.key, ErrorCode::kConfig, "unknown key",
                          meant ? "did you mean '" + *meant + "'?" : ""});
    } else if (!key->read(settings, entry.value)) {
      problems.push_back({file, entry.value.mark, entry.key, ErrorCode::kConfig,
                          "'" + entry.value.scalar + "' is not right", "write " + std::string(key->right)});
    }
  }
  if (!problems.empty()) return refuse(ErrorCode::kConfig, problems);
  return settings;
}

Result<std::string> parseManifest(const std::string& text, const std::string& file) {
  const auto tree = parseYaml(text, file);
  if (!tree) return refuse(ErrorCode::kSyntax, tree.error());
  const YamlNode* version = tree->find("version");
  if (!version || version->asInt() != kRuntimeVersion)
    return fail(ErrorCode::kSyntax, file + ": version is not 1", "this agent-runner reads runtimes of version 1");
  const YamlNode* name = tree->find("name");
  return name ? name->scalar : std::string("unnamed");
}

}  // namespace

Result<Runtime> loadRuntime(const std::string& slot) {
  AGENTOS_TRY(const Fd directory, openDirectory(slot));
  Runtime runtime;
  AGENTOS_TRY(const std::string manifest, readFile(directory.get(), "runtime.yaml"));
  AGENTOS_TRY(runtime.name, parseManifest(manifest, slot + "/runtime.yaml"));
  for (const char* prompt : {"system", "nudge", "last_turns"}) {
    AGENTOS_TRY(runtime.prompts[prompt], readFile(directory.get(), std::string("prompts/") + prompt + ".md"));
  }
  const auto config = readFile(directory.get(), "config/runner.yaml");
  if (!config) return fail(ErrorCode::kConfig, slot + "/config/runner.yaml: " + config.error().message());
  AGENTOS_TRY(runtime.settings, parseSettings(*config, slot + "/config/runner.yaml"));
  return runtime;
}

std::string fillPrompt(std::string text, const std::map<std::string, std::string>& values) {
  for (const auto& [name, value] : values) {
    const std::string mark = "{{" + name + "}}";
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size()))
      text.replace(at, mark.size(), value);
  }
  return text;
}

}  // namespace agentos::runner
