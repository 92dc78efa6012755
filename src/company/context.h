// SPDX-License-Identifier: Apache-2.0
// /context/prompt.md: what one cycle is told, composed in a fixed order and within limits (docs/company.md).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "company/layout.h"
#include "company/task.h"

namespace agentos::company {

struct ContextInput {
  AgentName agent;
  std::string role;
  std::optional<Task> task;
  std::int64_t soulTokens = 500, workingTokens = 2000, maxTokens = 32000;
};
struct Context {
  std::string text;
  std::vector<std::string> cut;  // layers that did not fit, as the text itself names them
};
// Deterministic for given files and time. Missing files are empty layers. A token is counted as four bytes.
Result<Context> composeContext(const Company& company, const ContextInput& input, Timestamp now);

}  // namespace agentos::company
