// SPDX-License-Identifier: Apache-2.0
// The head of a request to the proxy, read so strictly that nobody behind it can read it otherwise (RFC 9112, and what
// it allows a proxy to refuse): one line ends with CR LF and no other way, no folded lines, one Host that is the
// target's, one Content-Length or one "Transfer-Encoding: chunked". Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agentd/egress/refusal.h"

namespace agentos::agentd::egress {

using HeaderFields = std::vector<std::pair<std::string, std::string>>;  // names as sent

enum class Framing : std::uint8_t { kNone, kLength, kChunked, kUntilEnd };

struct RequestHead {
  std::string method;
  bool tunnel = false;  // CONNECT
  std::string host;     // canonical (base/host_name.h)
  std::uint16_t port = 0;
  std::string path, query;  // as sent; the query with its '?'. Empty in a tunnel
  bool http10 = false, expectsContinue = false;
  HeaderFields headers;  // what is meant for the server: neither Host nor what is between two hops
  Framing framing = Framing::kNone;
  std::uint64_t length = 0;

  std::string target() const;  // "api.github.com:443"
};

inline constexpr std::size_t kLongestHead = 16 << 10;
inline constexpr std::size_t kMostHeaders = 100;

// `head` with its empty line.
Allowed<RequestHead> parseRequestHead(std::string_view head);
// What is sent to the server: origin form, a Host that is ours, Connection: close.
std::string forwardedHead(const RequestHead& head);

// One path has one meaning: no "." and ".." as a part (also before ';'), no empty part, no backslash, no escape of
// what means something in a path (dots, slashes, backslashes, percent signs, controls) or of what needs none.
bool isPlainPath(std::string_view path);

// For heads of either kind. Lines without their CR LF; nothing when a CR or LF stands alone.
std::optional<std::vector<std::string_view>> linesOf(std::string_view head);
// "Name: value"; nothing when it is none (a fold, a blank before the colon, a control character).
std::optional<std::pair<std::string, std::string>> headerOf(std::string_view line);
std::string lower(std::string_view text);
// Names that a hop keeps to itself, and those that `fields` itself names in Connection.
void dropHopByHop(HeaderFields& fields);
// Kept: fields whose name (in any case) is `name`.
std::vector<std::string_view> valuesOf(const HeaderFields& fields, std::string_view name);
// Digits alone, and few enough for 63 bits.
std::optional<std::uint64_t> lengthOf(std::string_view text);

}  // namespace agentos::agentd::egress
