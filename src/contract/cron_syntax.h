// SPDX-License-Identifier: Apache-2.0
// The five fields of crontab(5), checked as text; company/schedule.h computes times with them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace agentos::contract {

// What is wrong with the expression, or nothing. Lists, ranges, steps, names of months and days; an expression that
// can never be true (30 February) is wrong too.
std::optional<std::string> cronProblem(std::string_view text);

}  // namespace agentos::contract
