// SPDX-License-Identifier: Apache-2.0
// Between IpAddress and what the kernel calls one.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <optional>

#include "base/ip_address.h"

namespace agentos::agentd::egress {

class SocketAddress {
 public:
  SocketAddress(const IpAddress& address, std::uint16_t port) {
    if (address.isV4()) {
      v4_.sin_family = AF_INET;
      v4_.sin_port = htons(port);
      std::memcpy(&v4_.sin_addr, address.bytes().data(), sizeof v4_.sin_addr);
    } else {
      v6_.sin6_family = AF_INET6;
      v6_.sin6_port = htons(port);
      std::memcpy(&v6_.sin6_addr, address.bytes().data(), sizeof v6_.sin6_addr);
      isV6_ = true;
    }
  }
  const sockaddr* get() const {
    const void* place = &v4_;
    if (isV6_) place = &v6_;
    return static_cast<const sockaddr*>(place);
  }
  socklen_t size() const { return isV6_ ? sizeof v6_ : sizeof v4_; }
  int family() const { return isV6_ ? AF_INET6 : AF_INET; }

 private:
  sockaddr_in v4_{};
  sockaddr_in6 v6_{};
  bool isV6_ = false;
};

inline std::optional<IpAddress> addressOf(const sockaddr* from, socklen_t size) {
  if (from->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &static_cast<const sockaddr_in*>(static_cast<const void*>(from))->sin_addr, bytes.size());
    return IpAddress::v4(bytes);
  }
  if (from->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &static_cast<const sockaddr_in6*>(static_cast<const void*>(from))->sin6_addr,
                bytes.size());
    return IpAddress::v6(bytes);
  }
  return std::nullopt;
}

}  // namespace agentos::agentd::egress
