// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>

namespace agentos {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr std::array kSizes = {
    Unit{"", 1},
    Unit{"B", 1},
    Unit{"kB", 1'000},
    Unit{"KB", 1'000},
    Unit{"MB", 1'000'000},
    Unit{"GB", 1'000'000'000},
    Unit{"TB", 1'000'000'000'000},
    Unit{"KiB", 1LL << 10},
    Unit{"MiB", 1LL << 20},
    Unit{"GiB", 1LL << 30},
    Unit{"TiB", 1LL << 40},
};
// Largest first: formatDuration takes them in this order.
constexpr std::array kTimes = {
    Unit{"d", 86'400'000'000'000},
    Unit{"h", 3'600'000'000'000},
    Unit{"m", 60'000'000'000},
    Unit{"s", 1'000'000'000},
    Unit{"ms", 1'000'000},
    Unit{"us", 1'000},
    Unit{"ns", 1},
};

bool isDigit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::int64_t> times(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// A decimal number at the front of `text`, as an exact multiple of 1/scale (a power of ten): "0.5" at scale 1000 is
// 500. Empty when there is no number, it is too large, or it has more decimals than the scale keeps.
std::optional<std::int64_t> takeDecimal(std::string_view& text, std::int64_t scale) {
  std::int64_t value = 0;
  bool digits = false;
  for (; !text.empty() && isDigit(text.front()); text.remove_prefix(1)) {
    auto shifted = times(value, 10);
    if (!shifted || *shifted > kMax - (text.front() - '0')) return std::nullopt;
    value = *shifted + (text.front() - '0');
    digits = true;
  }
  auto scaled = times(value, scale);
  if (!digits || !scaled) return std::nullopt;
  value = *scaled;
  if (text.empty() || text.front() != '.') return value;
  text.remove_prefix(1);
  if (text.empty() || !isDigit(text.front())) return std::nullopt;
  for (; !text.empty() && isDigit(text.front()); text.remove_prefix(1)) {
    scale /= 10;
    if (scale == 0 && text.front() != '0') return std::nullopt;
    std::int64_t part = (text.front() - '0') * scale;
    if (value > kMax - part) return std::nullopt;
    value += part;
  }
  return value;
}

std::unexpected<Error> bad(std::string_view kind, std::string_view text, std::string_view right) {
  return fail(ErrorCode::kUnit, "'" + std::string(text) + "' is no " + std::string(kind), std::string(right));
}

}  // namespace

Result<Bytes> parseBytes(std::string_view text) {
  constexpr std::string_view kRight = "a number with a unit: 4GiB (2^30), 512MiB, 4GB (10^9), 1.5GiB";
  constexpr std::int64_t kScale = 1000;
  std::string_view rest = text;
  auto value = takeDecimal(rest, kScale);
  auto unit = std::ranges::find(kSizes, rest, &Unit::name);
  if (!value || unit == kSizes.end()) return bad("size", text, kRight);
  // A fraction must come out as whole bytes: 1.5GiB does, 0.3KiB does not.
  __extension__ typedef __int128 Wide;
  Wide product = static_cast<Wide>(*value) * unit->factor;
  if (product % kScale != 0 || product / kScale > kMax) return bad("size", text, kRight);
  return Bytes{static_cast<std::uint64_t>(product / kScale)};
}

Result<MilliCpu> parseCpu(std::string_view text) {
  constexpr std::string_view kRight = "a number of cores: 2, 0.5, or thousandths of one: 250m";
  std::string_view rest = text;
  auto cores = takeDecimal(rest, 1000);
  if (cores && rest.empty()) return MilliCpu{*cores};
  rest = text;
  auto milli = takeDecimal(rest, 1);
  if (milli && rest == "m") return MilliCpu{*milli};
  return bad("amount of CPU", text, kRight);
}

Result<Nanoseconds> parseDuration(std::string_view text) {
  constexpr std::string_view kRight = "numbers with units: 15m, 1h30m, 250ms, 10s, 1d";
  std::string_view rest = text;
  std::int64_t total = 0;
  if (rest.empty()) return bad("duration", text, kRight);
  while (!rest.empty()) {
    auto value = takeDecimal(rest, 1);
    std::size_t letters = 0;
    while (letters < rest.size() && !isDigit(rest[letters])) ++letters;
    auto unit = std::ranges::find(kTimes, rest.substr(0, letters), &Unit::name);
    if (!value || unit == kTimes.end()) return bad("duration", text, kRight);
    auto part = times(*value, unit->factor);
    if (!part || total > kMax - *part) return bad("duration", text, "a shorter time: at most 292 years fit");
    total += *part;
    rest.remove_prefix(letters);
  }
  return Nanoseconds(total);
}

Result<MicroUsd> parseUsd(std::string_view text) {
  std::string_view rest = text;
  auto value = takeDecimal(rest, 1'000'000);
  if (value && rest.empty()) return MicroUsd{*value};
  return bad("amount of money", text, "US dollars with at most six decimals: 2.00, 0.000120");
}

std::string formatBytes(Bytes value) {
  constexpr std::array<std::string_view, 5> kNames = {"", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  std::uint64_t count = value.count;
  while (count != 0 && count % 1024 == 0 && unit + 1 < kNames.size()) count /= 1024, ++unit;
  return std::to_string(count) + std::string(kNames[unit]);
}

std::string formatCpu(MilliCpu value) {
  std::string text = std::to_string(value.count / 1000);
  std::int64_t rest = value.count % 1000;
  if (rest == 0) return text;
  std::string digits = std::to_string(1000 + rest).substr(1);
  while (digits.back() == '0') digits.pop_back();
  return text + "." + digits;
}

std::string formatDuration(Nanoseconds value) {
  std::int64_t left = value.count();
  if (left == 0) return "0s";
  std::string text = left < 0 ? "-" : "";
  for (const Unit& unit : kTimes) {
    std::int64_t count = std::abs(left / unit.factor);
    if (count != 0) text += std::to_string(count) + std::string(unit.name);
    left %= unit.factor;
  }
  return text;
}

std::string formatUsd(MicroUsd value) {
  std::uint64_t magnitude =
      value.count < 0 ? 0 - static_cast<std::uint64_t>(value.count) : static_cast<std::uint64_t>(value.count);
  std::string decimals = std::to_string(1'000'000 + magnitude % 1'000'000).substr(1);
  if (decimals.ends_with("0000")) decimals.resize(2);
  return (value.count < 0 ? "-" : "") + std::to_string(magnitude / 1'000'000) + "." + decimals;
}

}  // namespace agentos
