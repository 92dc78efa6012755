// SPDX-License-Identifier: Apache-2.0
// JSON Schema 2020-12 (json-schema.org), as much as our own schema uses; any other keyword is a failure, so that the
// schema cannot grow past what is checked here.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace agentos::contract {

// What is invalid, each with its place; empty when the instance is valid. Throws std::logic_error on an unknown
// keyword.
std::vector<std::string> validate(const Json& schema, const Json& instance, const std::string& at = "");

}  // namespace agentos::contract
