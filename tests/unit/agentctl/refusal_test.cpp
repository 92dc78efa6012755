// SPDX-License-Identifier: Apache-2.0
#include "agentctl/refusal.h"

#include <gtest/gtest.h>

#include "contract/admission.h"
#include "contract/loader.h"

namespace agentos::agentctl {
namespace {

// The real refusal of the real admission, so that the two cannot part.
TEST(Refusal, GivesEveryDemandItsOwnLine) {
  auto contract = contract::loadContract(
      "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\ncompute: { gpu_mem: 8GiB, mem: 1GiB }\n",
      "maker.yaml");
  ASSERT_TRUE(contract.has_value());
  const auto table = contract::admit(*contract, contract::Machine{});
  const std::string text = describeError(contract::refusalOf(*contract, table));
  std::size_t unmet = 0;
  for (const auto& row : table.rows) {
    if (row.verdict != contract::AdmissionVerdict::kUnmet) continue;
    ++unmet;
    EXPECT_NE(text.find("\n  " + row.path + " (" + row.demand + "): " + row.why), std::string::npos) << text;
    EXPECT_NE(text.find("\n      needs: " + row.remedy), std::string::npos) << text;
  }
  EXPECT_GE(unmet, 2U);
  EXPECT_TRUE(text.starts_with("the contract of maker cannot be met:\n")) << text;
}

TEST(Refusal, LeavesOtherErrorsAsTheyAre) {
  const Error other{ErrorCode::kNotFound, "x cannot be met: a; b", "c", 0, {}};
  EXPECT_EQ(describeError(other), other.message());
  const Error odd{ErrorCode::kContractUnmet, "x cannot be met: a; b", "c", 0, {}};
  EXPECT_EQ(describeError(odd), odd.message());
}

}  // namespace
}  // namespace agentos::agentctl
