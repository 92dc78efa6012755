// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace agentos {

bool isValidUtf8(std::string_view bytes);
std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);

// The candidate that a person probably meant: edit distance (with transpositions) at most a third of the word, nearest
// first.
std::optional<std::string> didYouMean(std::string_view word, std::span<const std::string_view> candidates);

// Shell-style pattern with * and ? over the whole name: "local/*", "helper-?".
bool matchesPattern(std::string_view pattern, std::string_view name);

}  // namespace agentos
