// SPDX-License-Identifier: Apache-2.0
// The table of fields as JSON Schema 2020-12. A file that the loader takes is valid by the schema; what only the loader
// can see (bounds of quantities with units, rules between fields) is listed in tests/unit/contract/schema_test.cpp.
#include "contract/loader.h"
#include "contract/schema.h"

namespace agentos::contract {
namespace {

Json textSchema(const TextRule& rule) {
  return {{"type", "string"}, {"pattern", std::string(rule.pattern)}, {"maxLength", rule.maxLength}};
}

Json wordSchema(const Shape& shape) {
  if (shape.words.size() == 1) return {{"const", std::string(shape.words.front())}};
  return {{"enum", std::vector<std::string>(shape.words.begin(), shape.words.end())}};
}

Json listSchema(const Shape& shape, Json items, bool unique) {
  Json schema = {{"type", "array"}, {"items", std::move(items)}, {"maxItems", shape.max}};
  if (unique) schema["uniqueItems"] = true;
  return schema;
}

// A quantity: a text with its unit, or a bare number where that means something.
Json amountSchema(const char* pattern) {
  return {{"type", Json::array({"string", "number"})}, {"pattern", pattern}, {"minimum", 0}};
}

Json environmentSchema(const Shape& shape) {
  return {
      {"type", "object"},
      {"propertyNames", {{"pattern", std::string(kEnvNameRule.pattern)}, {"maxLength", kEnvNameRule.maxLength}}},
      {"additionalProperties", {{"type", Json::array({"string", "number", "boolean"})}, {"maxLength", kMaxArgument}}},
      {"maxProperties", shape.max}};
}

Json schemaOf(const Shape& shape) {
  switch (shape.kind) {
    case Kind::kMap:
    case Kind::kMapList:
    case Kind::kMixedList:
      return Json::object();
    case Kind::kText:
      return textSchema(*shape.rule);
    case Kind::kWord:
      return wordSchema(shape);
    case Kind::kInteger:
      return {{"type", "integer"}, {"minimum", shape.min}, {"maximum", shape.max}};
    case Kind::kBoolean:
      return {{"type", "boolean"}};
    case Kind::kSize:
      return amountSchema(R"(^[0-9]+(\.[0-9]+)?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?$)");
    case Kind::kCpu:
      return amountSchema(R"(^[0-9]+(\.[0-9]{1,3}0*|(\.0+)?m)?$)");
    case Kind::kDuration:
      return {{"type", "string"}, {"pattern", R"(^([0-9]+(\.0+)?(d|h|m|s|ms|us|ns))+$)"}};
    case Kind::kMoney:
      return amountSchema(R"(^[0-9]+(\.[0-9]{1,6}0*)?$)");
    case Kind::kTexts:
      return listSchema(shape, textSchema(*shape.rule), true);
    case Kind::kWords:
      return listSchema(shape, wordSchema(shape), true);
    case Kind::kArguments:
      return listSchema(shape, {{"type", Json::array({"string", "number", "boolean"})}, {"maxLength", kMaxArgument}},
                        false);
    case Kind::kEnvironment:
      return environmentSchema(shape);
  }
  return Json::object();
}

Json objectSchema(std::string_view path);

Json fieldSchema(const Field& field) {
  Json schema = schemaOf(field.shape);
  if (field.shape.kind == Kind::kMap) schema = objectSchema(field.path);
  if (field.shape.kind == Kind::kMapList)
    schema = listSchema(field.shape, objectSchema(std::string(field.path) + "[]"), false);
  if (field.shape.kind == Kind::kMixedList) {
    Json either = Json::array({textSchema(*field.shape.rule), objectSchema(std::string(field.path) + "[]")});
    schema = listSchema(field.shape, {{"anyOf", std::move(either)}}, true);
  }
  schema["description"] = std::string(field.doc);
  const Json fallback = field.get == nullptr ? Json() : field.get(Contract{});
  if (!fallback.is_null() && !field.required) schema["default"] = fallback;
  return schema;
}

Json objectSchema(std::string_view path) {
  Json properties = Json::object(), required = Json::array();
  for (const Field* field : childrenOf(path)) {
    properties[std::string(keyOf(field->path))] = fieldSchema(*field);
    if (field->required) required.push_back(std::string(keyOf(field->path)));
  }
  Json schema = {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

Json within(const char* key, Json schema) {
  return {{"properties", {{key, std::move(schema)}}}, {"required", Json::array({key})}};
}

// The rules between fields that a schema can say.
Json crossRules() {
  const Json command = within("run", within("command", {{"minItems", 1}}));
  const Json hrt = within("class", within("latency", {{"const", "HRT"}}));
  const Json open = within("unrestricted", {{"const", true}});
  return {{{"if", hrt}, {"then", command}},
          {{"if", within("network", open)},
           {"then", within("network",
                           {{"required", Json::array({"reason"})}, {"properties", {{"egress", {{"maxItems", 0}}}}}})}},
          {{"not", within("schedule", {{"required", Json::array({"every", "cron"})}})}}};
}

}  // namespace

Json contractSchema() {
  Json schema = objectSchema("");
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = "Agent Contract";
  schema["description"] = "The whole of what an operator says about an agent; docs/contract.md explains it.";
  schema["allOf"] = crossRules();
  return schema;
}

}  // namespace agentos::contract
