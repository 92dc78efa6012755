// SPDX-License-Identifier: Apache-2.0
#include "models/estimate.h"

#include <gtest/gtest.h>

namespace agentos::models {
namespace {

const ModelSpec kSpec{.name = "m", .upstream = {}, .price = {}, .maxOutputTokens = 1000};

Json request() { return {{"messages", Json::array({{{"role", "user"}, {"content", "hi"}}})}}; }

TEST(Estimate, CountsThreeBytesATokenRoundedUp) {
  EXPECT_EQ(tokensOfBytes(0), 0);
  EXPECT_EQ(tokensOfBytes(1), 1);
  EXPECT_EQ(tokensOfBytes(3), 1);
  EXPECT_EQ(tokensOfBytes(4), 2);
  EXPECT_EQ(inputTokensOf(request()), tokensOfBytes(dumpJson(request()).size()));
}

TEST(Estimate, OutputIsWhatIsAskedForAndNeverMoreThanTheModels) {
  Json body = request();
  EXPECT_EQ(worstCaseOf(body, kSpec).outputTokens, 1000);
  body["max_tokens"] = 50;
  EXPECT_EQ(worstCaseOf(body, kSpec).outputTokens, 50);
  body["n"] = 3;
  EXPECT_EQ(worstCaseOf(body, kSpec).outputTokens, 150);
  body["max_completion_tokens"] = 70;  // the newer name wins
  EXPECT_EQ(outputCapOf(body, kSpec), 70);
  body["max_completion_tokens"] = 1'000'000;
  EXPECT_EQ(outputCapOf(body, kSpec), 1000);
}

TEST(Estimate, APictureIsNotAsCheapAsItsLink) {
  Json body = request();
  body["messages"][0]["content"] = Json::array({{{"type", "image_url"}, {"image_url", {{"url", "http://x/y.png"}}}}});
  EXPECT_GE(inputTokensOf(body), 4096);
}

}  // namespace
}  // namespace agentos::models
