// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agentd/api/services.h"
#include "agentd/http/router.h"

namespace agentos::agentd {

enum class Role : std::uint8_t { kNone, kMember, kAdmin };

// By the kernel's word about the peer alone.
Role roleOf(const http::Peer& peer, const RoleConfig& roles);

// Nothing when the caller may; else 403 with the group that is needed, or 401 for a TCP caller without the token.
std::optional<http::Response> refusal(const http::Request& request, http::Access access, const ApiServices& api);

}  // namespace agentos::agentd
