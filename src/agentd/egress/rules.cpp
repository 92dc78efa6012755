// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/rules.h"

#include <algorithm>

#include "base/host_name.h"
#include "base/text.h"

namespace agentos::agentd::egress {
namespace {

// A rule that cannot be read allows nothing: the loader has refused it before.
std::optional<Rule> ruleOf(const contract::EgressRule& written, std::size_t at) {
  Rule rule;
  rule.name = "network.egress[" + std::to_string(at) + "]";
  rule.text = contract::textOf(written);
  rule.wildcard = written.host.starts_with("*.");
  const auto host = canonicalHost(std::string_view(written.host).substr(rule.wildcard ? 2 : 0));
  if (!host || written.port < 1 || written.port > 65535) return std::nullopt;
  rule.host = *host;
  rule.port = static_cast<std::uint16_t>(written.port);
  rule.methods = written.methods;
  rule.paths = written.paths;
  rule.tls = written.tls;
  rule.maxBytes = written.maxBytes;
  for (const auto& text : written.addresses) {
    if (const auto range = IpRange::parse(text)) rule.addresses.push_back(*range);
  }
  if (const auto address = IpAddress::parse(rule.host)) {
    if (rule.wildcard) return std::nullopt;
    rule.addresses.push_back({*address, address->isV4() ? 32 : 128});
  }
  return rule;
}

Rule openRule() {
  Rule rule;
  rule.name = rule.text = "network.unrestricted";
  rule.anywhere = true;
  rule.tls = false;
  return rule;
}

bool fitsHost(const Rule& rule, const std::string& host) {
  if (rule.anywhere) return true;
  if (!rule.wildcard) return host == rule.host;
  return host.size() > rule.host.size() + 1 && host.ends_with("." + rule.host) && !IpAddress::parse(host);
}

bool fitsMethod(const Rule& rule, const std::string& method) {
  return rule.methods.empty() || std::ranges::find(rule.methods, method) != rule.methods.end();
}

// "?" is no wildcard here: a pattern of paths has only stars, and no path has a question mark.
bool fitsPath(const Rule& rule, const std::string& path) {
  return rule.paths.empty() || (isPlainPath(path) && std::ranges::any_of(rule.paths, [&](const auto& pattern) {
                                  return matchesPattern(pattern, path);
                                }));
}

std::string listOf(const RuleBook& book) {
  constexpr std::size_t kMost = 8;
  std::vector<std::string> texts;
  for (const Rule& rule : book.rules) {
    if (texts.size() == kMost) {
      texts.emplace_back("…");
      break;
    }
    texts.push_back(rule.text);
  }
  return texts.empty() ? "nothing" : join(texts, ", ");
}

std::unexpected<Refusal> notListed(const RuleBook& book, const RequestHead& head) {
  return refuse("not_listed",
                head.target() + " is not among what the contract of " + book.agent +
                    " lets out (network.egress: " + listOf(book) + ")",
                "add \"" + head.target() + "\" to network.egress of the contract, or do without");
}

std::unexpected<Refusal> noTunnel(const Rule& rule, const RequestHead& head) {
  return refuse("no_tunnel", "a tunnel to " + head.target() + ", for which the contract allows methods and paths only",
                "plain HTTP (http://" + head.target() + "/…), or a rule without methods and paths", rule.name);
}

std::unexpected<Refusal> notThisRequest(const Rule& rule, const RequestHead& head) {
  const bool method = !fitsMethod(rule, head.method);
  const std::string what = method ? "the method " + head.method : "the path " + head.path;
  const std::string allowed = method ? join(rule.methods, ", ") : join(rule.paths, ", ");
  const bool odd = !method && !isPlainPath(head.path);
  return refuse(method ? "method" : "path", what + " at " + head.target() + " is not what the contract allows there",
                odd ? "a path without '.', '..', '//' and needless escapes, that fits " + allowed : allowed, rule.name);
}

bool holds(const std::vector<IpRange>& ranges, const IpAddress& address) {
  return std::ranges::any_of(ranges, [&](const IpRange& range) { return range.contains(address); });
}

// A name that an agent made up goes into a log.
std::string harmlessName(const std::string& name) {
  const auto canonical = canonicalHost(name);
  return canonical ? *canonical : "something that is no name";
}

std::string leadsTo(const RequestHead& head, const IpAddress& address, std::string_view what) {
  const std::string text = address.text();
  return (head.host == text ? text : head.host + " resolves to " + text + ", which") + " is " + std::string(what);
}

}  // namespace

RuleBook rulesOf(const contract::Contract& contract) {
  RuleBook book;
  book.agent = contract.name.str();
  book.names = contract.network.dnsByProxy;
  book.maxBytes = contract.network.maxBytes;
  book.rate = contract.network.rate;
  if (contract.network.unrestricted) {
    book.openReason = contract.network.reason;
    if (book.open()) book.rules.push_back(openRule());  // without a reason there is no such grant
    return book;
  }
  for (std::size_t at = 0; at < contract.network.egress.size(); ++at) {
    if (auto rule = ruleOf(contract.network.egress[at], at)) book.rules.push_back(*std::move(rule));
  }
  return book;
}

Allowed<std::size_t> judgeRequest(const RuleBook& book, const RequestHead& head) {
  const Rule* near = nullptr;
  for (const Rule& rule : book.rules) {
    if (!fitsHost(rule, head.host) || (!rule.anywhere && rule.port != head.port)) continue;
    const bool fits = head.tunnel ? !rule.seesRequests() : fitsMethod(rule, head.method) && fitsPath(rule, head.path);
    if (fits && !book.names && !IpAddress::parse(head.host))
      return refuse("no_names", head.host + " is a name, and the contract says network.dns: none",
                    "its address, listed in network.egress, or network.dns: proxy", "network.dns");
    if (fits) return static_cast<std::size_t>(&rule - book.rules.data());
    near = near == nullptr ? &rule : near;
  }
  if (near == nullptr) return notListed(book, head);
  return head.tunnel ? noTunnel(*near, head) : notThisRequest(*near, head);
}

Allowed<void> judgeAddress(const Rule& rule, const RequestHead& head, const IpAddress& address,
                           const std::vector<IpRange>& permitted) {
  const auto special = specialUse(address);
  if (!special) return {};
  if (isNeverAServer(address))
    return refuse("private_address", leadsTo(head, address, *special), "an address of the public internet", rule.name);
  if (!holds(rule.addresses, address))
    return refuse("private_address", leadsTo(head, address, *special),
                  "a public address; or its range in the rule's `addresses` and in root's policy.egress_private",
                  rule.name);
  if (!holds(permitted, address))
    return refuse("private_address", leadsTo(head, address, *special),
                  "root's policy.egress_private in agentd.yaml, with a range that holds it", rule.name);
  return {};
}

Allowed<void> judgeServerName(const Rule& rule, const RequestHead& head, const std::optional<std::string>& name) {
  if (IpAddress::parse(head.host)) {
    if (!name) return {};
    return refuse("server_name", "a tunnel to " + head.target() + " whose TLS asks for " + harmlessName(*name),
                  "CONNECT with that name", rule.name);
  }
  if (name && canonicalHost(*name) == head.host) return {};
  return refuse("server_name",
                "a tunnel to " + head.target() + " whose TLS asks for " + (name ? harmlessName(*name) : "no name"),
                "the same name in CONNECT and in TLS (SNI), or `tunnel: any` in the rule", rule.name);
}

}  // namespace agentos::agentd::egress
