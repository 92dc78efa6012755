// SPDX-License-Identifier: Apache-2.0
// IP addresses and ranges of them, and what an address is for (the IANA special-purpose registries, RFC 6890). Parsed
// strictly: "127.1", "0x7f000001" and "010.0.0.1" are no addresses here, though inet_aton(3) takes them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agentos {

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  // "192.0.2.1" or "2001:db8::1", without brackets, zone or blanks.
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(const std::array<std::uint8_t, 4>& bytes);
  static IpAddress v6(const std::array<std::uint8_t, 16>& bytes);

  bool isV4() const { return v4_; }
  // Network order; of an IPv4 address the first four.
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  std::string text() const;
  bool operator==(const IpAddress&) const = default;
  auto operator<=>(const IpAddress&) const = default;

 private:
  bool v4_ = true;
  std::array<std::uint8_t, 16> bytes_{};
};

// "10.0.0.0/8", "fd00::/8", or one address alone. The bits behind the prefix must be zero.
struct IpRange {
  IpAddress base;
  int prefix = 0;
  static std::optional<IpRange> parse(std::string_view text);
  bool contains(const IpAddress& address) const;
  std::string text() const;
  bool operator==(const IpRange&) const = default;
};

// What an address is when it is not one of the public internet: "a loopback address". Nothing for a public one.
std::optional<std::string_view> specialUse(const IpAddress& address);
// Of those, the ones that nobody has for a server: unspecified, multicast, broadcast, and IPv6 forms that hold another
// address (v4-mapped, NAT64, 6to4, Teredo): what they hold is written as itself.
bool isNeverAServer(const IpAddress& address);

}  // namespace agentos
