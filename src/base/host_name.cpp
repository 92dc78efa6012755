// SPDX-License-Identifier: Apache-2.0
#include "base/host_name.h"

#include <algorithm>

#include "base/ip_address.h"
#include "base/text.h"

namespace agentos {
namespace {

constexpr std::size_t kLongestName = 253, kLongestLabel = 63;

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isHex(char c) { return isDigit(c) || (c >= 'a' && c <= 'f'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool isLabel(std::string_view label) {
  auto allowed = [](char c) { return isDigit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_'; };
  return !label.empty() && label.size() <= kLongestLabel && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, allowed);
}

// WHATWG's "ends in a number": such a host is an address, or nothing.
bool isNumber(std::string_view label) {
  if (label.starts_with("0x")) return std::ranges::all_of(label.substr(2), isHex);
  return std::ranges::all_of(label, isDigit);
}

}  // namespace

std::optional<std::string> canonicalHost(std::string_view text) {
  if (const auto address = IpAddress::parse(text)) return address->text();
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > kLongestName) return std::nullopt;
  std::string name(text);
  std::ranges::transform(name, name.begin(), lower);
  const auto labels = split(name, '.');
  if (!std::ranges::all_of(labels, isLabel) || isNumber(labels.back())) return std::nullopt;
  return name;
}

std::string bracketed(const std::string& host) { return host.contains(':') ? "[" + host + "]" : host; }

}  // namespace agentos
