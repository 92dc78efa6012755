// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <bit>
#include <charconv>

#include "base/text.h"
#include "company/schedule.h"
#include "company/zone.h"

namespace agentos::company {
namespace {

constexpr int kMinutesADay = 24 * 60;
// A 29 February that must be a Monday comes every 28 years, across 2100 after 40: what has not come by then never does.
constexpr int kSearchYears = 41;
// No zone's clock ever went back by more; what lies further back on the first day need not be converted.
constexpr int kLongestOverlap = 180;

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kDays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct FieldRule {
  std::string_view name;
  int low, high;
  std::span<const std::string_view> names;  // names[i] means low + i
};

constexpr FieldRule kMinuteRule{"minute", 0, 59, {}}, kHourRule{"hour", 0, 23, {}}, kDayRule{"day of month", 1, 31, {}},
    kMonthRule{"month", 1, 12, kMonths}, kWeekdayRule{"day of week", 0, 7, kDays};

std::unexpected<Error> refuse(const FieldRule& rule, std::string_view text) {
  return fail(ErrorCode::kInvalidArgument, "cron: '" + std::string(text) + "' is no " + std::string(rule.name),
              "*, numbers from " + std::to_string(rule.low) + " to " + std::to_string(rule.high) +
                  (rule.names.empty() ? "" : " or names") + ", lists, ranges and steps, as in 1-5,*/15");
}

std::optional<int> findNumber(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && text.front() != '-';
  return whole ? std::optional(value) : std::nullopt;
}

std::optional<int> findName(const FieldRule& rule, std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  for (std::size_t i = 0; i < rule.names.size(); ++i) {
    if (rule.names[i] == lowered) return rule.low + static_cast<int>(i);
  }
  return std::nullopt;
}

Result<int> parseValue(const FieldRule& rule, std::string_view text) {
  if (text.empty()) return refuse(rule, text);
  const auto value = findName(rule, text).or_else([&] { return findNumber(text); });
  if (!value || *value < rule.low || *value > rule.high) return refuse(rule, text);
  return *value;
}

Result<int> parseStep(const FieldRule& rule, std::string_view text) {
  const auto step = text.empty() ? std::nullopt : findNumber(text);
  if (!step || *step < 1 || *step > rule.high) return refuse(rule, "/" + std::string(text));
  return *step;
}

// "*", "7", "1-5", each with an optional "/step"; "7/15" means from 7 on, as cron(8)s agree.
Result<std::uint64_t> parseRange(const FieldRule& rule, std::string_view text) {
  const auto slash = text.find('/');
  int step = 1;
  if (slash != std::string_view::npos) {
    AGENTOS_TRY(step, parseStep(rule, text.substr(slash + 1)));
  }
  const auto range = text.substr(0, slash);
  const auto dash = range.find('-');
  int low = rule.low, high = rule.high;
  if (range != "*") {
    AGENTOS_TRY(low, parseValue(rule, range.substr(0, dash)));
    if (slash == std::string_view::npos) high = low;
    if (dash != std::string_view::npos) {
      AGENTOS_TRY(high, parseValue(rule, range.substr(dash + 1)));
    }
  }
  if (low > high) return refuse(rule, text);
  std::uint64_t bits = 0;
  for (int value = low; value <= high; value += step) bits |= std::uint64_t{1} << value;
  return bits;
}

Result<std::uint64_t> parseField(const FieldRule& rule, std::string_view text) {
  std::uint64_t bits = 0;
  for (std::string_view part : split(text, ',')) {
    AGENTOS_TRY(const std::uint64_t more, parseRange(rule, part));
    bits |= more;
  }
  return bits;
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (std::size_t at = text.find_first_not_of(" \t"); at != std::string_view::npos;) {
    const auto end = std::min(text.find_first_of(" \t", at), text.size());
    found.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(" \t", end);
  }
  return found;
}

bool has(std::uint64_t bits, unsigned value) { return (bits >> value & 1) != 0; }

// The first set bit at or above `from`, or -1.
int nextBit(std::uint64_t bits, int from) {
  const std::uint64_t rest = from > 63 ? 0 : bits >> from << from;
  return rest == 0 ? -1 : std::countr_zero(rest);
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  const auto fields = words(text);
  if (fields.size() != 5) {
    return fail(ErrorCode::kInvalidArgument,
                "cron: '" + std::string(text) + "' has " + std::to_string(fields.size()) + " fields",
                "five: minute, hour, day of month, month, day of week, as in \"*/15 7-22 * * mon-fri\"");
  }
  Cron cron;
  AGENTOS_TRY(cron.minutes_, parseField(kMinuteRule, fields[0]));
  AGENTOS_TRY(const auto hours, parseField(kHourRule, fields[1]));
  AGENTOS_TRY(const auto days, parseField(kDayRule, fields[2]));
  AGENTOS_TRY(const auto months, parseField(kMonthRule, fields[3]));
  AGENTOS_TRY(const auto weekdays, parseField(kWeekdayRule, fields[4]));
  cron.hours_ = static_cast<std::uint32_t>(hours);
  cron.days_ = static_cast<std::uint32_t>(days);
  cron.months_ = static_cast<std::uint16_t>(months);
  cron.weekdays_ = static_cast<std::uint8_t>((weekdays | weekdays >> 7) & 0x7f);  // 7 is Sunday too
  cron.anyDay_ = fields[2].starts_with('*');  // crontab(5): a field that begins with * does not restrict
  cron.anyWeekday_ = fields[4].starts_with('*');
  return cron;
}

bool Cron::fitsDay(std::chrono::year_month_day day) const {
  const bool byDay = has(days_, static_cast<unsigned>(day.day()));
  const bool byWeekday = has(weekdays_, std::chrono::weekday(std::chrono::sys_days(day)).c_encoding());
  return anyDay_ || anyWeekday_ ? byDay && byWeekday : byDay || byWeekday;
}

int Cron::nextMinute(int from) const {
  for (int hour = nextBit(hours_, from / 60); hour >= 0; hour = nextBit(hours_, hour + 1)) {
    const int minute = nextBit(minutes_, hour == from / 60 ? from % 60 : 0);
    if (minute >= 0) return hour * 60 + minute;
  }
  return -1;
}

std::optional<Timestamp> Cron::next(Timestamp after, const std::string& zoneName) const {
  const auto zone = Zone::find(zoneName);
  if (!zone) return std::nullopt;
  const LocalMinute start = zone->local(after);
  auto day = std::chrono::sys_days(start.day);
  const auto last = day + std::chrono::years(kSearchYears);
  for (int from = std::max(0, start.minute - kLongestOverlap); day < last; from = 0) {
    const std::chrono::year_month_day date(day);
    if (!has(months_, static_cast<unsigned>(date.month()))) {
      day = std::chrono::sys_days((date.year() / date.month() + std::chrono::months(1)) / 1);
      continue;
    }
    for (int minute = fitsDay(date) ? nextMinute(from) : -1; minute >= 0 && minute < kMinutesADay;
         minute = nextMinute(minute + 1)) {
      const Timestamp moment = zone->moment({date, minute});
      if (moment > after) return moment;
    }
    day += std::chrono::days(1);
  }
  return std::nullopt;
}

}  // namespace agentos::company
