// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "company/layout.h"
#include "company/zone.h"

namespace agentos::company {
namespace {

constexpr std::string_view kKeys[] = {"name", "timezone", "caps", "scopes", "retry"};
constexpr std::string_view kRetryKeys[] = {"backoff"};
constexpr std::string_view kCapKeys[] = {"per_day_usd", "per_month_usd"};

// Collects every problem of the file, not only the first.
class SettingsReader {
 public:
  explicit SettingsReader(std::string file) : file_(std::move(file)) {}

  void read(const YamlNode& root) {
    if (root.kind != YamlNode::Kind::kMap) return refuse(root.mark, "", "not a map", "lines such as `name: acme`");
    for (const auto& entry : root.entries) readKey(entry);
    if (root.find("name") == nullptr) refuse(root.mark, "name", "is missing", "the company's name");
  }
  CompanySettings settings;
  std::vector<YamlProblem> problems;

 private:
  void refuse(YamlMark mark, const std::string& path, const std::string& what, const std::string& remedy) {
    problems.push_back({file_, mark, path, ErrorCode::kConfig, what, remedy});
  }

  void refuseKey(const YamlNode::Entry& entry, const std::string& path, std::span<const std::string_view> known) {
    const auto meant = didYouMean(entry.key, known);
    std::string list;
    for (const auto key : known) list += (list.empty() ? "" : ", ") + std::string(key);
    refuse(entry.mark, path, "unknown key", (meant ? "did you mean " + *meant + "? " : "") + "known are " + list);
  }

  void readKey(const YamlNode::Entry& entry) {
    if (entry.key == "name") {
      settings.name = textOf(entry, "name");
    } else if (entry.key == "timezone") {
      readZone(entry);
    } else if (entry.key == "caps") {
      readCaps(entry.value);
    } else if (entry.key == "scopes") {
      readScopes(entry.value);
    } else if (entry.key == "retry") {
      readRetry(entry.value);
    } else {
      refuseKey(entry, entry.key, kKeys);
    }
  }

  std::string textOf(const YamlNode::Entry& entry, const std::string& path) {
    if (entry.value.kind == YamlNode::Kind::kScalar && !trim(entry.value.scalar).empty()) return entry.value.scalar;
    refuse(entry.value.mark, path, "no text", "one text that is not empty");
    return {};
  }

  void readZone(const YamlNode::Entry& entry) {
    settings.timezone = textOf(entry, "timezone");
    if (settings.timezone.empty()) return;
    if (auto zone = Zone::find(settings.timezone); !zone) {
      refuse(entry.value.mark, "timezone", zone.error().what, zone.error().remedy);
    }
  }

  void readCaps(const YamlNode& caps) {
    if (caps.kind != YamlNode::Kind::kMap) return refuse(caps.mark, "caps", "not a map", "per_day_usd: 10.00");
    for (const auto& entry : caps.entries) {
      const std::string path = "caps." + entry.key;
      if (entry.key != "per_day_usd" && entry.key != "per_month_usd") {
        refuseKey(entry, path, kCapKeys);
        continue;
      }
      auto amount = parseUsd(entry.value.scalar);
      if (!amount || entry.value.kind != YamlNode::Kind::kScalar || amount->count < 0) {
        refuse(entry.value.mark, path, "'" + entry.value.scalar + "' is no amount", "US dollars, such as 10.00");
        continue;
      }
      (entry.key == "per_day_usd" ? settings.perDay : settings.perMonth) = *amount;
    }
  }

  void readRetry(const YamlNode& retry) {
    if (retry.kind != YamlNode::Kind::kMap) return refuse(retry.mark, "retry", "not a map", "backoff: 1m..1h");
    for (const auto& entry : retry.entries) {
      if (entry.key == "backoff") {
        readBackoff(entry.value);
      } else {
        refuseKey(entry, "retry." + entry.key, kRetryKeys);
      }
    }
  }

  void readBackoff(const YamlNode& node) {
    const std::string_view text = node.scalar;
    const auto dots = text.find("..");
    const auto first = parseDuration(text.substr(0, dots));
    const auto longest = dots == std::string_view::npos ? first : parseDuration(text.substr(dots + 2));
    if (!first || !longest || first->count() <= 0 || *longest < *first || *longest > std::chrono::hours(24 * 365)) {
      return refuse(node.mark, "retry.backoff", "'" + node.scalar + "' is no range of durations",
                    "the first wait and the longest, such as 1m..1h");
    }
    settings.retry = {*first, *longest};
  }

  void readScopes(const YamlNode& scopes) {
    if (scopes.kind != YamlNode::Kind::kMap) return refuse(scopes.mark, "scopes", "not a map", "public: [knowledge]");
    for (const auto& entry : scopes.entries) settings.scopes.emplace_back(entry.key, pathsOf(entry));
  }

  std::vector<std::string> pathsOf(const YamlNode::Entry& scope) {
    std::vector<std::string> paths;
    const std::string path = "scopes." + scope.key;
    if (scope.value.kind != YamlNode::Kind::kList)
      refuse(scope.value.mark, path, "not a list", "[knowledge, products]");
    for (const YamlNode& item : scope.value.items) {
      if (item.kind == YamlNode::Kind::kScalar && staysInside(item.scalar)) {
        paths.push_back(item.scalar);
      } else {
        refuse(item.mark, path, "'" + item.scalar + "' is no path in the company", "a relative path without ..");
      }
    }
    return paths;
  }

  static bool staysInside(std::string_view path) {
    if (path.empty() || path.starts_with('/')) return false;
    for (const auto part : split(path, '/')) {
      if (part == ".." || part == ".") return false;
    }
    return true;
  }

  std::string file_;
};

}  // namespace

std::expected<CompanySettings, std::vector<YamlProblem>> parseCompanySettings(std::string_view text, std::string file) {
  auto root = parseYaml(text, file);
  if (!root) return std::unexpected(std::move(root).error());
  SettingsReader reader(std::move(file));
  reader.read(*root);
  if (!reader.problems.empty()) return std::unexpected(std::move(reader.problems));
  return std::move(reader.settings);
}

}  // namespace agentos::company
