// SPDX-License-Identifier: Apache-2.0
// How a value of the file becomes a member of Contract, and back, by the member's type. Only for values without
// complaints: what a shape has let pass parses.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/units.h"
#include "base/yaml.h"
#include "contract/words.h"

namespace agentos::contract::bind {

inline void assign(std::string& to, const YamlNode& node) { to = node.scalar; }
inline void assign(bool& to, const YamlNode& node) { to = node.asBool().value_or(false); }
inline void assign(std::int64_t& to, const YamlNode& node) { to = node.asInt().value_or(0); }
inline void assign(Bytes& to, const YamlNode& node) { to = parseBytes(node.scalar).value_or(Bytes{}); }
inline void assign(MilliCpu& to, const YamlNode& node) { to = parseCpu(node.scalar).value_or(MilliCpu{}); }
inline void assign(Nanoseconds& to, const YamlNode& node) { to = parseDuration(node.scalar).value_or(Nanoseconds{}); }
inline void assign(MicroUsd& to, const YamlNode& node) { to = parseUsd(node.scalar).value_or(MicroUsd{}); }
inline void assign(AgentName& to, const YamlNode& node) { to = AgentName::parse(node.scalar).value_or(AgentName{}); }

inline void assign(std::vector<std::string>& to, const YamlNode& node) {
  to.clear();
  for (const YamlNode& item : node.items) to.push_back(item.scalar);
}
inline void assign(std::vector<std::pair<std::string, std::string>>& to, const YamlNode& node) {
  to.clear();
  for (const auto& entry : node.entries) to.emplace_back(entry.key, entry.value.scalar);
}

template <class Enum>
  requires std::is_enum_v<Enum>
void assign(Enum& to, const YamlNode& node) {
  for (const auto& word : wordsOf<Enum>()) {
    if (word.text == node.scalar) to = word.value;
  }
}
template <class Enum>
void assign(std::set<Enum>& to, const YamlNode& node) {
  to.clear();
  for (const YamlNode& item : node.items) {
    Enum value{};
    assign(value, item);
    to.insert(value);
  }
}
template <class T>
void assign(std::optional<T>& to, const YamlNode& node) {
  assign(to.emplace(), node);
}

inline Json show(const std::string& value) { return value.empty() ? Json() : Json(value); }
inline Json show(bool value) { return value; }
inline Json show(std::int64_t value) { return value; }
inline Json show(Bytes value) { return formatBytes(value); }
inline Json show(MilliCpu value) { return formatCpu(value); }
inline Json show(Nanoseconds value) { return formatDuration(value); }
inline Json show(MicroUsd value) { return formatUsd(value); }
inline Json show(const AgentName& value) { return show(value.str()); }
inline Json show(const std::vector<std::string>& values) { return values; }
inline Json show(const std::vector<std::pair<std::string, std::string>>& values) {
  Json object = Json::object();
  for (const auto& [key, value] : values) object[key] = value;
  return object;
}
template <class Enum>
  requires std::is_enum_v<Enum>
Json show(Enum value) {
  return std::string(wordFor(value));
}
template <class Enum>
Json show(const std::set<Enum>& values) {
  Json list = Json::array();
  for (Enum value : values) list.push_back(show(value));
  return list;
}
template <class T>
Json show(const std::optional<T>& value) {
  return value ? show(*value) : Json();
}

}  // namespace agentos::contract::bind
