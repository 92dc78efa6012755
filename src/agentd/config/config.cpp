// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/config.h"

#include <algorithm>
#include <filesystem>

#include "agentd/config/definitions.h"
#include "base/files.h"
#include "base/text.h"

namespace agentos::agentd {
namespace {

const Definition* findDefinition(const std::string& key) {
  auto found = std::ranges::find(definitions(), key, &Definition::key);
  return found == definitions().end() ? nullptr : &*found;
}

bool isSection(const std::string& path) {
  return std::ranges::any_of(definitions(), [&](const auto& one) { return one.key.starts_with(path + "."); });
}

// The keys that may stand directly below `section` ("" for the top).
std::vector<std::string> keysBelow(const std::string& section) {
  std::vector<std::string> keys;
  for (const auto& one : definitions()) {
    if (!section.empty() && !one.key.starts_with(section + ".")) continue;
    std::string rest = section.empty() ? one.key : one.key.substr(section.size() + 1);
    rest = rest.substr(0, rest.find('.'));
    if (std::ranges::find(keys, rest) == keys.end()) keys.push_back(rest);
  }
  return keys;
}

void complainUnknown(const YamlNode::Entry& entry, const std::string& section, const std::string& path,
                     ConfigReader& reader) {
  auto keys = keysBelow(section);
  std::vector<std::string_view> views(keys.begin(), keys.end());
  auto near = didYouMean(entry.key, views);
  std::string remedy = near ? "did you mean \"" + *near + "\"?" : "known here: " + join(keys, ", ");
  YamlNode at;
  at.mark = entry.mark;
  reader.complain(at, path, ErrorCode::kConfig, "unknown key", std::move(remedy));
}

void readSection(Config& config, const YamlNode& map, const std::string& section, ConfigReader& reader) {
  for (const auto& entry : map.entries) {
    const std::string path = section.empty() ? entry.key : section + "." + entry.key;
    if (const Definition* definition = findDefinition(path)) {
      definition->read(config, entry.value, path, reader);
    } else if (!isSection(path)) {
      complainUnknown(entry, section, path, reader);
    } else if (entry.value.kind == YamlNode::Kind::kMap) {
      readSection(config, entry.value, path, reader);
    } else if (entry.value.kind != YamlNode::Kind::kNull) {
      reader.complain(entry.value, path, ErrorCode::kConfig, "must be a map",
                      "known in it: " + join(keysBelow(path), ", "));
    }
  }
}

void applyDefaults(Config& config, ConfigReader& reader) {
  for (const auto& definition : definitions()) {
    if (definition.fallback.empty()) continue;
    if (auto node = parseYaml(definition.fallback, "default of " + definition.key)) {
      definition.read(config, *node, definition.key, reader);
    }
  }
}

std::unexpected<std::vector<YamlProblem>> unreadable(const std::string& path, const Error& error) {
  YamlProblem problem;
  problem.file = path;
  problem.code = error.code;
  problem.what = error.message();
  problem.remedy = "name a readable file with --config, or leave it out for the defaults";
  return std::unexpected(std::vector{problem});
}

}  // namespace

std::expected<Config, std::vector<YamlProblem>> loadConfig(std::string_view text, const std::string& file,
                                                           const std::string& directory) {
  std::vector<YamlProblem> problems;
  ConfigReader reader{directory, file, problems};
  Config config;
  applyDefaults(config, reader);
  auto document = parseYaml(text, file);
  if (!document) return std::unexpected(std::move(document).error());
  if (document->kind == YamlNode::Kind::kMap) {
    readSection(config, *document, "", reader);
  } else if (document->kind != YamlNode::Kind::kNull) {
    reader.complain(*document, "", ErrorCode::kConfig, "must be a map of settings", "write `key: value` lines");
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return config;
}

std::expected<Config, std::vector<YamlProblem>> loadConfigFile(const std::string& path, bool mustExist) {
  auto text = readPath(path);
  if (!text && text.error().code == ErrorCode::kNotFound && !mustExist) return loadConfig("", path, "/");
  if (!text) return unreadable(path, text.error());
  return loadConfig(*text, path, std::filesystem::path(path).parent_path().string());
}

}  // namespace agentos::agentd
