// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>

namespace agentos {
namespace {

using testing::HasSubstr;

std::string refusal(std::string_view text, std::size_t depth = 64) {
  const auto parsed = parseJson(text, depth);
  return parsed ? "accepted: " + parsed->dump() : parsed.error().message();
}

TEST(ParseJson, ReadsADocument) {
  const auto parsed = parseJson(R"( {"a":[1,-2,true,null,"\u00e9"],"b":{"a":18446744073709551615}} )");
  ASSERT_TRUE(parsed);
  EXPECT_EQ((*parsed)["a"], Json::parse("[1,-2,true,null,\"é\"]"));
  EXPECT_EQ((*parsed)["b"]["a"], 18446744073709551615ULL);
}

TEST(ParseJson, RefusesDuplicateKeysButNotTheSameKeyElsewhere) {
  EXPECT_THAT(refusal(R"({"a":1,"a":2})"), HasSubstr("\"a\" appears twice"));
  EXPECT_THAT(refusal(R"({"x":[{"k":{"a":1,"b":2,"a":3}}]})"), HasSubstr("\"a\" appears twice"));
  EXPECT_THAT(refusal(R"({"a":1,"\u0061":2})"), HasSubstr("appears twice")) << "an escape writes the same key";
  EXPECT_TRUE(parseJson(R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})"));
}

TEST(ParseJson, RefusesWhatIsNotStrictJson) {
  for (const char* text :
       {"",       " ",         "{",   "[1,]",     "{\"a\":1,}",   "{'a':1}",     "// c\n1", "/* c */ 1",
        "1 2",    "{} {}",     "nul", "01",       "+1",           ".5",          "NaN",     "Infinity",
        "\"\t\"", "\"\\x41\"", "\"a", "\"\xFF\"", "\"\xC0\xAF\"", "\"\\ud800\"", "1e999",   "\"\xED\xA0\x80\""}) {
    const auto parsed = parseJson(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kSyntax);
  }
  EXPECT_FALSE(parseJson(std::string_view("1\0", 2)));
  EXPECT_FALSE(parseJson(std::string_view("{}\0{", 4))) << "what follows a NUL counts too";
}

TEST(ParseJson, BoundsTheDepth) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parseJson(nested(64)));
  EXPECT_THAT(refusal(nested(65)), HasSubstr("more than 64 deep"));
  EXPECT_THAT(refusal(nested(3), 2), HasSubstr("more than 2 deep"));
  EXPECT_FALSE(parseJson(std::string(1'000'000, '[')));
  EXPECT_TRUE(parseJson("7", 0));
}

// A body of one request must not hold the daemon up: twice as long may take about twice as long, not four times.
TEST(ParseJson, TakesTimeInProportion) {
  auto timeOf = [](std::size_t objects) {  // of this thread, on its best of five tries
    std::string text = "[{}";
    for (std::size_t i = 1; i < objects; ++i) text += ",{}";
    text += "]";
    std::clock_t best = 0;
    for (int i = 0; i < 5; ++i) {
      const std::clock_t start = std::clock();
      EXPECT_TRUE(parseJson(text));
      const std::clock_t took = std::clock() - start;
      best = i == 0 ? took : std::min(best, took);
    }
    return best;
  };
  EXPECT_LT(timeOf(80'000), 64 * std::max<std::clock_t>(timeOf(5'000), 1));
}

TEST(CanonicalJson, SortsKeysAndDropsSpace) {
  EXPECT_EQ(canonicalJson(Json::parse(R"({ "b" : [ 1 , {} , [] ], "a" : { "z":null, "y":true } })")),
            R"({"a":{"y":true,"z":null},"b":[1,{},[]]})");
}

// RFC 8785, 3.2.3: by UTF-16 code units, so that U+1F602 (D83D DE02) stands before U+FB33.
TEST(CanonicalJson, SortsAsTheStandardsExample) {
  const Json value = Json::parse(
      R"({"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"})");
  EXPECT_EQ(
      canonicalJson(value),
      "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xC2\x80\":\"Control\",\"ö\":\"Latin Small Letter O With "
      "Diaeresis\","
      "\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\xEF\xAC\xB3\":\"Hebrew Letter Dalet With Dagesh\"}");
}

TEST(CanonicalJson, EscapesAsLittleAsItMay) {
  EXPECT_EQ(canonicalJson(Json("\b\t\n\f\r\"\\/\x01\x1f\x7f é")), "\"\\b\\t\\n\\f\\r\\\"\\\\/\\u0001\\u001f\x7f é\"");
  EXPECT_EQ(canonicalJson(Json(-9223372036854775807LL - 1)), "-9223372036854775808");
}

TEST(CanonicalJson, RefusesWhatHasNoOneForm) {
  EXPECT_EQ(canonicalJson(Json(1.5)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(canonicalJson(Json{{"a", {1, 2.0}}}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(canonicalJson(Json("\xFF")).error().code, ErrorCode::kInvalidArgument);
}

TEST(DumpJson, NeverThrows) {
  EXPECT_EQ(dumpJson(Json{{"a", "\xFF!"}}), "{\"a\":\"\xEF\xBF\xBD!\"}");
  EXPECT_EQ(dumpJson(Json(0.5)), "0.5");
}

}  // namespace
}  // namespace agentos
