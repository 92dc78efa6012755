// SPDX-License-Identifier: Apache-2.0
// A TLS client's first message, made by hand.
#pragma once

#include <string>

namespace agentos::agentd::egress::test {

inline std::string number(std::size_t value, std::size_t size) {
  std::string out;
  while (size-- > 0) out += static_cast<char>((value >> (8 * size)) & 0xFF);
  return out;
}
inline std::string block(const std::string& bytes, std::size_t size) { return number(bytes.size(), size) + bytes; }
inline std::string extension(std::size_t type, const std::string& body) { return number(type, 2) + block(body, 2); }
inline std::string serverName(const std::string& name) { return extension(0, block(number(0, 1) + block(name, 2), 2)); }
inline std::string handshake(const std::string& extensions) {
  const std::string body = number(0x0303, 2) + std::string(32, 'r') + block(std::string(32, 's'), 1) +
                           block(number(0x1301, 2), 2) + block(number(0, 1), 1) + block(extensions, 2);
  return number(1, 1) + block(body, 3);
}
inline std::string record(const std::string& bytes) { return number(22, 1) + number(0x0301, 2) + block(bytes, 2); }
inline std::string helloTo(const std::string& name) {
  return record(handshake(extension(0x2b, "\x02\x03\x04") + serverName(name) + extension(0x0a, number(0, 2))));
}

}  // namespace agentos::agentd::egress::test
