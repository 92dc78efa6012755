// SPDX-License-Identifier: Apache-2.0
// The published JSON Schema and the loader, held against each other on every file of the corpus.
#include <gtest/gtest.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <set>

#include "base/files.h"
#include "contract/loader.h"
#include "contract/schema.h"
#include "corpus.h"
#include "json_schema_validator.h"

namespace agentos::contract {
namespace {

// Files that the loader refuses and the schema cannot: the schema sees JSON values, one at a time.
const std::set<std::string> kBeyondTheSchema = {
    // Quantities: bounds and sums behind a unit, and numbers that JSON writes alike.
    "range-cpu-zero", "range-every-short", "range-integer-octal", "range-io-max-little", "range-mem-little",
    "range-mem-much", "range-timeout-zero", "unit-money-exponent",
    // What is inside a text.
    "cron-empty-item", "cron-minute", "cron-never", "cron-reversed", "cron-step-zero", "cron-word", "egress-port-high",
    "egress-method-connect", "egress-number-host", "egress-range-bits", "egress-star-address", "text-backoff-backwards",
    "text-command-relative", "text-hours-empty", "text-probe-relative",
    // Places of the room, and mounts beside each other.
    "mount-target-around", "mount-target-company", "mount-target-home", "mount-target-homes", "mount-target-nested",
    "mount-target-proc", "mount-target-twice", "mount-target-usr",
    // Rules between fields that compare values.
    "rule-children-uncounted", "rule-children-unnamed", "rule-day-under-run", "rule-jitter-over-every",
    "rule-mem-high-over-mem", "rule-memory-over-context", "rule-month-under-day", "rule-own-parent",
    "rule-own-reviewer", "rule-scheduled-service", "rule-scratch-over-disk", "rule-woken-job",
    "rule-deadline-over-period", "rule-reservation-without-hrt", "rule-runtime-over-deadline",
    "rule-runtime-over-period"};

// 010 is ten there; what does not fit is a float.
Json integerOf(const std::string& text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data() + (text.starts_with('+') ? 1 : 0), end, value);
  return error == std::errc{} && stopped == end ? Json(value) : Json(std::strtod(text.c_str(), nullptr));
}

// What an editor hands to a schema: YAML 1.2's core types.
Json asJson(const YamlNode& node) {
  Json value;
  if (node.kind == YamlNode::Kind::kList) {
    value = Json::array();
    for (const YamlNode& item : node.items) value.push_back(asJson(item));
  } else if (node.kind == YamlNode::Kind::kMap) {
    value = Json::object();
    for (const auto& entry : node.entries) value[entry.key] = asJson(entry.value);
  } else if (node.kind == YamlNode::Kind::kScalar) {
    switch (typeOf(node)) {
      case ScalarType::kBoolean:
        return node.scalar.starts_with('t');
      case ScalarType::kInteger:
        return integerOf(node.scalar);
      case ScalarType::kNumber:
        return std::strtod(node.scalar.c_str(), nullptr);
      default:
        return node.scalar;
    }
  }
  return value;
}

std::string listed(const std::vector<std::string>& findings) {
  std::string text;
  for (const std::string& finding : findings) text += "\n  " + finding;
  return text;
}

TEST(ContractSchema, IsTheOneInTheFile) {
  const std::string path = AGENTOS_SOURCE_DIR "/contracts/schema/agent-contract.schema.json";
  const std::string text = contractSchema().dump(2) + "\n";
  if (std::getenv("AGENTOS_REGENERATE") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(readPath(path).value_or(""), text) << "AGENTOS_REGENERATE=1 writes it anew";
}

TEST(ContractSchema, NamesItsDraftAndEveryField) {
  const Json schema = contractSchema();
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["required"], Json::array({"apiVersion", "kind", "name"}));
  EXPECT_EQ(schema["additionalProperties"], false);
  const Json compute = schema["properties"]["compute"]["properties"];
  EXPECT_EQ(compute["pids"]["maximum"], 4'194'304);
  EXPECT_EQ(compute["pids"]["default"], 512);
  EXPECT_EQ(schema["properties"]["workspace"]["properties"]["mounts"]["items"]["required"],
            Json::array({"source", "target"}));
  for (const Field& field : fields()) EXPECT_FALSE(field.doc.empty()) << field.path;
}

TEST(ContractSchema, AcceptsWhatTheLoaderAccepts) {
  const Json schema = contractSchema();
  for (const CorpusFile& file : goodCorpus()) {
    const auto root = parseYaml(file.text, file.name);
    ASSERT_TRUE(root) << file.name;
    EXPECT_TRUE(validate(schema, asJson(*root)).empty()) << file.name << listed(validate(schema, asJson(*root)));
  }
}

TEST(ContractSchema, RefusesWhatTheLoaderRefusesButForTheListedOnes) {
  const Json schema = contractSchema();
  std::set<std::string> unused = kBeyondTheSchema;
  std::size_t judged = 0;
  for (const CorpusFile& file : badCorpus()) {
    const auto root = parseYaml(file.text, file.name);
    if (!root) continue;  // not a document that a schema would see
    ++judged;
    const bool valid = validate(schema, asJson(*root)).empty();
    EXPECT_EQ(valid, kBeyondTheSchema.contains(file.name)) << file.name << listed(validate(schema, asJson(*root)));
    unused.erase(file.name);
  }
  EXPECT_TRUE(unused.empty()) << "listed, but not in the corpus: " << *unused.begin();
  EXPECT_GE(judged, 100U);
}

// What the loader writes is a contract too.
TEST(ContractSchema, AcceptsTheFullFormOfEveryGoodContract) {
  const Json schema = contractSchema();
  for (const CorpusFile& file : goodCorpus()) {
    const auto contract = loadContract(file.text, file.name);
    ASSERT_TRUE(contract) << file.name;
    EXPECT_TRUE(validate(schema, toJson(*contract)).empty())
        << file.name << listed(validate(schema, toJson(*contract)));
  }
}

TEST(JsonSchemaValidator, KnowsWrongFromRight) {
  const Json schema = {
      {"type", "object"},
      {"properties", {{"n", {{"type", "integer"}, {"minimum", 1}}}, {"l", {{"type", "array"}, {"uniqueItems", true}}}}},
      {"additionalProperties", false},
      {"required", Json::array({"n"})}};
  EXPECT_TRUE(validate(schema, {{"n", 1}, {"l", {1, 2}}}).empty());
  EXPECT_EQ(validate(schema, {{"n", 0}}).size(), 1U);
  EXPECT_EQ(validate(schema, {{"n", "1"}}).size(), 1U);
  EXPECT_EQ(validate(schema, {{"n", 1}, {"l", {2, 2}}}).size(), 1U);
  EXPECT_EQ(validate(schema, {{"n", 1}, {"x", 1}}).size(), 1U);
  EXPECT_EQ(validate(schema, Json::object()).size(), 1U);
  EXPECT_THROW(validate({{"dependentRequired", Json::object()}}, 1), std::logic_error);
}

}  // namespace
}  // namespace agentos::contract
