// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/request_head.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/host_name.h"
#include "base/ip_address.h"
#include "base/text.h"

namespace agentos::agentd::egress {
namespace {

constexpr std::size_t kLongestMethod = 32, kLongestTarget = 8 << 10;

bool isAlnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool isTokenChar(char c) { return isAlnum(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c); }
bool isToken(std::string_view text) { return !text.empty() && std::ranges::all_of(text, isTokenChar); }
bool isVisible(char c) { return c > 0x20 && c < 0x7F; }
bool isValueChar(char c) { return static_cast<unsigned char>(c) >= 0x20 ? c != 0x7F : c == '\t'; }

std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 100;
  std::string out;
  for (char c : text.substr(0, kLongest)) out += isVisible(c) || c == ' ' ? c : '?';
  return "\"" + out + (text.size() > kLongest ? "…\"" : "\"");
}

struct Authority {
  std::string host;
  std::optional<std::uint16_t> port;
};

std::optional<std::uint16_t> portOf(std::string_view text) {
  if (text.empty() || text.size() > 5 || text.front() == '0') return std::nullopt;
  int port = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    port = port * 10 + (c - '0');
  }
  return port <= 65535 ? std::optional(static_cast<std::uint16_t>(port)) : std::nullopt;
}

// "host", "host:port", "[v6]:port".
std::optional<Authority> authorityOf(std::string_view text) {
  Authority out;
  std::string_view host = text, rest;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
    if (!host.contains(':')) return std::nullopt;
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    rest = text.substr(colon);
  }
  const auto canonical = canonicalHost(host);
  if (!canonical || (!rest.empty() && rest.front() != ':')) return std::nullopt;
  out.host = *canonical;
  if (rest.empty()) return out;
  out.port = portOf(rest.substr(1));
  return out.port ? std::optional(out) : std::nullopt;
}

constexpr std::string_view kHostRemedy =
    "a host name in ASCII (xn-- for others) or an address, and a port from 1 to 65535, without a user";

Allowed<void> readTunnel(RequestHead& head, std::string_view target) {
  const auto authority = authorityOf(target);
  if (!authority || !authority->port)
    return malformed("CONNECT " + shown(target), "CONNECT host:port: " + std::string(kHostRemedy));
  head.tunnel = true;
  head.host = authority->host;
  head.port = *authority->port;
  return {};
}

Allowed<void> readAbsolute(RequestHead& head, std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  if (target.starts_with('/') || target == "*")
    return malformed(
        "a request for " + shown(target) + " without a host",
        "this is a proxy: GET http://host/path, or CONNECT host:port; models are at http://127.0.0.1:4242");
  if (lower(target.substr(0, kScheme.size())) != kScheme)
    return malformed("a request for " + shown(target), "http://host/path; for TLS CONNECT host:port");
  target.remove_prefix(kScheme.size());
  const auto end = std::min(target.find_first_of("/?#"), target.size());
  const auto authority = authorityOf(target.substr(0, end));
  if (!authority) return malformed("the host " + shown(target.substr(0, end)), std::string(kHostRemedy));
  if (target.contains('#')) return malformed("a target with a fragment", "leave out what begins with #");
  head.host = authority->host;
  head.port = authority->port.value_or(80);
  const auto question = std::min(target.find('?', end), target.size());
  head.path = std::string(target.substr(end, question - end));
  if (head.path.empty()) head.path = "/";
  head.query = std::string(target.substr(question));
  return {};
}

