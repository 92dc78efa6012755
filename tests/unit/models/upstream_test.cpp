// SPDX-License-Identifier: Apache-2.0
#include "models/upstream.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace agentos::models {
namespace {

TEST(Upstream, TheStatusAndTheWaitCanBeReadBack) {
  const Error error = failUpstream("local", 429, "slow down", std::chrono::seconds(7)).error();
  EXPECT_EQ(error.what, "local answered 429: slow down");
  EXPECT_EQ(upstreamStatus(error), 429);
  EXPECT_EQ(upstreamRetryAfter(error), std::chrono::seconds(7));
  EXPECT_EQ(upstreamRetryAfter(failUpstream("local", 500, "x").error()), std::nullopt);
  EXPECT_EQ(upstreamStatus(fail(ErrorCode::kTimedOut, "it answered 500").error()), std::nullopt);
}

TEST(Upstream, TextFromOutsideIsMadeHarmless) {
  EXPECT_EQ(cleanText("a\nb\x1b[31mc", 100), "a b [31mc");
  EXPECT_EQ(cleanText("bad \xff\xfe", 100), "bad ??");
  EXPECT_EQ(cleanText("häää", 3), "hä…");
  EXPECT_EQ(cleanText("häää", 2), "h…");
  EXPECT_TRUE(isValidUtf8(failUpstream("local", 500, std::string(5000, '\xc3')).error().what));
  EXPECT_LT(failUpstream("local", 500, std::string(1 << 20, 'x')).error().what.size(), 2200U);
}

}  // namespace
}  // namespace agentos::models
