// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "agentd/config/definitions.h"
#include "agentd/config/reference.h"
#include "base/json.h"
#include "base/text.h"

namespace agentos::agentd {
namespace {

std::int64_t numberOf(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Json integerSchema(const std::string& range) {
  static constexpr std::string_view kTo = " … ";
  Json schema = {{"type", "integer"}};
  const auto middle = range.find(kTo);
  if (middle == std::string::npos) return schema;
  schema["minimum"] = numberOf(range.substr(0, middle));
  schema["maximum"] = numberOf(range.substr(middle + kTo.size()));
  return schema;
}

Json wordSchema(const std::string& range) {
  Json words = Json::array();
  for (const auto word : split(range, ',')) words.push_back(std::string(trim(word)));
  return {{"enum", words}};
}

// What the table's words for types are in a schema. A form of its own (sources, prices) is judged by the reader.
Json typeSchema(const Definition& one) {
  if (one.type == "integer") return integerSchema(one.range);
  if (one.type == "word") return wordSchema(one.range);
  if (one.type == "boolean") return {{"type", "boolean"}};
  if (one.type == "map") return {{"type", {"object", "null"}}};
  if (one.type == "list of sources") return {{"type", "array"}, {"items", {{"type", "object"}}}};
  if (one.type.starts_with("list of ")) return {{"type", "array"}, {"items", {{"type", "string"}}}};
  return {{"type", "string"}};
}

Json emptyMap() {
  return {{"type", {"object", "null"}}, {"properties", Json::object()}, {"additionalProperties", false}};
}

}  // namespace

std::string configSchema() {
  Json schema = emptyMap();
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = "agentd.yaml";
  for (const auto& one : definitions()) {
    Json* at = &schema;
    const auto parts = split(one.key, '.');
    for (std::size_t depth = 0; depth + 1 < parts.size(); ++depth) {
      Json& below = (*at)["properties"][std::string(parts[depth])];
      if (below.is_null()) below = emptyMap();
      at = &below;
    }
    Json key = typeSchema(one);
    key["description"] = one.doc + (one.fallback.empty() ? "" : " (default: " + one.fallback + ")");
    (*at)["properties"][std::string(parts.back())] = std::move(key);
  }
  return schema.dump(2) + "\n";
}

}  // namespace agentos::agentd
