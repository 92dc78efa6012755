// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/policy.h"

#include <algorithm>
#include <cctype>

#include "base/host_name.h"
#include "base/text.h"

namespace agentos::agentd {
namespace {

bool fitsAny(const std::vector<std::string>& patterns, const std::string& value) {
  return std::ranges::any_of(patterns, [&](const auto& one) { return matchesPattern(one, value); });
}

bool isBelowAny(const std::vector<std::string>& roots, const std::string& path) {
  return std::ranges::any_of(roots, [&](const auto& root) { return path == root || path.starts_with(root + "/"); });
}

// The star of a rule stands for any name: only a star of the policy covers it.
bool reachesOnly(const std::vector<std::string>& patterns, const contract::EgressRule& rule) {
  const bool wild = rule.host.starts_with("*.");
  const auto host = canonicalHost(wild ? std::string_view(rule.host).substr(2) : rule.host);
  if (!host) return false;
  const std::string target = (wild ? "\x01.\x01." : "") + bracketed(*host) + ":" + std::to_string(rule.port);
  return std::ranges::any_of(patterns, [&](std::string pattern) {
    std::ranges::transform(pattern, pattern.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return matchesPattern(pattern, target);
  });
}

}  // namespace

Result<void> checkCompanyGrants(const contract::Contract& contract, const PolicyConfig& policy) {
  std::vector<std::string> refused, keys;
  auto refuse = [&](const std::string& path, const std::string& value, const std::string& key) {
    refused.push_back(path + " \"" + value + "\"");
    if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
  };
  if (!contract.run.command.empty() && !fitsAny(policy.programs, contract.run.command.front())) {
    refuse("run.command", contract.run.command.front(), "policy.programs");
  }
  for (const auto& mount : contract.workspace.mounts) {
    if (mount.source.starts_with('/') && !isBelowAny(policy.mounts, mount.source)) {
      refuse("workspace.mounts", mount.source, "policy.mounts");
    }
  }
  for (const auto& rule : contract.network.egress) {
    if (!reachesOnly(policy.egress, rule)) refuse("network.egress", contract::textOf(rule), "policy.egress");
  }
  if (contract.network.unrestricted) refuse("network", "unrestricted", "a contract of root's in PREFIX/etc/agents");
  for (const auto& secret : contract.run.secrets) {
    if (!fitsAny(policy.secrets, secret)) refuse("run.secrets", secret, "policy.secrets");
  }
  if (refused.empty()) return {};
  return fail(ErrorCode::kRefused, "root's policy does not let a company's contract grant " + join(refused, ", "),
              "allow it in agentd.yaml (" + join(keys, ", ") + ") or keep the contract in PREFIX/etc/agents");
}

}  // namespace agentos::agentd
