// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agentd/supervisor/room_plan.h"
#include "base/files.h"

namespace agentos::agentd {
namespace {

using sandbox::RoomMount;

// What every agent sees of its company; more by its data scopes.
std::vector<std::string> companyView(const AgentName& agent) {
  return {"agents/state/" + agent.str(),
          "agents/messages/" + agent.str(),
          "agents/messages/broadcast",
          "agents/messages/threads",
          "agents/tasks",
          "knowledge",
          "strategy",
          "identity"};
}

std::vector<std::string> scopedPaths(const company::Company& company, const contract::Contract& contract) {
  std::vector<std::string> paths;
  for (const auto& [scope, members] : company.settings().scopes) {
    if (std::ranges::find(contract.security.dataScopes, scope) == contract.security.dataScopes.end()) continue;
    paths.insert(paths.end(), members.begin(), members.end());
  }
  return paths;
}

void addCompanyView(const RoomInput& input, std::vector<RoomMount>& mounts) {
  auto paths = companyView(input.contract.name);
  for (auto& path : scopedPaths(*input.company, input.contract)) paths.push_back(std::move(path));
  std::ranges::sort(paths);
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  for (const auto& path : paths) {
    // A path that leaves the company through a link is not shown; one that is not there is left out by the spawner.
    auto found = openBeneath(input.company->rootFd(), path, O_PATH | O_CLOEXEC);
    if (!found) continue;
    mounts.push_back({.source = input.company->path() + "/" + path, .target = "/company/" + path, .optional = true});
  }
}

Result<RoomMount> workspaceMount(const company::Company* company, const contract::WorkspaceMount& wanted) {
  RoomMount mount{
      .source = wanted.source, .target = wanted.target, .writable = wanted.mode == contract::MountMode::kReadWrite};
  if (wanted.source.starts_with('/')) return mount;
  if (company == nullptr) {
    return fail(ErrorCode::kRefused, "the mount \"" + wanted.source + "\" is relative to a company, and there is none",
                "start agentd with --company, or write an absolute source");
  }
  auto found = openBeneath(company->rootFd(), wanted.source, O_PATH | O_CLOEXEC);
  if (!found) {
    return std::unexpected(
        std::move(found.error()).within("workspace.mounts: " + company->path() + "/" + wanted.source));
  }
  mount.source = company->path() + "/" + wanted.source;
  return mount;
}

// Owners show as the agent's own where the tree is ours; a system-wide tree is world-readable anyway.
bool isOurs(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && status.st_uid == ::getuid();
}

}  // namespace

Result<std::vector<RoomMount>> makeMounts(const RoomInput& input) {
  std::vector<RoomMount> mounts;
  mounts.push_back(
      {.source = input.paths.scratch() + "/" + input.contract.name.str(), .target = "/home/agent", .writable = true});
  mounts.push_back({.source = input.paths.instance(input.id) + "/context", .target = "/context"});
  if (!input.runtime.empty()) {
    mounts.push_back({.source = input.runtime, .target = "/runtime", .idmapped = isOurs(input.runtime)});
  }
  if (input.company != nullptr) addCompanyView(input, mounts);
  std::size_t overlays = 0;
  for (const auto& wanted : input.contract.workspace.mounts) {
    AGENTOS_TRY(auto mount, workspaceMount(input.company, wanted));
    if (wanted.mode == contract::MountMode::kOverlay && input.overlays) {
      const std::string own = input.paths.overlays() + "/" + input.id.str() + "/" + std::to_string(overlays++);
      mount.source = own + "/base", mount.layers = own + "/layers";
    }
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

bool wantsOverlays(const contract::Contract& contract) {
  return std::ranges::any_of(contract.workspace.mounts,
                             [](const auto& mount) { return mount.mode == contract::MountMode::kOverlay; });
}

Result<std::vector<OverlayTree>> overlayTrees(const contract::Contract& contract, const company::Company* company) {
  std::vector<OverlayTree> trees;
  for (const auto& wanted : contract.workspace.mounts) {
    if (wanted.mode != contract::MountMode::kOverlay) continue;
    AGENTOS_TRY(auto mount, workspaceMount(company, wanted));
    trees.push_back({mount.source, wanted.target});
  }
  if (trees.size() > kMostOverlaysOfARun) {
    return fail(ErrorCode::kTooLarge, std::to_string(trees.size()) + " mounts of mode overlay",
                "at most " + std::to_string(kMostOverlaysOfARun));
  }
  return trees;
}

}  // namespace agentos::agentd
