// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/roles.h"

#include <algorithm>

#include "agentd/api/routes.h"
#include "agentd/http/problem.h"
#include "base/digest.h"

namespace agentos::agentd {
namespace {

bool isIn(const http::Peer& peer, const std::optional<gid_t>& group) {
  return group && (peer.gid == *group || std::ranges::find(peer.groups, *group) != peer.groups.end());
}

// Digests are compared, so that the time tells nothing of the token.
bool hasToken(const http::Request& request, const std::string& token) {
  constexpr std::string_view kScheme = "Bearer ";
  std::string_view given = request.header("authorization");
  if (token.empty() || !given.starts_with(kScheme)) return false;
  return sha256(given.substr(kScheme.size())) == sha256(token);
}

http::Response unauthorized() {
  auto response = http::problem({ErrorCode::kDenied,
                                 "a caller over TCP without the right bearer token",
                                 "send Authorization: Bearer with the token of agentd.yaml, or use the unix socket",
                                 0,
                                 {}},
                                401);
  response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"agentd\"");
  return response;
}

}  // namespace

Role roleOf(const http::Peer& peer, const RoleConfig& roles) {
  if (!peer.known) return Role::kNone;
  if (peer.uid == 0 || roles.adminUids.contains(peer.uid) || isIn(peer, roles.adminGroup)) return Role::kAdmin;
  return isIn(peer, roles.workGroup) ? Role::kMember : Role::kNone;
}

std::optional<http::Response> refusal(const http::Request& request, http::Access access, const ApiServices& api) {
  if (access == http::Access::kOpen) return std::nullopt;
  if (!request.peer.known) {
    if (hasToken(request, api.bearerToken)) return std::nullopt;
    return unauthorized();
  }
  Role role = roleOf(request.peer, api.roles);
  if (role == Role::kAdmin || (role == Role::kMember && access == http::Access::kMember)) return std::nullopt;
  const std::string& needed = access == http::Access::kAdmin ? api.roles.adminGroupName : api.roles.workGroupName;
  return http::problem({ErrorCode::kDenied,
                        actorOf(request) + " may not " + request.method + " " + request.path,
                        "ask as root or as a member of group " + needed,
                        0,
                        {}});
}

}  // namespace agentos::agentd
