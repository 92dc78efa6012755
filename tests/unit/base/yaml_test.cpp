// SPDX-License-Identifier: Apache-2.0
#include "base/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace agentos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

YamlNode parse(std::string_view text) {
  auto node = parseYaml(text, "f.yaml");
  EXPECT_TRUE(node) << (node ? "" : node.error().front().message());
  return node.value_or(YamlNode{});
}

// "code line:column path" of each problem.
std::vector<std::string> problems(std::string_view text) {
  std::vector<std::string> found;
  const auto node = parseYaml(text, "f.yaml");
  if (node) return found;
  for (const YamlProblem& problem : node.error()) {
    found.push_back(std::string(infoOf(problem.code).name) + " " + std::to_string(problem.mark.line) + ":" +
                    std::to_string(problem.mark.column) + (problem.path.empty() ? "" : " " + problem.path));
  }
  return found;
}

std::string placeOf(const YamlMark& mark) { return std::to_string(mark.line) + ":" + std::to_string(mark.column); }

TEST(ParseYaml, KeepsOrderAndPlaces) {
  const YamlNode root = parse("b: 1\na:\n  - x\n  - { k: 'v' }\nc: |\n  two\n  lines\n");
  ASSERT_EQ(root.entries.size(), 3U);
  EXPECT_EQ(root.entries[0].key, "b");
  EXPECT_EQ(placeOf(root.entries[1].mark), "2:1");
  const YamlNode& list = root.entries[1].value;
  EXPECT_EQ(placeOf(list.mark), "3:3");
  EXPECT_EQ(placeOf(list.items[0].mark), "3:5");
  EXPECT_EQ(placeOf(list.items[1].entries[0].mark), "4:7");
  EXPECT_EQ(placeOf(list.items[1].entries[0].value.mark), "4:10");
  EXPECT_EQ(root.find("c")->scalar, "two\nlines\n");
  EXPECT_FALSE(root.find("c")->plain);
  EXPECT_EQ(root.find("nothing"), nullptr);
  EXPECT_EQ(list.find("k"), nullptr) << "a list has no keys";
}

TEST(ParseYaml, CountsColumnsInBytes) {
  const YamlNode root = parse("é: [ü, x]\n");
  EXPECT_EQ(placeOf(root.entries[0].value.items[1].mark), "1:10");
}

TEST(ParseYaml, TakesNumbersAndBooleansFromPlainScalarsAlone) {
  const YamlNode root = parse(
      "a: 5\nb: \"5\"\nc: true\nd: 'true'\ne: yes\nf: -7\ng: 010\nh: 1.5\ni: 99999999999999999999\nj: True\nk: +5\nl: "
      "0x10\nm: 0\n");
  EXPECT_EQ(root.find("a")->asInt(), 5);
  EXPECT_EQ(root.find("f")->asInt(), -7);
  EXPECT_EQ(root.find("m")->asInt(), 0);
  for (const char* key : {"b", "c", "g", "h", "i", "k", "l"}) EXPECT_EQ(root.find(key)->asInt(), std::nullopt) << key;
  EXPECT_EQ(root.find("c")->asBool(), true);
  for (const char* key : {"d", "e", "j", "a"}) EXPECT_EQ(root.find(key)->asBool(), std::nullopt) << key;
  EXPECT_EQ(root.find("d")->scalar, "true");
}

TEST(ParseYaml, KnowsNothingFromAQuotedNothing) {
  const YamlNode root = parse("a:\nb: ~\nc: null\nd: \"\"\ne: 'null'\n");
  for (const char* key : {"a", "b", "c"}) EXPECT_EQ(root.find(key)->kind, YamlNode::Kind::kNull) << key;
  for (const char* key : {"d", "e"}) EXPECT_EQ(root.find(key)->kind, YamlNode::Kind::kScalar) << key;
  EXPECT_EQ(placeOf(root.find("a")->mark), "1:1") << "reported at its key";
  EXPECT_EQ(placeOf(root.find("b")->mark), "2:4");
  EXPECT_EQ(parse("").kind, YamlNode::Kind::kNull);
  EXPECT_EQ(parse("# nothing\n").kind, YamlNode::Kind::kNull);
}

