// SPDX-License-Identifier: Apache-2.0
#include "models/estimate.h"

#include <algorithm>

#include "models/json_read.h"

namespace agentos::models {
namespace {

constexpr std::int64_t kTokensOfOpaquePart = 4096;

std::int64_t opaqueParts(const Json& body) {
  const Json* messages = member(body, "messages");
  if (!messages || !messages->is_array()) return 0;
  std::int64_t parts = 0;
  for (const Json& message : *messages) {
    const Json* content = member(message, "content");
    if (!content || !content->is_array()) continue;
    parts += std::ranges::count_if(*content, [](const Json& part) { return textAt(part, "type") != "text"; });
  }
  return parts;
}

}  // namespace

std::int64_t tokensOfBytes(std::size_t bytes) { return static_cast<std::int64_t>((bytes + 2) / 3); }

std::int64_t inputTokensOf(const Json& body) { return inputTokensOf(body, dumpJson(body).size()); }

std::int64_t inputTokensOf(const Json& body, std::size_t bytes) {
  return tokensOfBytes(bytes) + kTokensOfOpaquePart * opaqueParts(body);
}

std::int64_t outputCapOf(const Json& body, const ModelSpec& spec) {
  const auto asked = intAt(body, "max_completion_tokens");
  return std::clamp<std::int64_t>((asked ? asked : intAt(body, "max_tokens")).value_or(spec.maxOutputTokens), 1,
                                  std::max<std::int64_t>(spec.maxOutputTokens, 1));
}

Usage worstCaseOf(const Json& body, const ModelSpec& spec) { return worstCaseOf(body, spec, inputTokensOf(body)); }

Usage worstCaseOf(const Json& body, const ModelSpec& spec, std::int64_t inputTokens) {
  return {inputTokens, intAt(body, "n").value_or(1) * outputCapOf(body, spec), 0};
}

}  // namespace agentos::models
