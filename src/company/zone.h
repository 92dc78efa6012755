// SPDX-License-Identifier: Apache-2.0
// Local time in a zone, with one rule for the two nights a year when it is not plain: a local time that a change skips
// means the moment of the change, one that comes twice means the first.
#pragma once

#include <chrono>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace agentos::company {

// A day of the local calendar and the minutes since its midnight.
struct LocalMinute {
  std::chrono::year_month_day day;
  int minute = 0;
};

class Zone {
 public:
  // kInvalidArgument for a name that the machine's zone files do not have.
  static Result<Zone> find(const std::string& name);

  LocalMinute local(Timestamp time) const;
  Timestamp moment(const LocalMinute& local) const;  // minute may be 1440 and more

 private:
  explicit Zone(const void* zone) : zone_(zone) {}
  const void* zone_;  // date::time_zone: lives as long as the process
};

}  // namespace agentos::company