TEST(ParseYaml, PlacesAnEmptyItemAtItsDash) {
  const YamlNode root = parse("l:\n  - # nothing\n  - x\n  -\n\nz: 1\n");
  EXPECT_EQ(placeOf(root.find("l")->items[0].mark), "2:3");
  EXPECT_EQ(placeOf(root.find("l")->items[2].mark), "4:3");
}

TEST(ParseYaml, RefusesDuplicateKeysWhereverTheyAre) {
  EXPECT_THAT(problems("a: 1\nb: 2\na: 3\n"), ElementsAre("yaml.forbidden 3:1 a"));
  EXPECT_THAT(problems("x: { k: 1, \"k\": 2 }\n"), ElementsAre("yaml.forbidden 1:12 x.k"));
  EXPECT_THAT(problems("l:\n  - { a: 1 }\n  - { a: 1, a: 2 }\n"), ElementsAre("yaml.forbidden 3:13 l[1].a"));
  EXPECT_THAT(parseYaml("a: 1\na: 2\n", "f").error().front().message(),
              HasSubstr("f:2:1: a: the key \"a\" is here twice, first in line 1"));
}

TEST(ParseYaml, RefusesWhatMakesOneThingMeanAnother) {
  EXPECT_THAT(problems("a: &x 1\nb: *x\n"), ElementsAre("yaml.forbidden 1:4 a", "yaml.forbidden 2:4 b"));
  EXPECT_THAT(problems("a: *x\n"), ElementsAre("syntax 1:4 a"));
  EXPECT_THAT(problems("a: !!str 1\n"), ElementsAre("yaml.forbidden 1:4 a"));
  EXPECT_THAT(problems("a: ! 1\n"), ElementsAre("yaml.forbidden 1:4 a"));
  EXPECT_THAT(problems("a: !x [1]\n"), ElementsAre("yaml.forbidden 1:4 a"));
  EXPECT_THAT(problems("a: &x\n"), ElementsAre("yaml.forbidden 1:4 a"));
  EXPECT_THAT(problems("<<: { a: 1 }\n"), ElementsAre("yaml.forbidden 1:1"));
  EXPECT_THAT(problems("? [a]\n: 1\n"), ElementsAre("yaml.forbidden 1:3"));
  EXPECT_THAT(problems("? { a: 1 }\n: 1\n"), ElementsAre("yaml.forbidden 1:3"));
  EXPECT_THAT(problems(": 1\n"), ElementsAre("yaml.forbidden 1:1"));
  EXPECT_THAT(problems("~: 1\n"), ElementsAre("yaml.forbidden 1:1"));
  EXPECT_EQ(parse("'<<': 1\n").entries[0].key, "<<") << "quoted, it is a key like any other";
}

TEST(ParseYaml, RefusesASecondDocument) {
  EXPECT_THAT(problems("a: 1\n---\nb: 2\n"), ElementsAre("yaml.forbidden 2:1"));
  EXPECT_THAT(problems("a: 1\n---\n"), ElementsAre("yaml.forbidden 2:1"));
  EXPECT_THAT(problems("a: 1\n...\nb: 2\n"), ElementsAre("syntax 3:1"));
  EXPECT_THAT(problems("a: 1\n%YAML 1.2\n---\nb: 2\n"), ElementsAre(HasSubstr(" 3:1")));
  EXPECT_THAT(problems("--- \na: 1\n...\n"), IsEmpty());
}

TEST(ParseYaml, StopsAtTheFirstErrorOfSyntax) {
  EXPECT_THAT(problems("a: 1\n  b: 2\n"), ElementsAre("syntax 2:4"));
  EXPECT_THAT(problems("a: [1, 2\n"), ElementsAre(HasSubstr("syntax ")));
  for (const char* text : {"a: \"x\n", "a: 'x\n", "a: \"x\\\"", "a: 'it''s", "a: 'x''", "a: \""}) {
    EXPECT_THAT(problems(text), ElementsAre(HasSubstr("syntax 1:")))
        << text << ": cut off, and the parser would not say so";
  }
  EXPECT_EQ(parse("a: 'it''s \"x'").find("a")->scalar, "it's \"x");
  EXPECT_EQ(parse("a: \"\\\\\"").find("a")->scalar, "\\");
  EXPECT_THAT(problems("a: \"\\q\"\n"), ElementsAre(HasSubstr("syntax ")));
  EXPECT_THAT(problems("a: 1\n]\n"), ElementsAre("syntax 2:1"));
  EXPECT_THAT(problems("- a\nb: 1\n"), ElementsAre("syntax 2:1"));
}

