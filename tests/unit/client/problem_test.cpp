// SPDX-License-Identifier: Apache-2.0
#include "client/problem.h"

#include <gtest/gtest.h>

namespace agentos::client {
namespace {

constexpr std::string_view kType = "application/problem+json";

TEST(ProblemTest, EveryCodeOfTheTableComesBack) {
  for (const auto& info : allErrorCodes()) {
    auto error = errorOf(info.httpStatus, kType,
                         R"({"type":"urn:agentos:error:)" + std::string(info.name) + R"(","detail":"d","remedy":"r"})");
    EXPECT_EQ(error.code, info.code) << info.name;
    EXPECT_EQ(error.message(), "d; r");
  }
}

TEST(ProblemTest, AnUnknownTypeIsJudgedByItsStatus) {
  EXPECT_EQ(errorOf(403, kType, R"({"type":"urn:agentos:error:of.a.later.version","title":"T"})").code,
            ErrorCode::kDenied);
  EXPECT_EQ(errorOf(404, kType, R"({"type":"about:blank","title":"T"})").what, "T");
  EXPECT_EQ(errorOf(507, "text/plain", "x").code, ErrorCode::kDiskFull);
}

TEST(ProblemTest, AllFaultsAreTold) {
  auto error = errorOf(
      422, kType,
      R"({"type":"urn:agentos:error:contract.type","detail":"not valid","errors":[{"message":"a.yaml:1:2: x"},"b"]})");
  EXPECT_EQ(error.code, ErrorCode::kContractType);
  EXPECT_EQ(error.what, "not valid\na.yaml:1:2: x\nb");
}

TEST(ProblemTest, WhatIsNoProblemDocumentIsToldAsItIs) {
  EXPECT_EQ(errorOf(500, "text/html", "<h1>oops</h1>").what, "the daemon answered 500: <h1>oops</h1>");
  EXPECT_EQ(errorOf(500, kType, "{broken").what, "the daemon answered 500: {broken");
  EXPECT_EQ(errorOf(500, kType, "[]").code, ErrorCode::kInternal);
}

}  // namespace
}  // namespace agentos::client
