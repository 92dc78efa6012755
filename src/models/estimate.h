// SPDX-License-Identifier: Apache-2.0
// Tokens, when nobody counted them: three bytes are one, which for English text and JSON is more than any tokenizer in
// use makes of it. The same rule reserves and settles, so an estimated settlement never exceeds its reservation.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "models/driver.h"
#include "models/registry.h"

namespace agentos::models {

std::int64_t tokensOfBytes(std::size_t bytes);

// The input of a request: every byte of its JSON, and 4,096 for each part that is not text (a picture behind a link).
std::int64_t inputTokensOf(const Json& body);
std::int64_t inputTokensOf(const Json& body, std::size_t bytes);  // its bytes were counted before

// What the call may use at most. Output: n × the tokens it asks for, at most the model's; the model's when it asks for
// none.
Usage worstCaseOf(const Json& body, const ModelSpec& spec);
Usage worstCaseOf(const Json& body, const ModelSpec& spec, std::int64_t inputTokens);

// The tokens it may write a choice, which is what the endpoint must be told.
std::int64_t outputCapOf(const Json& body, const ModelSpec& spec);

}  // namespace agentos::models
