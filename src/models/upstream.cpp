// SPDX-License-Identifier: Apache-2.0
#include "models/upstream.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>

#include "base/text.h"

namespace agentos::models {
namespace {

constexpr std::string_view kAnswered = " answered ";
constexpr std::string_view kRetryAfter = "retry after ";

template <class Number>
std::optional<Number> numberAfter(std::string_view text, std::string_view mark) {
  const auto at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + mark.size());
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string cleanText(std::string_view text, std::size_t maxBytes) {
  const bool cut = text.size() > maxBytes;
  std::size_t end = cut ? maxBytes : text.size();
  while (cut && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
  std::string clean(text.substr(0, end));
  const bool valid = isValidUtf8(clean);
  for (char& c : clean) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
    if (byte >= 0x80 && !valid) c = '?';
  }
  return cut ? clean + "…" : clean;
}

std::unexpected<Error> failUpstream(std::string_view endpoint, int status, std::string_view text,
                                    std::optional<std::chrono::seconds> retryAfter) {
  return fail(ErrorCode::kModelUpstream, fmt::format("{}{}{}: {}", endpoint, kAnswered, status, cleanText(text, 2048)),
              retryAfter ? fmt::format("{}{} s", kRetryAfter, retryAfter->count()) : std::string());
}

std::optional<int> upstreamStatus(const Error& error) {
  return error.code == ErrorCode::kModelUpstream ? numberAfter<int>(error.what, kAnswered) : std::nullopt;
}

std::optional<std::chrono::seconds> upstreamRetryAfter(const Error& error) {
  if (error.code != ErrorCode::kModelUpstream) return std::nullopt;
  const auto seconds = numberAfter<std::int64_t>(error.remedy, kRetryAfter);
  return seconds ? std::optional(std::chrono::seconds(*seconds)) : std::nullopt;
}

}  // namespace agentos::models
