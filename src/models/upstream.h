// SPDX-License-Identifier: Apache-2.0
// The error of a model endpoint that answered with a failure, and what can be read back from it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace agentos::models {

// kModelUpstream: "<endpoint> answered <status>: <text>". The text is made valid UTF-8, one line, at most 2 KiB.
std::unexpected<Error> failUpstream(std::string_view endpoint, int status, std::string_view text,
                                    std::optional<std::chrono::seconds> retryAfter = std::nullopt);

// The HTTP status in such an error; none for every other error.
std::optional<int> upstreamStatus(const Error& error);
std::optional<std::chrono::seconds> upstreamRetryAfter(const Error& error);

// Text from outside, fit for a message: valid UTF-8, control characters as spaces, cut at maxBytes.
std::string cleanText(std::string_view text, std::size_t maxBytes);

}  // namespace agentos::models
