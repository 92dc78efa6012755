// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <date/tz.h>

#include <array>
#include <charconv>
#include <ctime>
#include <exception>
#include <optional>

#include "base/files.h"

namespace agentos {
namespace {

Nanoseconds readClock(clockid_t id) {
  timespec time{};
  ::clock_gettime(id, &time);
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

struct Civil {
  int year = 0;
  unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0;
};

Civil civilOf(Nanoseconds sinceEpoch) {
  auto days = date::floor<date::days>(sinceEpoch);
  date::year_month_day ymd{date::sys_days(days)};
  auto seconds = static_cast<unsigned>(date::floor<std::chrono::seconds>(sinceEpoch - days).count());
  return {int(ymd.year()),
          static_cast<unsigned>(ymd.month()),
          static_cast<unsigned>(ymd.day()),
          seconds / 3600,
          seconds / 60 % 60,
          seconds % 60};
}

std::string format(const char* pattern, auto... values) {
  std::array<char, 64> buffer{};
  int length = std::snprintf(buffer.data(), buffer.size(), pattern, values...);
  return {buffer.data(), static_cast<std::size_t>(length)};
}

Result<std::chrono::seconds> offsetAt(Timestamp time, std::string_view zone) {
  try {
    auto at = std::chrono::floor<std::chrono::seconds>(time);
    return date::locate_zone(std::string(zone))->get_info(at).offset;
  } catch (const std::exception&) {
    return fail(ErrorCode::kInvalidArgument, "unknown time zone '" + std::string(zone) + "'",
                "an IANA name such as Europe/Berlin or UTC");
  }
}

// Takes exactly `digits` digits off the front.
bool takeNumber(std::string_view& text, std::size_t digits, unsigned& value) {
  if (text.size() < digits) return false;
  const char* last = text.data() + digits;
  // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): the end is given
  auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc() || end != last || text[0] == '-') return false;
  text.remove_prefix(digits);
  return true;
}

bool takeAny(std::string_view& text, std::string_view allowed) {
  if (text.empty() || allowed.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

bool takeFraction(std::string_view& text, Nanoseconds& fraction) {
  std::int64_t unit = 100'000'000;
  std::size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits, unit /= 10) {
    fraction += Nanoseconds((text.front() - '0') * unit);
  }
  return digits > 0;
}

bool takeOffset(std::string_view& text, std::chrono::seconds& offset) {
  if (text.empty() || takeAny(text, "Zz")) return true;
  bool west = text.front() == '-';
  unsigned hours = 0, minutes = 0;
  if (!takeAny(text, "+-") || !takeNumber(text, 2, hours)) return false;
  takeAny(text, ":");
  if (!takeNumber(text, 2, minutes) || hours > 23 || minutes > 59) return false;
  offset = std::chrono::hours(hours) + std::chrono::minutes(minutes);
  if (west) offset = -offset;
  return true;
}

bool takeTimeOfDay(std::string_view& text, Nanoseconds& time) {
  unsigned hour = 0, minute = 0, second = 0;
  if (!takeNumber(text, 2, hour) || !takeAny(text, ":") || !takeNumber(text, 2, minute)) return false;
  if (takeAny(text, ":") && !takeNumber(text, 2, second)) return false;
  if (hour > 23 || minute > 59 || second > 60) return false;
  time = std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
  return !takeAny(text, ".") || takeFraction(text, time);
}

std::optional<Timestamp> readTimestamp(std::string_view text) {
  unsigned year = 0, month = 0, day = 0;
  if (!takeNumber(text, 4, year) || !takeAny(text, "-") || !takeNumber(text, 2, month) || !takeAny(text, "-") ||
      !takeNumber(text, 2, day)) {
    return std::nullopt;
  }
  // A 64-bit count of nanoseconds reaches from 1678 to 2262.
  date::year_month_day ymd{date::year(static_cast<int>(year)), date::month(month), date::day(day)};
  if (!ymd.ok() || year < 1700 || year > 2200) return std::nullopt;
  Nanoseconds time{0};
  std::chrono::seconds offset{0};
  if (takeAny(text, "Tt ")) {
    if (!takeTimeOfDay(text, time) || !takeOffset(text, offset)) return std::nullopt;
  }
  if (!text.empty()) return std::nullopt;
  return Timestamp(date::sys_days(ymd).time_since_epoch() + time - offset);
}

}  // namespace

Timestamp SystemClock::now() const { return Timestamp(readClock(CLOCK_REALTIME)); }
BootTime SystemClock::bootNow() const { return BootTime(readClock(CLOCK_BOOTTIME)); }

std::string formatUtc(Timestamp time) {
  Civil at = civilOf(time.time_since_epoch());
  auto milliseconds = date::floor<std::chrono::milliseconds>(time.time_since_epoch()).count() % 1000;
  if (milliseconds < 0) milliseconds += 1000;
  return format("%04d-%02u-%02uT%02u:%02u:%02u.%03dZ", at.year, at.month, at.day, at.hour, at.minute, at.second,
                static_cast<int>(milliseconds));
}

Result<std::string> formatLocal(Timestamp time, std::string_view zone) {
  AGENTOS_TRY(auto offset, offsetAt(time, zone));
  Civil at = civilOf(time.time_since_epoch() + offset);
  auto minutes = offset.count() / 60;
  return format("%04d-%02u-%02uT%02u:%02u:%02u%c%02d:%02d", at.year, at.month, at.day, at.hour, at.minute, at.second,
                minutes < 0 ? '-' : '+', static_cast<int>(std::abs(minutes) / 60),
                static_cast<int>(std::abs(minutes) % 60));
}

Result<std::string> localDate(Timestamp time, std::string_view zone) {
  AGENTOS_TRY(auto offset, offsetAt(time, zone));
  Civil at = civilOf(time.time_since_epoch() + offset);
  return format("%04d-%02u-%02u", at.year, at.month, at.day);
}

Result<Timestamp> parseTimestamp(std::string_view text) {
  if (auto time = readTimestamp(text)) return *time;
  return fail(ErrorCode::kInvalidArgument, "'" + std::string(text) + "' is no time",
              "RFC 3339, such as 2026-11-20T14:03:07Z or 2026-11-20T15:03:07+01:00");
}

Result<std::string> bootId() {
  AGENTOS_TRY(std::string id, readPath("/proc/sys/kernel/random/boot_id", 64));
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace agentos
