// SPDX-License-Identifier: Apache-2.0
// The one form of a host that two parts of a program can compare: RFC 1123 names in lower case and addresses as
// inet_ntop(3) writes them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace agentos {

// "API.Example.org." → "api.example.org", "2001:DB8:0::1" → "2001:db8::1". Nothing for what is no host, or could be
// taken for an address by somebody and not by somebody else: names that end in a number ("127.1", "0x7f000001") or
// are not ASCII (the xn-- form is), empty labels, more than 253 characters. IPv6 without brackets.
std::optional<std::string> canonicalHost(std::string_view text);

// A canonical host as it stands before ":port": IPv6 in brackets.
std::string bracketed(const std::string& host);

}  // namespace agentos
