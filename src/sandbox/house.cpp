// SPDX-License-Identifier: Apache-2.0
#include "sandbox/house.h"

#include <filesystem>

#include "base/files.h"
#include "base/yaml.h"
#include "sandbox/policy_file.h"

namespace agentos::sandbox {
namespace {

constexpr const char* kDefaultUser = "agentd";

std::string stateOf(const House& house) { return house.prefix + "/var/lib/agentd"; }
std::string rootStateOf(const House& house) { return house.prefix + "/var/lib/agentd-root"; }
std::string runOf(const House& house) { return house.prefix + "/run/agentd"; }

std::unexpected<Error> wrongAt(const std::string& file, const YamlNode& node, const std::string& what,
                               std::string remedy) {
  return fail(ErrorCode::kConfig,
              file + ":" + std::to_string(node.mark.line) + ":" + std::to_string(node.mark.column) + ": " + what,
              std::move(remedy));
}

// A path as agentd reads it: relative to the file.
Result<std::string> pathIn(const std::string& file, const std::string& key, const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar) return wrongAt(file, node, key + " must be a path", "write one value");
  if (node.scalar.empty()) return std::string();
  auto path = (std::filesystem::path(file).parent_path() / node.scalar).lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Result<std::string> pathAt(const YamlNode& document, const std::string& file, const std::string& key) {
  const YamlNode* node = document.find(key);
  if (node == nullptr || node->kind == YamlNode::Kind::kNull) return std::string();
  return pathIn(file, key, *node);
}

Result<std::vector<std::string>> grantedMounts(const YamlNode& document, const std::string& file) {
  std::vector<std::string> paths;
  const YamlNode* policy = document.find("policy");
  const YamlNode* mounts = policy == nullptr ? nullptr : policy->find("mounts");
  if (mounts == nullptr) return paths;
  if (mounts->kind != YamlNode::Kind::kList)
    return wrongAt(file, *mounts, "policy.mounts must be a list", "write [ … ] with paths");
  for (const auto& item : mounts->items) {
    AGENTOS_TRY(auto path, pathIn(file, "policy.mounts", item));
    paths.push_back(std::move(path));
  }
  return paths;
}

// A link that agentd's user made says nothing of what root allows: else it would put one in its own directories, have
// the policy read again, and mount what the link names.
void allow(Policy& policy, const std::string& path, bool writable) {
  if (!path.empty()) policy.mounts.push_back({resolvedPathWithout(policy.peerUid, path), writable, {}, {}});
}

Result<std::string> userOf(const YamlNode& document, const House& house) {
  if (!house.user.empty()) return house.user;
  const YamlNode* node = document.find("user");
  if (node == nullptr || node->kind == YamlNode::Kind::kNull) return std::string(kDefaultUser);
  if (node->kind != YamlNode::Kind::kScalar)
    return wrongAt(house.configFile, *node, "user must be text", "write one value");
  return node->scalar;
}

Result<YamlNode> documentOf(std::string_view text, const std::string& file) {
  auto document = parseYaml(text, file);
  if (!document) return fail(ErrorCode::kConfig, document.error().front().message());
  return *std::move(document);
}

// One line, as the keeper wrote it.
Result<std::string> keepersGroup(const House& house) {
  const std::string file = cgroupFileOf(house);
  auto text = readPath(file, 8192);
  if (!text) {
    return fail(ErrorCode::kSandboxCgroup, "the keeper has not said where its group is: " + text.error().message(),
                "start agentd-agents.service, or agentd-keeper --tell " + file);
  }
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return *std::move(text);
}

}  // namespace

std::string spawnerSocketOf(const House& house) { return runOf(house) + "/spawner.sock"; }
std::string auditAnchorOf(const House& house) { return rootStateOf(house) + "/audit.anchor"; }
std::string cgroupFileOf(const House& house) { return runOf(house) + "/cgroup"; }

Result<Policy> parseHousePolicy(std::string_view text, House& house, Policy policy) {
  const std::string& file = house.configFile;
  policy.stateDir = stateOf(house);
  policy.logDir = house.prefix + "/var/log/agentd";
  policy.runDir = runOf(house);
  policy.volumeDir = rootStateOf(house) + "/scratch";
  AGENTOS_TRY(const auto document, documentOf(text, file));
  AGENTOS_TRY(const auto runtime, pathAt(document, file, "runtime"));
  AGENTOS_TRY(auto company, pathAt(document, file, "company"));
  AGENTOS_TRY(const auto granted, grantedMounts(document, file));
  if (house.company.empty()) house.company = std::move(company);
  AGENTOS_TRY(policy, parsePolicy(text, file, std::move(policy)));
  allow(policy, policy.stateDir + "/scratch", true);
  allow(policy, policy.stateDir + "/instances", false);
  allow(policy, rootStateOf(house) + "/runtime", false);
  allow(policy, runtime, false);
  allow(policy, house.company, true);
  for (const auto& path : granted) allow(policy, path, true);
  return policy;
}

Result<Policy> loadHousePolicy(House& house) {
  auto text = readRootsFile(house.configFile);
  if (!text && text.error().code != ErrorCode::kNotFound) return std::unexpected(std::move(text).error());
  if (!text) text = std::string();
  AGENTOS_TRY(const auto document, documentOf(*text, house.configFile));
  AGENTOS_TRY(house.user, userOf(document, house));
  Policy policy;
  AGENTOS_TRY(const UserIds ids, findUser(house.user));
  policy.peerUid = ids.uid, policy.peerGid = ids.gid;
  AGENTOS_TRY(policy, parseHousePolicy(*text, house, std::move(policy)));
  if (policy.cgroupRoot.empty()) {
    AGENTOS_TRY(policy.cgroupRoot, keepersGroup(house));
  }
  return policy;
}

}  // namespace agentos::sandbox
