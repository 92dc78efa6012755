// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace agentos {
namespace {

using testing::ElementsAre;

TEST(Utf8, AcceptsEveryLength) {
  EXPECT_TRUE(isValidUtf8(""));
  EXPECT_TRUE(isValidUtf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82"));
  EXPECT_TRUE(isValidUtf8("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF")) << "beside the surrogates, and the last";
}

TEST(Utf8, RefusesWhatIsMalformed) {
  for (const char* bytes :
       {"\x80", "\xBF", "\xC0\xAF", "\xC1\x81", "\xC3", "\xC3(", "\xE0\x9F\xBF", "\xE2\x82", "\xED\xA0\x80",
        "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF0\x9F\x99", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xFE"}) {
    EXPECT_FALSE(isValidUtf8(bytes));
    EXPECT_FALSE(isValidUtf8(std::string("good ") + bytes + " good"));
  }
}

TEST(Text, TrimsAndSplits) {
  EXPECT_EQ(trim(" \t a b \r\n"), "a b");
  EXPECT_EQ(trim(" \n "), "");
  EXPECT_THAT(split("a,,b", ','), ElementsAre("a", "", "b"));
  EXPECT_THAT(split("", ','), ElementsAre(""));
  EXPECT_THAT(split("a,", ','), ElementsAre("a", ""));
  EXPECT_EQ(join(std::vector<std::string>{"a", "b", "c"}, ", "), "a, b, c");
  EXPECT_EQ(join(std::vector<std::string>{}, ", "), "");
}

TEST(DidYouMean, FindsTheNearest) {
  constexpr std::array<std::string_view, 5> kWords = {"compute", "command", "capabilities", "cpu", "mem"};
  EXPECT_EQ(didYouMean("comptue", kWords), "compute") << "a swap is one mistake";
  EXPECT_EQ(didYouMean("comand", kWords), "command");
  EXPECT_EQ(didYouMean("capabilites", kWords), "capabilities");
  EXPECT_EQ(didYouMean("MEM", kWords), "mem") << "case is no mistake";
  EXPECT_EQ(didYouMean("cp", kWords), "cpu");
}

TEST(DidYouMean, SaysNothingWhenNothingIsNear) {
  constexpr std::array<std::string_view, 2> kWords = {"compute", "x"};
  EXPECT_EQ(didYouMean("zebra", kWords), std::nullopt);
  EXPECT_EQ(didYouMean("", kWords), std::nullopt);
  EXPECT_EQ(didYouMean("y", kWords), std::nullopt) << "one letter for another is no mistake, but another word";
  EXPECT_EQ(didYouMean(std::string(10'000, 'a'), kWords), std::nullopt);
  EXPECT_EQ(didYouMean("compute", {}), std::nullopt);
}

TEST(Pattern, MatchesTheWholeName) {
  EXPECT_TRUE(matchesPattern("local/*", "local/llama"));
  EXPECT_TRUE(matchesPattern("local/*", "local/"));
  EXPECT_FALSE(matchesPattern("local/*", "cloud/local/x"));
  EXPECT_TRUE(matchesPattern("helper-?", "helper-a"));
  EXPECT_FALSE(matchesPattern("helper-?", "helper-"));
  EXPECT_FALSE(matchesPattern("helper-?", "helper-ab"));
  EXPECT_TRUE(matchesPattern("*", ""));
  EXPECT_TRUE(matchesPattern("", ""));
  EXPECT_FALSE(matchesPattern("", "a"));
  EXPECT_TRUE(matchesPattern("*a*b*c*", "xxaxxbxxcxx"));
  EXPECT_FALSE(matchesPattern("*a*b*c", "xxaxxbxxcxx"));
  EXPECT_TRUE(matchesPattern("a*ab", "aabab")) << "the star gives back";
}

TEST(Pattern, IsNotMadeSlowByStars) {
  const std::string name(20'000, 'a');
  EXPECT_FALSE(matchesPattern("*a*a*a*a*a*a*a*a*b", name));
}

}  // namespace
}  // namespace agentos