Allowed<void> readRequestLine(RequestHead& head, std::string_view line) {
  const auto parts = split(line, ' ');
  if (parts.size() != 3) return malformed("the request line " + shown(line), "METHOD target HTTP/1.1");
  if (parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0")
    return malformed("the version " + shown(parts[2]), "HTTP/1.1", 505);
  head.http10 = parts[2] == "HTTP/1.0";
  if (!isToken(parts[0]) || parts[0].size() > kLongestMethod)
    return malformed("the method " + shown(parts[0]), "a method such as GET");
  if (parts[1].empty() || parts[1].size() > kLongestTarget || !std::ranges::all_of(parts[1], isVisible))
    return malformed("the target " + shown(parts[1]), "at most 8 KiB of ASCII without blanks; the rest as %XX", 414);
  head.method = std::string(parts[0]);
  return head.method == "CONNECT" ? readTunnel(head, parts[1]) : readAbsolute(head, parts[1]);
}

Allowed<void> readHeaders(RequestHead& head, std::span<const std::string_view> lines) {
  if (lines.size() > kMostHeaders) return malformed(std::to_string(lines.size()) + " header lines", "at most 100", 431);
  for (const auto line : lines) {
    auto field = headerOf(line);
    if (!field) return malformed("the header line " + shown(line), "Name: value, on one line and without controls");
    head.headers.push_back(*std::move(field));
  }
  return {};
}

// Two hosts in one request are two meanings: the target's is the one that is judged.
Allowed<void> checkHost(const RequestHead& head) {
  const auto hosts = valuesOf(head.headers, "host");
  if (hosts.size() > 1) return malformed("two Host headers", "one");
  if (hosts.empty())
    return head.http10 || head.tunnel ? Allowed<void>{} : malformed("no Host header", "the target's host");
  const auto authority = authorityOf(hosts.front());
  const bool same =
      authority && authority->host == head.host && authority->port.value_or(head.tunnel ? head.port : 80) == head.port;
  return same ? Allowed<void>{}
              : malformed("the Host " + shown(hosts.front()) + " beside a target at " + head.target(),
                          "the same in both");
}

Allowed<void> readFraming(RequestHead& head) {
  const auto lengths = valuesOf(head.headers, "content-length"), codings = valuesOf(head.headers, "transfer-encoding");
  if (!lengths.empty() && !codings.empty())
    return malformed("both Content-Length and Transfer-Encoding", "one of them: they say where the request ends");
  if (lengths.size() > 1 || codings.size() > 1)
    return malformed("two lengths of one body", "one Content-Length, or one Transfer-Encoding");
  if (!codings.empty()) {
    if (lower(codings.front()) != "chunked" || head.http10)
      return malformed("the transfer coding " + shown(codings.front()), "chunked alone, with HTTP/1.1", 501);
    head.framing = Framing::kChunked;
  } else if (!lengths.empty()) {
    const auto length = lengthOf(lengths.front());
    if (!length) return malformed("the Content-Length " + shown(lengths.front()), "one number of bytes, in digits");
    head.length = *length;
    head.framing = *length > 0 ? Framing::kLength : Framing::kNone;
  }
  if (head.tunnel && head.framing != Framing::kNone)
    return malformed("a CONNECT with a body", "what goes through the tunnel comes after the answer");
  return {};
}

Allowed<void> readExpect(RequestHead& head) {
  const auto wanted = valuesOf(head.headers, "expect");
  if (wanted.empty()) return {};
  if (wanted.size() > 1 || lower(wanted.front()) != "100-continue")
    return malformed("an expectation other than 100-continue", "leave out Expect", 417);
  head.expectsContinue = !head.http10;
  return {};
}

// HTTP/2 and other protocols over an upgrade would be a tunnel that nobody has looked into.
constexpr std::array<std::string_view, 12> kHopByHop = {
    "connection", "proxy-connection", "keep-alive", "proxy-authenticate", "proxy-authorization",      "te", "trailer",
    "upgrade",    "http2-settings",   "expect",     "transfer-encoding",  "proxy-authentication-info"};

bool isNamedIn(std::span<const std::string> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

int hexOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// An escape that means only itself: of a byte that cannot stand in a path as it is.
bool isHarmlessEscape(std::string_view text) {
  if (text.size() < 3) return false;
  const int high = hexOf(text[1]), low = hexOf(text[2]);
  if (high < 0 || low < 0) return false;
  const auto byte = static_cast<unsigned char>(high * 16 + low);
  return byte >= 0x20 && byte != 0x7F && byte != '%' && byte != '/' && byte != '\\' && byte != ';' &&
         !isAlnum(static_cast<char>(byte)) && !std::string_view("-._~").contains(static_cast<char>(byte));
}

bool isPlainPart(std::string_view part) {
  const auto name = part.substr(0, part.find(';'));
  return !name.empty() && name != "." && name != "..";
}

}  // namespace

std::string RequestHead::target() const { return bracketed(host) + ":" + std::to_string(port); }

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

std::optional<std::vector<std::string_view>> linesOf(std::string_view head) {
  if (!head.ends_with("\r\n\r\n")) return std::nullopt;
  std::vector<std::string_view> lines;
  for (head.remove_suffix(2); !head.empty();) {
    const auto end = head.find_first_of("\r\n");
    if (end == std::string_view::npos || !head.substr(end).starts_with("\r\n")) return std::nullopt;
    lines.push_back(head.substr(0, end));
    head.remove_prefix(end + 2);
  }
  return lines;
}

std::optional<std::pair<std::string, std::string>> headerOf(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !isToken(line.substr(0, colon))) return std::nullopt;
  // Blanks are blanks and tabs, and nothing else that a C library takes for one.
  auto value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  if (!std::ranges::all_of(value, isValueChar)) return std::nullopt;
  return std::pair(std::string(line.substr(0, colon)), std::string(value));
}

