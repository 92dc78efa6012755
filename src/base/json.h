// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace agentos {

using Json = nlohmann::json;

// Strict JSON: one document, no comments, valid UTF-8, no duplicate keys, at most maxDepth deep.
Result<Json> parseJson(std::string_view text, std::size_t maxDepth = 64);

// The bytes that are hashed: keys sorted by code unit, no white space, shortest escapes, integers as they are (RFC 8785
// restricted to what we write: no floating point; a float is kInvalidArgument).
Result<std::string> canonicalJson(const Json& value);

// Never throws: invalid UTF-8 is replaced.
std::string dumpJson(const Json& value);

}  // namespace agentos
