// SPDX-License-Identifier: Apache-2.0
// When an agent is due. Pure: the same clock, contract and history give the same answer.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace agentos::company {

// Five fields, local time. The field grammar of crontab(5): lists, ranges, steps, names of months and days; day of month
// and day of week both restricted means either.
class Cron {
 public:
  static Result<Cron> parse(std::string_view text);
  // The first moment after `after` that fits. A local time that a daylight-saving change skips runs at the moment of the
  // change; one that comes twice runs once, the first time.
  std::optional<Timestamp> next(Timestamp after, const std::string& zone) const;

 private:
  std::uint64_t minutes_ = 0;
  std::uint32_t hours_ = 0, days_ = 0;
  std::uint16_t months_ = 0;
  std::uint8_t weekdays_ = 0;
  bool anyDay_ = true, anyWeekday_ = true;
};

}  // namespace agentos::company
