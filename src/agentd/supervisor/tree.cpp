// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/tree.h"

#include <algorithm>
#include <set>

namespace agentos::agentd {
namespace {

bool startedBefore(const TreeNode& a, const TreeNode& b) {
  return a.started != b.started ? a.started < b.started : a.id < b.id;
}

void collect(const Tree& tree, const AgentName& parent, std::set<InstanceId>& seen, std::vector<InstanceId>& order) {
  std::vector<const TreeNode*> children;
  for (const TreeNode& node : tree)
    if (node.parent == parent && seen.insert(node.id).second) children.push_back(&node);
  std::ranges::sort(children, [](const TreeNode* a, const TreeNode* b) { return startedBefore(*b, *a); });
  for (const TreeNode* child : children) {
    collect(tree, child->agent, seen, order);
    order.push_back(child->id);
  }
}

}  // namespace

std::vector<InstanceId> descendantsToStop(const Tree& tree, const AgentName& agent) {
  std::set<InstanceId> seen;
  for (const TreeNode& node : tree)
    if (node.agent == agent) seen.insert(node.id);
  std::vector<InstanceId> order;
  collect(tree, agent, seen, order);
  return order;
}

std::vector<InstanceId> siblingsToRestart(const Tree& tree, const TreeNode& failed) {
  using contract::SuperviseStrategy;
  if (failed.parent == AgentName() || failed.strategy == SuperviseStrategy::kOneForOne) return {};
  Tree chosen;
  for (const TreeNode& node : tree) {
    if (node.parent != failed.parent || node.agent == failed.agent) continue;
    if (failed.strategy == SuperviseStrategy::kRestForOne && !startedBefore(failed, node)) continue;
    chosen.push_back(node);
  }
  std::ranges::sort(chosen, startedBefore);
  std::vector<InstanceId> ids;
  for (const TreeNode& node : chosen) ids.push_back(node.id);
  return ids;
}

bool isLive(const Tree& tree, const AgentName& agent) {
  return std::ranges::any_of(tree, [&](const TreeNode& node) { return node.agent == agent; });
}

}  // namespace agentos::agentd
