// SPDX-License-Identifier: Apache-2.0
// Whom a TLS client asks for: the server name of its first message (RFC 8446, 4.1.2; RFC 6066, 3), which is sent in
// the clear. Nothing is decrypted. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace agentos::agentd::egress {

struct ClientHello {
  enum class State : std::uint8_t {
    kMore,    // not whole yet
    kNotTls,  // these bytes begin no TLS connection
    kBad,     // they begin one, and then make no sense, or say two things
    kWhole,
  } state = State::kMore;
  std::optional<std::string> name;  // as sent; absent when the client names nobody
};

// More than this before the message is whole: kBad.
inline constexpr std::size_t kLongestHello = 64 << 10;

ClientHello readClientHello(std::string_view bytes);

// A fatal alert "unrecognized_name", so that the client says what the matter is.
inline constexpr std::string_view kUnrecognizedName("\x15\x03\x03\x00\x02\x02\x70", 7);

}  // namespace agentos::agentd::egress