TEST(ParseYaml, WritesMessagesInUtf8) {
  const auto node = parseYaml("a: \"\\é\"\n", "f.yaml");
  ASSERT_FALSE(node);
  EXPECT_TRUE(isValidUtf8(node.error().front().message())) << "yaml-cpp quotes one byte of the character";
}

TEST(ParseYaml, DecodesEveryEscapeToUtf8) {
  EXPECT_EQ(parse("k: \"a\\N\\_\\L\\P\\x85\\u00e9\\U0001F600é\\N\"").find("k")->scalar,
            "a\xC2\x85\xC2\xA0\u2028\u2029\xC2\x85é\U0001F600é\xC2\x85");
  std::string many;  // a megabyte of them, in time that grows with its length alone
  for (int i = 0; i < 400'000; ++i) many += "\\N";
  EXPECT_EQ(parse("k: \"" + many + "\"").find("k")->scalar.size(), 800'000U);
}

TEST(YamlProblemMessage, LeavesTheTerminalAlone) {
  const YamlProblem problem{"f", {1, 2}, "a\x1B[31m", ErrorCode::kSyntax, "\x07\xC2\x9B\x7F\né", ""};
  EXPECT_EQ(problem.message(), "f:1:2: a\\x1b[31m: \\x07\\x9b\\x7f\\x0aé");
}

TEST(ParseYaml, RefusesBytesThatNoTextHas) {
  EXPECT_THAT(problems("a: 1\nb: \xFF\n"), ElementsAre("syntax 2:4"));
  EXPECT_THAT(problems("a: \xED\xA0\x80\n"), ElementsAre("syntax 1:4"));
  EXPECT_THAT(problems(std::string_view("a: \0b\n", 6)), ElementsAre("syntax 1:4"));
  EXPECT_THAT(problems("a: \"\\0\"\n"), ElementsAre("syntax 1:4 a"));
  EXPECT_THAT(problems("a: b\x04\nc: d\n"), ElementsAre("syntax 1:5")) << "the parser would take it for the end";
  EXPECT_THAT(problems("a: \x1B[0m\n"), ElementsAre("syntax 1:4"));
  EXPECT_THAT(problems("a: \xC2\x85\n"), ElementsAre("syntax 1:4"));
  EXPECT_THAT(problems("a: 1\rb: 2\n"), ElementsAre("syntax 1:5"));
  EXPECT_THAT(problems(std::string_view("\xFF\xFE"
                                        "a\0:\0",
                                        6)),
              ElementsAre("syntax 1:1"));
}

TEST(ParseYaml, TakesLineEndsAndTheMarkOfOtherSystems) {
  const YamlNode root = parse(
      "\xEF\xBB\xBF"
      "a: 1\r\nb: \"x\r\n  y\"\r\nc: |\r\n  l1\r\n  l2\r\nd: 2\r\n");
  EXPECT_EQ(placeOf(root.entries[0].mark), "1:1");
  EXPECT_EQ(root.find("a")->asInt(), 1);
  EXPECT_EQ(root.find("b")->scalar, "x y");
  EXPECT_EQ(root.find("c")->scalar, "l1\nl2\n");
  EXPECT_EQ(placeOf(root.entries[3].mark), "7:1");
}

TEST(ParseYaml, BoundsSizeDepthAndNodes) {
  EXPECT_THAT(problems(std::string((1 << 20) + 1, '#')), ElementsAre("too_large 1:1"));
  EXPECT_THAT(problems(std::string(1 << 20, '#')), IsEmpty());
  const auto nested = [](std::size_t depth) {
    return "- " + std::string(depth, '[') + "x" + std::string(depth, ']') + "\n";
  };
  EXPECT_THAT(problems(nested(63)), IsEmpty());
  EXPECT_THAT(problems(nested(64)), ElementsAre(HasSubstr("yaml.forbidden 1:66")));
  std::string many = "l: [x";
  for (int i = 0; i < 100'000; ++i) many += ",x";
  EXPECT_THAT(problems(many + "]\n"), ElementsAre(HasSubstr("yaml.forbidden 1:")));
}

TEST(ParseYaml, BoundsKeysSinceEveryPathCarriesThem) {
  EXPECT_THAT(problems("? " + std::string(1025, 'k') + "\n: 1\n"), ElementsAre("yaml.forbidden 1:3"));
  EXPECT_THAT(problems("? " + std::string(1024, 'k') + "\n: 1\n"), IsEmpty());
}

TEST(ParseYaml, IsNotMadeSlowOrLargeByHostileText) {
  for (const char* piece : {"[", "{a: ", "- ", "? ", "{", "&a [", "*a ", "!", "\"", "a: ", ": "}) {
    std::string text;
    while (text.size() < (1U << 19)) text += piece;
    const auto found = problems(text);
    EXPECT_FALSE(found.empty()) << piece;
    EXPECT_LE(found.size(), 100U) << piece;
  }
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'i'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i) bomb += std::string("*") + static_cast<char>(c - 1) + (i < 8 ? "," : "]\n");
  }
  EXPECT_THAT(problems(bomb), testing::Not(IsEmpty()));
}

TEST(QuoteYaml, LeavesWhatIsSafePlain) {
  for (const char* text :
       {"maker", "fs.write", "task-2026-1120-001", "Fix the door (again)", "a/b/c.md", "café", "x y  z"}) {
    EXPECT_EQ(quoteYaml(text), text);
  }
}

TEST(QuoteYaml, QuotesWhatAReaderWouldTakeForAnotherThing) {
  for (const char* text : {"",
                           " a",
                           "a ",
                           "yes",
                           "No",
                           "TRUE",
                           "null",
                           "~",
                           "1",
                           "-1",
                           "1.5",
                           "0x10",
                           "1e3",
                           ".5",
                           "2026-11-20",
                           "12:30",
                           "- a",
                           "-",
                           "a: b",
                           "a #b",
                           "#a",
                           "*a",
                           "&a",
                           "!a",
                           "@a",
                           "`a`",
                           "%a",
                           "|",
                           ">",
                           "{a",
                           "[a",
                           "a, b",
                           "'a'",
                           "\"a\"",
                           "a\nb",
                           "a\tb",
                           "?",
                           "...",
                           "---",
                           "<<",
                           "y",
                           "on",
                           ".nan",
                           "=",
                           "a:",
                           "\x7F",
                           "\x01",
                           "\xC2\x85",
                           "\xEF\xBB\xBF"
                           "a"}) {
    const std::string quoted = quoteYaml(text);
    EXPECT_EQ(quoted.front(), '"') << text;
    EXPECT_EQ(quoted.back(), '"') << text;
  }
}

TEST(QuoteYaml, ComesBackTheSame) {
  std::vector<std::string> texts = {"",
                                    "a",
                                    " a ",
                                    "yes",
                                    "a: b # c",
                                    "\"\\",
                                    "two\nlines\n",
                                    "\ttab",
                                    "é€🙂",
                                    "\x01\x1F\x7F",
                                    "\xC2\x80\xC2\x9F",
                                    "\xEF\xBB\xBF"
                                    "bom",
                                    "\xE2\x80\xA8",
                                    "'",
                                    "trailing\\",
                                    std::string(5000, 'x'),
                                    "\\n",
                                    "%",
                                    "---"};
  std::string all;  // every code point of one and two bytes but NUL
  for (int c = 1; c < 0x80; ++c) all += static_cast<char>(c);
  for (int c = 0x80; c < 0x800; ++c)
    all += static_cast<char>(0xC0 | c >> 6), all += static_cast<char>(0x80 | (c & 0x3F));
  texts.push_back(all);
  for (const std::string& text : texts) {
    const std::string key = text.size() < 100 ? text + "x" : "x";  // YAML ends a key after 1024 characters
    const std::string page =
        "key: " + quoteYaml(text) + "\nlist: [" + quoteYaml(text) + "]\n" + quoteYaml(key) + ": 1\n";
    const auto root = parseYaml(page, "f");
    ASSERT_TRUE(root) << quoteYaml(text) << root.error().front().message();
    EXPECT_EQ(root->find("key")->scalar, text);
    EXPECT_EQ(root->find("list")->items[0].scalar, text);
    EXPECT_EQ(root->entries[2].key, key);
  }
}

TEST(QuoteYaml, MendsWhatIsNotUtf8) {
  const YamlNode root = parse("k: " + quoteYaml("a\xFF"
                                                "b\xC3"));
  EXPECT_EQ(root.find("k")->scalar,
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
}

}  // namespace
}  // namespace agentos
