// SPDX-License-Identifier: Apache-2.0
#include "company/zone.h"

#include <date/tz.h>

namespace agentos::company {
namespace {

const date::time_zone& zoneOf(const void* zone) { return *static_cast<const date::time_zone*>(zone); }

std::int64_t daysOf(std::chrono::year_month_day day) { return std::chrono::sys_days(day).time_since_epoch().count(); }

}  // namespace

Result<Zone> Zone::find(const std::string& name) {
  try {
    return Zone(date::locate_zone(name));
  } catch (const std::exception&) {
    return fail(ErrorCode::kInvalidArgument, "unknown time zone '" + name + "'",
                "an IANA name such as Europe/Berlin or UTC");
  }
}

LocalMinute Zone::local(Timestamp time) const {
  const auto utc = std::chrono::floor<std::chrono::seconds>(time);
  const auto local = utc.time_since_epoch() + zoneOf(zone_).get_info(utc).offset;
  const auto days = std::chrono::floor<std::chrono::days>(local);
  return {std::chrono::year_month_day(std::chrono::sys_days(days)),
          static_cast<int>(std::chrono::floor<std::chrono::minutes>(local - days).count())};
}

Timestamp Zone::moment(const LocalMinute& local) const {
  const date::local_seconds at{std::chrono::seconds((daysOf(local.day) * 24 * 60 + local.minute) * 60)};
  const auto info = zoneOf(zone_).get_info(at);
  if (info.result == date::local_info::nonexistent) return info.first.end;
  return Timestamp(at.time_since_epoch() - info.first.offset);
}

}  // namespace agentos::company
