// SPDX-License-Identifier: Apache-2.0
// Calendar days, weeks (from Monday) and months of a zone, for caps that start again with them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace agentos::models {

enum class Period : std::uint8_t { kRun, kDay, kWeek, kMonth };

// The local date ("YYYY-MM-DD") on which the period that holds `date` began; kRun has none.
Result<std::string> firstDayOf(Period period, std::string_view date);

// The moment the period that holds `now` ends, as a local RFC 3339 time: "2026-11-21T00:00:00+01:00".
Result<std::string> endOf(Period period, Timestamp now, std::string_view zone);

}  // namespace agentos::models
