// SPDX-License-Identifier: Apache-2.0
// What a contract lets out of a room, ready to be asked. Pure: names are judged before they are resolved, and addresses
// before they are connected to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agentd/egress/refusal.h"
#include "agentd/egress/request_head.h"
#include "base/ip_address.h"
#include "base/units.h"
#include "contract/contract.h"

namespace agentos::agentd::egress {

struct Rule {
  std::string name;  // "network.egress[0]", or "network.unrestricted"
  std::string text;  // "api.github.com:443"
  std::string host;  // canonical, without the "*."
  bool wildcard = false, anywhere = false;
  std::uint16_t port = 0;
  std::vector<std::string> methods, paths;
  std::vector<IpRange> addresses;  // and the address itself, when the host is one
  bool tls = true;
  std::optional<Bytes> maxBytes;

  bool seesRequests() const { return !methods.empty() || !paths.empty(); }
};

struct RuleBook {
  std::string agent;
  std::vector<Rule> rules;
  bool names = true;  // names are resolved
  std::optional<Bytes> maxBytes, rate;
  std::string openReason;  // of network.unrestricted

  bool open() const { return !openReason.empty(); }
};

RuleBook rulesOf(const contract::Contract& contract);

// The number of the rule that lets the request through, by its name and port, and for plain HTTP its method and path.
Allowed<std::size_t> judgeRequest(const RuleBook& book, const RequestHead& head);

// An address that the request's host is or resolved to; `permitted` is root's policy.egress_private.
Allowed<void> judgeAddress(const Rule& rule, const RequestHead& head, const IpAddress& address,
                           const std::vector<IpRange>& permitted);

// The name that a TLS client asks for in a tunnel.
Allowed<void> judgeServerName(const Rule& rule, const RequestHead& head, const std::optional<std::string>& name);

}  // namespace agentos::agentd::egress
