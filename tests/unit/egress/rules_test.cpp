// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/rules.h"

#include <gtest/gtest.h>

#include "contract/loader.h"

namespace agentos::agentd::egress {
namespace {

RuleBook book(const std::string& network) {
  auto contract = contract::loadContract(
      "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\nnetwork: " + network + "\n", "t");
  if (!contract) {
    ADD_FAILURE() << contract.error().front().message();
    return {};
  }
  return rulesOf(*contract);
}

RequestHead connectTo(const std::string& target) {
  auto head = parseRequestHead("CONNECT " + target + " HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(head) << target;
  return head.value_or(RequestHead{});
}
RequestHead request(const std::string& method, const std::string& host, const std::string& path) {
  auto head = parseRequestHead(method + " http://" + host + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  EXPECT_TRUE(head) << host << path;
  return head.value_or(RequestHead{});
}
std::string refusedBy(const RuleBook& rules, const RequestHead& head) {
  auto allowed = judgeRequest(rules, head);
  return allowed ? "" : allowed.error().word;
}

TEST(EgressRules, LetOutWhatIsListed) {
  auto rules = book(R"({ egress: ["api.github.com:443", "*.debian.org:443", "10.0.0.7:8443", "Upper.Example:80"] })");
  for (const char* good : {"api.github.com:443", "API.GitHub.com.:443", "deb.debian.org:443", "a.b.debian.org:443",
                           "10.0.0.7:8443", "upper.example:80"})
    EXPECT_EQ(refusedBy(rules, connectTo(good)), "") << good;
  for (const char* bad : {"api.github.com:80", "github.com:443", "xapi.github.com:443", "api.github.com.evil.org:443",
                          "debian.org:443", "xdebian.org:443", "10.0.0.8:8443", "10.0.0.7:443", "evil.org:443"})
    EXPECT_EQ(refusedBy(rules, connectTo(bad)), "not_listed") << bad;
}

TEST(EgressRules, NothingIsLetOutWhereNothingIsSaid) {
  auto refused = judgeRequest(book("{}"), connectTo("a.example:443"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 403);
  EXPECT_EQ(refused.error().error.what,
            "a.example:443 is not among what the contract of maker lets out (network.egress: nothing)");
  EXPECT_EQ(refused.error().error.remedy, "add \"a.example:443\" to network.egress of the contract, or do without");
}

TEST(EgressRules, MethodsAndPathsAreForPlainHttpAlone) {
  auto rules =
      book(R"({ egress: [{ host: a.example, port: 80, methods: [GET, HEAD], paths: ["/v1/*", "/health"] }] })");
  EXPECT_EQ(refusedBy(rules, request("GET", "a.example", "/v1/x?y=/../z")), "");
  EXPECT_EQ(refusedBy(rules, request("HEAD", "a.example", "/health")), "");
  EXPECT_EQ(refusedBy(rules, request("POST", "a.example", "/v1/x")), "method");
  EXPECT_EQ(refusedBy(rules, request("get", "a.example", "/v1/x")), "method");
  for (const char* path : {"/", "/v2/x", "/v1", "/healthy", "/v1/../admin", "/v1/%2e%2e/admin", "/v1//x",
                           "/v1/..;/admin", "/v1/%2fx", "/V1/x", "/v1/x\\..\\y"})
    EXPECT_EQ(refusedBy(rules, request("GET", "a.example", path)), "path") << path;
  EXPECT_EQ(refusedBy(rules, connectTo("a.example:80")), "no_tunnel");  // in a tunnel nobody sees them
}

TEST(EgressRules, AnyRuleThatFitsLetsOut) {
  auto rules = book(
      R"({ egress: [{ host: a.example, port: 80, paths: ["/a"] }, { host: a.example, port: 80, paths: ["/b"] }, "*.example:80"] })");
  EXPECT_EQ(judgeRequest(rules, request("GET", "a.example", "/b")).value(), 1U);
  EXPECT_EQ(judgeRequest(rules, request("GET", "a.example", "/c")).value(), 2U);
}

TEST(EgressRules, PrivateAddressesNeedTheRuleAndRoot) {
  auto rules =
      book(R"({ egress: ["a.example:443", "10.0.0.7:443", { host: b.example, port: 443, addresses: [10.0.0.0/8] }] })");
  const std::vector<IpRange> none, tens{*IpRange::parse("10.0.0.0/8")};
  auto judge = [&](std::size_t rule, const char* host, const char* address, const std::vector<IpRange>& permitted) {
    return judgeAddress(rules.rules[rule], connectTo(std::string(host) + ":443"), *IpAddress::parse(address), permitted)
        .has_value();
  };
  EXPECT_TRUE(judge(0, "a.example", "93.184.216.34", none));
  for (const char* address :
       {"10.0.0.7", "127.0.0.1", "169.254.169.254", "192.168.0.1", "100.64.0.1", "::1", "fd00::1", "fe80::1",
        "::ffff:10.0.0.7", "64:ff9b::a00:7", "2002:a00:7::1", "0.0.0.0", "224.0.0.1", "255.255.255.255"})
    EXPECT_FALSE(judge(0, "a.example", address, tens)) << address;
  EXPECT_FALSE(judge(1, "10.0.0.7", "10.0.0.7", none));
  EXPECT_TRUE(judge(1, "10.0.0.7", "10.0.0.7", tens));
  EXPECT_TRUE(judge(2, "b.example", "10.9.9.9", tens));
  EXPECT_FALSE(judge(2, "b.example", "10.9.9.9", none));
  EXPECT_FALSE(judge(2, "b.example", "127.0.0.1", tens));
  const std::vector<IpRange> all{*IpRange::parse("0.0.0.0/0"), *IpRange::parse("::/0")};
  auto wide = book(R"({ egress: [{ host: c.example, port: 443, addresses: [0.0.0.0/0, "::/0"] }] })");
  for (const char* never : {"0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "::ffff:10.0.0.7", "64:ff9b::a00:7",
                            "2002:a00:7::1", "ff02::1"})
    EXPECT_FALSE(judgeAddress(wide.rules[0], connectTo("c.example:443"), *IpAddress::parse(never), all)) << never;
}

TEST(EgressRules, TlsAsksForTheNameOfTheTunnel) {
  auto rules = book(R"({ egress: ["a.example:443", "*.b.example:443", "10.0.0.7:443"] })");
  auto judge = [&](std::size_t rule, const char* target, std::optional<std::string> name) {
    return judgeServerName(rules.rules[rule], connectTo(target), name).has_value();
  };
  EXPECT_TRUE(judge(0, "a.example:443", "a.example"));
  EXPECT_TRUE(judge(0, "a.example:443", "A.Example"));
  EXPECT_FALSE(judge(0, "a.example:443", "hidden.example"));
  EXPECT_FALSE(judge(0, "a.example:443", std::nullopt));
  EXPECT_FALSE(judge(0, "a.example:443", ""));
  EXPECT_FALSE(judge(1, "x.b.example:443", "y.b.example"));  // the wildcard covers both, the tunnel only one
  EXPECT_TRUE(judge(2, "10.0.0.7:443", std::nullopt));
  EXPECT_FALSE(judge(2, "10.0.0.7:443", "hidden.example"));
}

TEST(EgressRules, AnOpenNetworkIsStillThePublicOne) {
  auto rules = book(R"({ unrestricted: true, reason: "measures the internet" })");
  EXPECT_TRUE(rules.open());
  EXPECT_EQ(refusedBy(rules, connectTo("anything.example:1")), "");
  EXPECT_EQ(refusedBy(rules, request("DELETE", "anything.example", "/..")), "");
  EXPECT_FALSE(judgeAddress(rules.rules[0], connectTo("a.example:1"), *IpAddress::parse("10.0.0.1"),
                            {*IpRange::parse("10.0.0.0/8")}));
}

TEST(EgressRules, WithoutNamesAddressesAreLeft) {
  auto rules = book(R"({ egress: ["a.example:443", "10.0.0.7:443"], dns: none })");
  EXPECT_EQ(refusedBy(rules, connectTo("a.example:443")), "no_names");
  EXPECT_EQ(refusedBy(rules, connectTo("10.0.0.7:443")), "");
}

}  // namespace
}  // namespace agentos::agentd::egress
