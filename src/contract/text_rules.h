// SPDX-License-Identifier: Apache-2.0
// What the texts of a contract may look like. A rule has two faces that must agree, the function that the loader calls
// and the pattern that the JSON Schema publishes; the shared corpus of contracts tests that they do.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace agentos::contract {

struct TextRule {
  std::string_view says;     // what would be right: "a name of a-z, 0-9, …"
  std::string_view pattern;  // ECMA 262, for the JSON Schema; may accept more than `problem`, never less
  std::size_t maxLength;     // in characters
  std::optional<std::string> (*problem)(std::string_view text);  // what is wrong, or nothing
};

extern const TextRule kAgentNameRule, kNamePatternRule, kToolRule, kModelRule, kLabelRule, kLineRule, kFreeTextRule,
    kSecretRule, kEgressRule, kHttpRule, kCronRule, kHoursRule, kBackoffRule, kStatePathRule, kMountSourceRule,
    kMountTargetRule, kEnvNameRule, kEgressHostRule, kMethodRule, kUrlPathRule, kRangeRule;

}  // namespace agentos::contract
