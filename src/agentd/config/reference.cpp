// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/reference.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "agentd/config/definitions.h"
#include "base/text.h"

namespace agentos::agentd {
namespace {

constexpr std::size_t kWidth = 100;

constexpr std::string_view kFileHead =
    "# yaml-language-server: $schema=/usr/share/agentd/agentd.schema.json\n"
    "# agentd.yaml: the configuration of agentd and agentd-spawner. agentd.yaml(5) has the same as a manual page.\n"
    "#\n"
    "# Below stands every key with its default, behind a `#`: take the `#` away and change the value. Lines with `# `\n"
    "# explain. `agentd --check` says whether the file is right, with line and column where it is not, and `systemctl\n"
    "# reload agentd` puts it in force, naming what needs a restart. Relative paths start at this file's directory.\n";

constexpr std::string_view kManualHead =
    "agentd.yaml(5)\n"
    "\n"
    "# NAME\n"
    "\n"
    "agentd.yaml - configuration of agentd and agentd-spawner\n"
    "\n"
    "# SYNOPSIS\n"
    "\n"
    "/etc/agentd/agentd.yaml\n"
    "\n"
    "# DESCRIPTION\n"
    "\n"
    "YAML. Every key has a default; an unknown key, a wrong type or a value out of range is refused with file, line\n"
    "and column, all at once, and *agentd --check* tells without starting anything. Relative paths start at the "
    "file's\n"
    "directory. A key with a dot is written as a map: _stop.grace_ is *grace* below *stop*.\n"
    "\n"
    "*systemctl reload agentd* reads the file again. A broken file leaves the old configuration in force and says so.\n"
    "\n"
    "# KEYS\n"
    "\n";

constexpr std::string_view kManualTail =
    "# EXAMPLE\n"
    "\n"
    "```\n"
    "company: /srv/acme\n"
    "models:\n"
    "  - { driver: openai, base_url: \"http://127.0.0.1:8000/v1\", models: [\"local/qwen-7b\"] }\n"
    "prices:\n"
    "  \"local/*\": { input: 0.10, output: 0.40 }\n"
    "stop: { grace: 1m }\n"
    "```\n"
    "\n"
    "# SEE ALSO\n"
    "\n"
    "*agentd*(8), *agentd-spawner*(8), *agentctl*(1), *agent-contract*(5), *company*(7)\n";

// What a value with a form of its own looks like.
const std::map<std::string, std::vector<std::string>>& examples() {
  static const std::map<std::string, std::vector<std::string>> kExamples = {
      {"company", {"company: /srv/acme"}},
      {"models",
       {"models:", "  - { driver: openai, base_url: \"http://127.0.0.1:8000/v1\", models: [\"local/qwen-7b\"] }",
        "  - { driver: scripted, script: /usr/share/agentd/examples/model.yaml }"}},
      {"prices", {"prices:", "  \"local/*\": { input: 0.10, output: 0.40 }"}},
      {"policy.mounts", {"mounts: [/srv/projects]"}},
      {"policy.egress", {"egress: [\"api.example.com:443\"]"}},
      {"policy.egress_private", {"egress_private: [10.20.0.0/16, \"fd00:20::/32\"]"}},
  };
  return kExamples;
}

std::string sectionOf(const Definition& one) {
  const auto dot = one.key.find('.');
  return dot == std::string::npos ? "" : one.key.substr(0, dot);
}

// The table with each section's keys together, wherever they stand in it.
std::vector<std::pair<std::string, std::vector<const Definition*>>> sections() {
  std::vector<std::pair<std::string, std::vector<const Definition*>>> all;
  for (const auto& one : definitions()) {
    const std::string section = sectionOf(one);
    auto place = std::ranges::find_if(all, [&](const auto& s) { return !section.empty() && s.first == section; });
    if (place == all.end()) place = all.insert(all.end(), {section, {}});
    place->second.push_back(&one);
  }
  return all;
}

std::string wrapped(std::string_view text, const std::string& before) {
  std::string lines, line = before;
  for (const auto word : split(text, ' ')) {
    if (line.size() > before.size() && line.size() + 1 + word.size() > kWidth) {
      lines += line + "\n";
      line = before;
    }
    line += (line == before ? "" : " ") + std::string(word);
  }
  return lines + line + "\n";
}

std::string typeAndRange(const Definition& one) { return one.range.empty() ? one.type : one.type + ": " + one.range; }

std::string fallbackOf(const Definition& one) {
  if (!one.fallback.empty()) return one.fallback;
  return one.type == "map" ? "{}" : "\"\"";
}

std::string fileEntry(const Definition& one, const std::string& indent) {
  std::string text = wrapped(one.doc + " (" + typeAndRange(one) + ")", indent + "# ");
  if (const auto example = examples().find(one.key); example != examples().end()) {
    for (const auto& line : example->second) {
      text += indent + (&line == &example->second.front() ? "# example: " : "#          ") + line + "\n";
    }
  }
  const auto dot = one.key.find('.');
  return text + indent + "#" + (dot == std::string::npos ? one.key : one.key.substr(dot + 1)) + ": " + fallbackOf(one) +
         "\n";
}

// scdoc(5) takes these for its own.
std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (std::string_view("\\*_`#[]|<>").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string manualEntry(const Definition& one) {
  std::string text = "*" + escaped(one.key) + "* (" + escaped(typeAndRange(one)) + ")\n";
  std::string doc = one.doc;
  doc.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(doc.front())));
  text += "\t" + escaped(doc) + ".";
  if (!one.fallback.empty()) text += " Default: " + escaped(one.fallback);
  return text + "\n\n";
}

}  // namespace

std::string defaultConfigFile() {
  std::string text(kFileHead);
  for (const auto& [section, entries] : sections()) {
    text += "\n";
    if (!section.empty()) text += section + ":\n";
    for (const auto* one : entries) text += fileEntry(*one, section.empty() ? "" : "  ");
  }
  return text;
}

std::string configManual() {
  std::string text(kManualHead);
  for (const auto& [section, entries] : sections()) {
    for (const auto* one : entries) text += manualEntry(*one);
  }
  return text + std::string(kManualTail);
}

std::optional<std::string> configReferenceAs(const std::string& format) {
  if (format.empty() || format == "markdown") return configReference();
  if (format == "yaml") return defaultConfigFile();
  if (format == "man") return configManual();
  if (format == "schema") return configSchema();
  if (format != "keys") return std::nullopt;
  std::string keys;
  for (const auto& one : definitions()) keys += one.key + "\n";
  return keys;
}

}  // namespace agentos::agentd
