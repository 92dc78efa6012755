// SPDX-License-Identifier: Apache-2.0
// Members of the API's objects as text for people. A member that is absent, null or of another type is the empty text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

namespace agentos::agentctl {

// By path: "exit.code". Lists are joined by commas.
const Json* findField(const Json& value, std::string_view path);
std::string textOf(const Json& value, std::string_view path);
std::optional<std::int64_t> integerOf(const Json& value, std::string_view path);
bool isTrue(const Json& value, std::string_view path);

// At most `limit` bytes, cut between characters, with … for what is left out.
std::string shortened(const std::string& text, std::size_t limit);

std::string usdOf(const Json& value, std::string_view path);   // "$0.0042" of micro-dollars
std::string ageOf(const Json& value, std::string_view path);   // "3m" since that time; "in 5m" until it
std::string timeOf(const Json& value, std::string_view path);  // local: "2026-11-20 14:03:07"
std::string bytesOf(const Json& value, std::string_view path);

// "90s", "5m", "3h", "12d": one unit, rounded down.
std::string shortDuration(Nanoseconds value);
// "10m" before now, or an RFC 3339 time, as the API takes it.
Result<std::string> timeArgument(const std::string& text);
// A duration option: checked here, so that its error names the option.
Result<Nanoseconds> durationArgument(const std::string& option, const std::string& text);

}  // namespace agentos::agentctl
