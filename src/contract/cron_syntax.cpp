// SPDX-License-Identifier: Apache-2.0
#include "contract/cron_syntax.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/text.h"
#include "contract/shape.h"

namespace agentos::contract {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kDays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct CronField {
  std::string_view name;
  unsigned low, high;
  std::span<const std::string_view> names;  // of low, low + 1, …
};
constexpr std::array kFields = {CronField{"minute", 0, 59, {}}, CronField{"hour", 0, 23, {}},
                                CronField{"day of month", 1, 31, {}}, CronField{"month", 1, 12, kMonths},
                                CronField{"day of week", 0, 7, kDays}};

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  while (!(text = trim(text)).empty()) {
    const auto end = std::min(text.find_first_of(" \t"), text.size());
    found.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return found;
}

std::optional<unsigned> numberOf(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  unsigned value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value;
}

std::optional<unsigned> valueOf(const CronField& field, std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const auto named = std::ranges::find(field.names, lowered);
  if (named != field.names.end()) return field.low + static_cast<unsigned>(named - field.names.begin());
  const auto number = numberOf(text);
  return number && *number >= field.low && *number <= field.high ? number : std::nullopt;
}

// The values of one item ("*", "5", "1-5", "*/15", "mon-fri/2", "7/15": from 7 on) as bits; nothing when it is
// malformed.
std::optional<std::uint64_t> bitsOf(const CronField& field, std::string_view item) {
  const auto slash = item.find('/');
  const auto range = item.substr(0, slash);
  const auto dash = range.find('-');
  const bool stepped = slash != std::string_view::npos, single = range != "*" && dash == std::string_view::npos;
  const auto step = stepped ? numberOf(item.substr(slash + 1)) : std::optional(1U);
  const auto first = range == "*" ? std::optional(field.low) : valueOf(field, range.substr(0, dash));
  const bool toTheEnd = range == "*" || (stepped && single);
  const auto last = toTheEnd ? std::optional(field.high) : single ? first : valueOf(field, range.substr(dash + 1));
  if (!step || *step == 0 || *step > field.high || !first || !last || *first > *last) return std::nullopt;
  std::uint64_t bits = 0;
  for (unsigned value = *first; value <= *last; value += *step) bits |= std::uint64_t{1} << value;
  return bits;
}

// With the day of week free, some month must have one of the days.
bool canFallDue(std::uint64_t days, std::uint64_t months) {
  constexpr std::array<unsigned, 12> kLongest = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (unsigned month = 1; month <= 12; ++month) {
    const std::uint64_t inMonth = (std::uint64_t{1} << (kLongest.at(month - 1) + 1)) - 1;
    if ((months >> month & 1) != 0 && (days & inMonth) != 0) return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> cronProblem(std::string_view text) {
  const auto fields = words(text);
  if (fields.size() != kFields.size()) {
    return quoted(text) + " has " + std::to_string(fields.size()) + " fields, not five";
  }
  std::array<std::uint64_t, kFields.size()> bits{};
  for (std::size_t at = 0; at < kFields.size(); ++at) {
    for (std::string_view item : split(fields[at], ',')) {
      const auto found = bitsOf(kFields.at(at), item);
      if (!found) return quoted(item) + " is no " + std::string(kFields.at(at).name);
      bits.at(at) |= *found;
    }
  }
  if (fields[4] == "*" && !canFallDue(bits[2], bits[3])) return "no year has that day of that month";
  return std::nullopt;
}

}  // namespace agentos::contract
