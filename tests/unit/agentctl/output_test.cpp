// SPDX-License-Identifier: Apache-2.0
#include "agentctl/output.h"

#include <gtest/gtest.h>

#include "agentctl/fields.h"
#include "base/yaml.h"

namespace agentos::agentctl {
namespace {

// A YAML tree that our own strict reader gave, as JSON again.
Json backFrom(const YamlNode& node) {
  Json value;
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return nullptr;
    case YamlNode::Kind::kScalar:
      if (auto number = node.asInt()) return *number;
      if (auto flag = node.asBool()) return *flag;
      if (node.plain && node.scalar == "null") return nullptr;
      return node.plain && (node.scalar == "{}" || node.scalar == "[]") ? Json::parse(node.scalar) : Json(node.scalar);
    case YamlNode::Kind::kList:
      value = Json::array();
      for (const auto& item : node.items) value.push_back(backFrom(item));
      return value;
    case YamlNode::Kind::kMap:
      value = Json::object();
      for (const auto& entry : node.entries) value[entry.key] = backFrom(entry.value);
      return value;
  }
  return value;
}

TEST(OutputTest, YamlReadsBackAsTheSame) {
  auto value = Json::parse(
      R"json({"a":1,"b":[true,null,"x",{"c":"no","d":[1,[2,3],[]],"e":{}}],"f":"- text: with\nlines # and \"marks\"","":"",
                              "yes":"123","g":{"h":{"i":-5}},"j":[[{"k":1,"l":2}],"~","null"]})json");
  auto text = toYaml(value);
  auto parsed = parseYaml(text, "out.yaml");
  ASSERT_TRUE(parsed) << text << parsed.error().front().message();
  EXPECT_EQ(backFrom(*parsed), value) << text;
}

TEST(FieldsTest, TextOfWhatIsThere) {
  auto value = Json::parse(R"json({"a":{"b":"x"},"n":5,"t":true,"z":null,"l":["a",1],"o":{"k":1}})json");
  EXPECT_EQ(textOf(value, "a.b"), "x");
  EXPECT_EQ(textOf(value, "n"), "5");
  EXPECT_EQ(textOf(value, "t"), "yes");
  EXPECT_EQ(textOf(value, "z"), "");
  EXPECT_EQ(textOf(value, "l"), "a, 1");
  EXPECT_EQ(textOf(value, "a.b.c"), "");
  EXPECT_EQ(textOf(value, "nope.x"), "");
  EXPECT_EQ(textOf(Json(), "x"), "");
}

TEST(FieldsTest, CutsBetweenCharacters) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "abc…");
  EXPECT_EQ(shortened("aü", 2), "a…");
}

TEST(FieldsTest, ShortDurations) {
  using namespace std::chrono_literals;
  EXPECT_EQ(shortDuration(0s), "0s");
  EXPECT_EQ(shortDuration(119s), "119s");
  EXPECT_EQ(shortDuration(120s), "2m");
  EXPECT_EQ(shortDuration(2h), "2h");
  EXPECT_EQ(shortDuration(49h), "2d");
}

TEST(FieldsTest, MoneyAndBytes) {
  Json value = {{"usd", 4200}, {"bytes", 1536 << 10}, {"none", 0}};
  EXPECT_EQ(usdOf(value, "usd"), "$0.004200");
  EXPECT_EQ(bytesOf(value, "bytes"), "1.5 MiB");
  EXPECT_EQ(bytesOf(value, "none"), "");
  EXPECT_EQ(usdOf(value, "absent"), "");
}

TEST(FieldsTest, TimesForTheApi) {
  EXPECT_EQ(*timeArgument(""), "");
  EXPECT_EQ(*timeArgument("2026-11-20T14:00:00+01:00"), "2026-11-20T13:00:00.000Z");
  auto ago = parseTimestamp(*timeArgument("10m"));
  ASSERT_TRUE(ago);
  EXPECT_NEAR(static_cast<double>((SystemClock().now() - *ago) / std::chrono::seconds(1)), 600, 5);
  EXPECT_FALSE(timeArgument("yesterday"));
}

}  // namespace
}  // namespace agentos::agentctl