std::vector<std::string_view> valuesOf(const HeaderFields& fields, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : fields) {
    if (lower(key) == name) values.emplace_back(value);
  }
  return values;
}

void dropHopByHop(HeaderFields& fields) {
  std::vector<std::string> named;
  for (const auto value : valuesOf(fields, "connection")) {
    for (const auto name : split(value, ',')) named.push_back(lower(trim(name)));
  }
  std::erase_if(fields, [&](const auto& field) {
    const std::string name = lower(field.first);
    // Nobody takes the length away by calling it a matter of this hop.
    if (name == "content-length") return false;
    return isNamedIn(named, name) || std::ranges::find(kHopByHop, name) != kHopByHop.end();
  });
}

std::optional<std::uint64_t> lengthOf(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

Allowed<RequestHead> parseRequestHead(std::string_view text) {
  const auto lines = linesOf(text);
  if (!lines || lines->empty())
    return malformed("a head with a line that does not end with CR LF", "CR LF after each line, and no other CR or LF");
  RequestHead head;
  auto done = readRequestLine(head, lines->front());
  if (done) done = readHeaders(head, std::span(*lines).subspan(1));
  if (done) done = checkHost(head);
  if (done) done = readFraming(head);
  if (done) done = readExpect(head);
  if (!done) return std::unexpected(std::move(done).error());
  dropHopByHop(head.headers);
  std::erase_if(head.headers, [](const auto& field) {
    const std::string name = lower(field.first);
    return name == "host" || name == "content-length";
  });
  return head;
}

std::string forwardedHead(const RequestHead& head) {
  std::string out = head.method + " " + head.path + head.query +
                    " HTTP/1.1\r\nHost: " + (head.port == 80 ? bracketed(head.host) : head.target()) + "\r\n";
  for (const auto& [name, value] : head.headers) {
    out += name;
    out += ": " + value + "\r\n";
  }
  // Methods that usually have a body say that they have none (RFC 9110, 8.6).
  const bool expected = head.method == "POST" || head.method == "PUT" || head.method == "PATCH";
  if (head.framing == Framing::kChunked) out += "Transfer-Encoding: chunked\r\n";
  if (head.framing == Framing::kLength || (head.framing == Framing::kNone && expected))
    out += "Content-Length: " + std::to_string(head.length) + "\r\n";
  return out + "Connection: close\r\n\r\n";
}

bool isPlainPath(std::string_view path) {
  if (!path.starts_with('/')) return false;
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (path[at] == '\\' || !isVisible(path[at])) return false;
    if (path[at] == '%' && !isHarmlessEscape(path.substr(at))) return false;
  }
  auto parts = split(path.substr(1), '/');
  if (!parts.empty() && parts.back().empty()) parts.pop_back();  // "/" and "/a/" end with one
  return std::ranges::all_of(parts, isPlainPart);
}

}  // namespace agentos::agentd::egress
