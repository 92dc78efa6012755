// SPDX-License-Identifier: Apache-2.0
#include "base/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace agentos {
namespace {

// A number without a leading zero, at most `max`.
std::optional<int> smallNumber(std::string_view text, int max) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  int value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value <= max ? std::optional(value) : std::nullopt;
}

std::optional<IpAddress> parseV4(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t at = 0; at < 4; ++at) {
    const auto value = smallNumber(parts[at], 255);
    if (!value) return std::nullopt;
    bytes[at] = static_cast<std::uint8_t>(*value);
  }
  return IpAddress::v4(bytes);
}

std::optional<IpAddress> parseV6(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET6, std::string(text).c_str(), bytes.data()) != 1) return std::nullopt;
  return IpAddress::v6(bytes);
}

struct Special {
  std::string_view range, name;
  bool never;
};

// A range that lies within another stands before it.
constexpr Special kSpecial[] = {
    {"0.0.0.0/8", "an unspecified address", true},
    {"10.0.0.0/8", "a private address", false},
    {"100.64.0.0/10", "an address of a carrier's NAT", false},
    {"127.0.0.0/8", "a loopback address", false},
    {"169.254.169.254/32", "a cloud's metadata service", false},
    {"169.254.0.0/16", "a link-local address", false},
    {"172.16.0.0/12", "a private address", false},
    {"192.0.0.0/24", "a protocol's own address", false},
    {"192.0.2.0/24", "an address for documentation", false},
    {"192.88.99.0/24", "a 6to4 relay", true},
    {"192.168.0.0/16", "a private address", false},
    {"198.18.0.0/15", "an address for benchmarks", false},
    {"198.51.100.0/24", "an address for documentation", false},
    {"203.0.113.0/24", "an address for documentation", false},
    {"224.0.0.0/4", "a multicast address", true},
    {"240.0.0.0/4", "a reserved or broadcast address", true},
    {"::/128", "an unspecified address", true},
    {"::1/128", "a loopback address", false},
    {"::ffff:0:0/96", "an IPv4 address in an IPv6 one", true},
    {"::/96", "an IPv4 address in an IPv6 one", true},
    {"64:ff9b::/96", "an IPv4 address in an IPv6 one (NAT64)", true},
    {"64:ff9b:1::/48", "an IPv4 address in an IPv6 one (NAT64)", true},
    {"100::/64", "an address that discards", true},
    {"2001::/32", "an IPv4 address in an IPv6 one (Teredo)", true},
    {"2001::/23", "a protocol's own address", false},
    {"2001:db8::/32", "an address for documentation", false},
    {"2002::/16", "an IPv4 address in an IPv6 one (6to4)", true},
    {"3fff::/20", "an address for documentation", false},
    {"5f00::/16", "a segment's identifier", true},
    {"fc00::/7", "a private address", false},
    {"fe80::/10", "a link-local address", false},
    {"fec0::/10", "a site-local address", false},
    {"ff00::/8", "a multicast address", true},
};

struct Known {
  IpRange range;
  const Special* what;
};

const std::vector<Known>& known() {
  static const std::vector<Known> kKnown = [] {
    std::vector<Known> all;
    for (const Special& one : kSpecial) all.push_back({IpRange::parse(one.range).value_or(IpRange{}), &one});
    return all;
  }();
  return kKnown;
}

const Special* findSpecial(const IpAddress& address) {
  for (const Known& one : known()) {
    if (one.range.contains(address)) return one.what;
  }
  return nullptr;
}

bool bitOf(const IpAddress& address, int at) {
  const auto byte = address.bytes()[static_cast<std::size_t>(at / 8)];
  return ((byte >> (7 - at % 8)) & 1) != 0;
}

int bitsOf(const IpAddress& address) { return address.isV4() ? 32 : 128; }

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  return text.contains(':') ? parseV6(text) : parseV4(text);
}

IpAddress IpAddress::v4(const std::array<std::uint8_t, 4>& bytes) {
  IpAddress address;
  std::ranges::copy(bytes, address.bytes_.begin());
  return address;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) {
  IpAddress address;
  address.v4_ = false;
  address.bytes_ = bytes;
  return address;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> out{};
  ::inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), out.data(), out.size());
  return out.data();
}

std::optional<IpRange> IpRange::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto base = IpAddress::parse(text.substr(0, slash));
  if (!base) return std::nullopt;
  const int bits = bitsOf(*base);
  if (slash == std::string_view::npos) return IpRange{*base, bits};
  const auto prefix = smallNumber(text.substr(slash + 1), bits);
  if (!prefix) return std::nullopt;
  for (int at = *prefix; at < bits; ++at) {
    if (bitOf(*base, at)) return std::nullopt;
  }
  return IpRange{*base, *prefix};
}

bool IpRange::contains(const IpAddress& address) const {
  if (address.isV4() != base.isV4()) return false;
  for (int at = 0; at < prefix; ++at) {
    if (bitOf(base, at) != bitOf(address, at)) return false;
  }
  return true;
}

std::string IpRange::text() const {
  return prefix == bitsOf(base) ? base.text() : base.text() + "/" + std::to_string(prefix);
}

std::optional<std::string_view> specialUse(const IpAddress& address) {
  const Special* found = findSpecial(address);
  return found == nullptr ? std::nullopt : std::optional(found->name);
}

bool isNeverAServer(const IpAddress& address) {
  const Special* found = findSpecial(address);
  return found != nullptr && found->never;
}

}  // namespace agentos
