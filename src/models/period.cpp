// SPDX-License-Identifier: Apache-2.0
#include "models/period.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <chrono>

namespace agentos::models {
namespace {

using std::chrono::sys_days;
using std::chrono::year_month_day;

int digits(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Result<year_month_day> parseDate(std::string_view date) {
  if (date.size() != 10 || date[4] != '-' || date[7] != '-')
    return fail(ErrorCode::kInvalidArgument, "date '" + std::string(date) + "'", "write it YYYY-MM-DD");
  const year_month_day ymd{std::chrono::year(digits(date.substr(0, 4))),
                           std::chrono::month(static_cast<unsigned>(digits(date.substr(5, 2)))),
                           std::chrono::day(static_cast<unsigned>(digits(date.substr(8, 2))))};
  if (!ymd.ok())
    return fail(ErrorCode::kInvalidArgument, "date '" + std::string(date) + "'", "name a day of the calendar");
  return ymd;
}

std::string formatDate(year_month_day ymd) {
  return fmt::format("{:04}-{:02}-{:02}", int(ymd.year()), unsigned(ymd.month()), unsigned(ymd.day()));
}

year_month_day firstDay(Period period, year_month_day day) {
  if (period == Period::kMonth) return {day.year() / day.month() / 1};
  if (period == Period::kDay) return day;
  const std::chrono::weekday weekday{sys_days(day)};
  return sys_days(day) - (weekday - std::chrono::Monday);
}

year_month_day nextFirstDay(Period period, year_month_day first) {
  if (period == Period::kMonth) return first + std::chrono::months(1);
  return sys_days(first) + std::chrono::days(period == Period::kWeek ? 7 : 1);
}

}  // namespace

Result<std::string> firstDayOf(Period period, std::string_view date) {
  AGENTOS_TRY(const year_month_day day, parseDate(date));
  return formatDate(firstDay(period, day));
}

// The zone's rules are not asked for the offset at a local midnight that may not exist or exist twice: the first second
// that carries the wanted date is searched for instead.
Result<std::string> endOf(Period period, Timestamp now, std::string_view zone) {
  AGENTOS_TRY(const std::string today, localDate(now, zone));
  AGENTOS_TRY(const year_month_day day, parseDate(today));
  const year_month_day next = nextFirstDay(period, firstDay(period, day));
  const std::string wanted = formatDate(next);
  auto before = std::chrono::sys_seconds(sys_days(next)) - std::chrono::hours(28);
  auto after = before + std::chrono::hours(56);
  while (after - before > std::chrono::seconds(1)) {
    const auto middle = before + (after - before) / 2;
    AGENTOS_TRY(const std::string date, localDate(Timestamp(middle), zone));
    (date < wanted ? before : after) = middle;
  }
  return formatLocal(Timestamp(after), zone);
}

}  // namespace agentos::models
