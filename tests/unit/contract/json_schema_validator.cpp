// SPDX-License-Identifier: Apache-2.0
#include "json_schema_validator.h"

#include <algorithm>
#include <array>
#include <regex>
#include <stdexcept>

namespace agentos::contract {
namespace {

using Findings = std::vector<std::string>;

bool hasType(const Json& instance, const std::string& type) {
  if (type == "integer") return instance.is_number_integer();
  if (type == "number") return instance.is_number();
  if (type == "string") return instance.is_string();
  if (type == "boolean") return instance.is_boolean();
  if (type == "array") return instance.is_array();
  if (type == "object") return instance.is_object();
  throw std::logic_error("type " + type);
}

bool hasAnyType(const Json& instance, const Json& types) {
  if (types.is_string()) return hasType(instance, types);
  return std::ranges::any_of(types, [&](const Json& type) { return hasType(instance, type); });
}

std::size_t lengthOf(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// Whether one keyword that speaks of the instance alone holds.
bool holds(const std::string& keyword, const Json& value, const Json& instance) {
  const auto count = instance.size();
  if (keyword == "type") return hasAnyType(instance, value);
  if (keyword == "const") return instance == value;
  if (keyword == "enum") return std::ranges::find(value, instance) != value.end();
  if (keyword == "minimum") return !instance.is_number() || instance >= value;
  if (keyword == "maximum") return !instance.is_number() || instance <= value;
  if (keyword == "maxLength") return !instance.is_string() || lengthOf(instance) <= value;
  if (keyword == "pattern")
    return !instance.is_string() ||
           std::regex_search(instance.get<std::string>(), std::regex(value.get<std::string>()));
  if (keyword == "minItems") return !instance.is_array() || count >= value;
  if (keyword == "maxItems") return !instance.is_array() || count <= value;
  if (keyword == "maxProperties") return !instance.is_object() || count <= value;
  if (keyword == "required")
    return !instance.is_object() || std::ranges::all_of(value, [&](const Json& key) { return instance.contains(key); });
  if (keyword == "uniqueItems") {
    if (!instance.is_array()) return true;
    std::vector<Json> items(instance.begin(), instance.end());
    std::ranges::sort(items);
    return std::ranges::adjacent_find(items) == items.end();
  }
  throw std::logic_error("unknown keyword " + keyword);
}

void append(Findings& all, Findings more) { all.insert(all.end(), more.begin(), more.end()); }

Findings validateObject(const Json& schema, const Json& instance, const std::string& at) {
  Findings all;
  if (!instance.is_object()) return all;
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [key, value] : instance.items()) {
    const std::string below = at + "/" + key;
    if (schema.contains("propertyNames")) append(all, validate(schema["propertyNames"], key, below));
    if (properties.contains(key)) {
      append(all, validate(properties[key], value, below));
    } else if (schema.contains("additionalProperties")) {
      if (schema["additionalProperties"] == false) {
        all.push_back(below + ": additionalProperties");
      } else {
        append(all, validate(schema["additionalProperties"], value, below));
      }
    }
  }
  return all;
}

Findings validateItems(const Json& schema, const Json& instance, const std::string& at) {
  Findings all;
  if (!instance.is_array() || !schema.contains("items")) return all;
  for (std::size_t i = 0; i < instance.size(); ++i)
    append(all, validate(schema["items"], instance[i], at + "/" + std::to_string(i)));
  return all;
}

Findings validateCombined(const Json& schema, const Json& instance, const std::string& at) {
  Findings all;
  for (const Json& part : schema.value("allOf", Json::array())) append(all, validate(part, instance, at));
  const Json either = schema.value("anyOf", Json::array({true}));
  auto fits = [&](const Json& part) { return part == true || validate(part, instance, at).empty(); };
  if (std::ranges::none_of(either, fits)) all.push_back(at + ": anyOf");
  if (schema.contains("not") && validate(schema["not"], instance, at).empty()) all.push_back(at + ": not");
  if (schema.contains("if") && validate(schema["if"], instance, at).empty())
    append(all, validate(schema["then"], instance, at));
  return all;
}

}  // namespace

Findings validate(const Json& schema, const Json& instance, const std::string& at) {
  static constexpr std::array<std::string_view, 15> kElsewhere = {
      "$schema",       "title",    "description", "default", "properties", "additionalProperties",
      "propertyNames", "items",    "allOf",       "not",     "if",         "then",
      "$id",           "examples", "anyOf"};
  Findings all;
  for (const auto& [keyword, value] : schema.items()) {
    if (std::ranges::find(kElsewhere, keyword) != kElsewhere.end()) continue;
    if (!holds(keyword, value, instance)) all.push_back(at + ": " + keyword + " " + value.dump());
  }
  append(all, validateObject(schema, instance, at));
  append(all, validateItems(schema, instance, at));
  append(all, validateCombined(schema, instance, at));
  return all;
}

}  // namespace agentos::contract
