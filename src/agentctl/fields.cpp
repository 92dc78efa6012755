// SPDX-License-Identifier: Apache-2.0
#include "agentctl/fields.h"

#include <spdlog/fmt/fmt.h>

#include <ctime>

#include "base/units.h"

namespace agentos::agentctl {
namespace {

using std::chrono::seconds;

std::optional<Timestamp> findTime(const Json& value, std::string_view path) {
  auto time = parseTimestamp(textOf(value, path));
  if (!time) return std::nullopt;
  return *time;
}

}  // namespace

const Json* findField(const Json& value, std::string_view path) {
  const Json* at = &value;
  while (true) {
    auto dot = path.find('.');
    if (!at->is_object()) return nullptr;
    auto found = at->find(std::string(path.substr(0, dot)));
    if (found == at->end() || found->is_null()) return nullptr;
    at = &*found;
    if (dot == std::string_view::npos) return at;
    path.remove_prefix(dot + 1);
  }
}

std::string textOf(const Json& value, std::string_view path) {
  const Json* field = findField(value, path);
  if (field == nullptr) return {};
  if (field->is_string()) return field->get<std::string>();
  if (field->is_boolean()) return field->get<bool>() ? "yes" : "no";
  if (!field->is_array()) return dumpJson(*field);
  std::string list;
  for (const auto& item : *field) {
    list += (list.empty() ? "" : ", ") + (item.is_string() ? item.get<std::string>() : dumpJson(item));
  }
  return list;
}

std::optional<std::int64_t> integerOf(const Json& value, std::string_view path) {
  const Json* field = findField(value, path);
  if (field == nullptr || !field->is_number_integer()) return std::nullopt;
  return field->get<std::int64_t>();
}

bool isTrue(const Json& value, std::string_view path) {
  const Json* field = findField(value, path);
  return field != nullptr && field->is_boolean() && field->get<bool>();
}

std::string shortened(const std::string& text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string usdOf(const Json& value, std::string_view path) {
  auto amount = integerOf(value, path);
  return amount ? "$" + formatUsd(MicroUsd{*amount}) : "";
}

std::string shortDuration(Nanoseconds value) {
  auto count = std::chrono::floor<seconds>(value).count();
  if (count < 120) return fmt::format("{}s", count);
  if (count < 120 * 60) return fmt::format("{}m", count / 60);
  if (count < 48 * 3600) return fmt::format("{}h", count / 3600);
  return fmt::format("{}d", count / 86400);
}

std::string ageOf(const Json& value, std::string_view path) {
  auto time = findTime(value, path);
  if (!time) return {};
  auto age = SystemClock().now() - *time;
  return age >= Nanoseconds(0) ? shortDuration(age) : "in " + shortDuration(-age);
}

std::string timeOf(const Json& value, std::string_view path) {
  auto time = findTime(value, path);
  if (!time) return textOf(value, path);
  std::time_t moment = std::chrono::floor<seconds>(*time).time_since_epoch().count();
  std::tm local{};
  ::localtime_r(&moment, &local);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%F %T", &local)};
}

std::string bytesOf(const Json& value, std::string_view path) {
  auto count = integerOf(value, path);
  if (!count || *count <= 0) return {};
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto amount = static_cast<double>(*count);
  std::size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < std::size(kUnits); ++unit) amount /= 1024;
  return fmt::format("{:.{}f} {}", amount, unit == 0 ? 0 : 1, kUnits[unit]);
}

Result<std::string> timeArgument(const std::string& text) {
  if (text.empty()) return text;
  if (auto ago = parseDuration(text)) return formatUtc(SystemClock().now() - *ago);
  if (auto time = parseTimestamp(text)) return formatUtc(*time);
  return fail(ErrorCode::kInvalidArgument, "\"" + text + "\" is no time",
              "give how long ago (10m, 2h, 1d) or an RFC 3339 time (2026-11-20T14:00:00Z)");
}

Result<Nanoseconds> durationArgument(const std::string& option, const std::string& text) {
  auto duration = parseDuration(text);
  if (!duration) return std::unexpected(std::move(duration).error().within(option));
  return duration;
}

}  // namespace agentos::agentctl
