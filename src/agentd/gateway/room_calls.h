// SPDX-License-Identifier: Apache-2.0
// What the gateway's handlers share: the room a call came from, and what was counted of it.
#pragma once

#include <memory>

#include "agentd/gateway/gateway.h"
#include "agentd/http/problem.h"
#include "agentd/http/router.h"

namespace agentos::agentd {

// Bounds of one run, beyond its contract (docs/limits.md).
inline constexpr std::int64_t kMailPerRun = 200, kLogLinesPerRun = 10000, kDenialsTold = 100;

struct RoomCount {
  std::int64_t turns = 0;  // model calls that were begun, over a restart of agentd too
  std::int64_t mail = 0, logLines = 0, denials = 0;
};

// The room of a request; an error when its run is over.
struct Caller {
  RoomView room;
  std::shared_ptr<RoomCount> count;
};
using FindCaller = std::function<Result<Caller>(const http::Request&)>;

void addModelRoutes(http::Router& router, const GatewayServices& services, FindCaller find);
void addSelfRoutes(http::Router& router, const GatewayServices& services, FindCaller find);

models::Account accountOf(const RoomView& room);

}  // namespace agentos::agentd
