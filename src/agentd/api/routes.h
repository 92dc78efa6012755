// SPDX-License-Identifier: Apache-2.0
// The groups of routes, and what their handlers share. `api` outlives every handler.
#pragma once

#include <string>
#include <vector>

#include "agentd/api/services.h"
#include "agentd/http/problem.h"
#include "agentd/http/router.h"

namespace agentos::agentd {

void addAgentRoutes(http::Router& router, const ApiServices& api);
void addChangeRoutes(http::Router& router, const ApiServices& api);
void addLogRoutes(http::Router& router, const ApiServices& api);
void addTaskRoutes(http::Router& router, const ApiServices& api);
void addWorkRoutes(http::Router& router, const ApiServices& api);  // contracts, cycles, models, costs, company
void addAuditRoutes(http::Router& router, const ApiServices& api);
void addEventRoutes(http::Router& router, const ApiServices& api);
void addSupervisionRoutes(http::Router& router, const ApiServices& api);  // explain, halt, dead letters
void addSystemRoutes(http::Router& router, const ApiServices& api);

// docs/openapi.json, as it was when this program was built.
std::string_view openApiDocument();

// Who asks, as records write it: "uid:1000", or "tcp" for a caller with the token.
std::string actorOf(const http::Request& request);

// By id, by its beginning or by its agent's name. Until recovery is done, who is not known yet may well be there: that
// is kUnavailable and not kNotFound.
Result<InstanceId> findRun(const ApiServices& api, std::string_view text);
bool isRecovering(const ApiServices& api);
// The problem, and when it is that something is not there yet, with Retry-After.
http::Response askAgain(const Error& error);

// A handler that waits for nothing: `work` is called with the request and gives the response.
template <class Work>
http::Handler plainly(Work work) {
  return [work = std::move(work)](http::RequestPtr request, http::Stream&) -> boost::asio::awaitable<http::Response> {
    co_return work(*request);
  };
}

// One page of a list that is ordered by key: ?limit= (1000 by default, at most 10000) and ?after=, the "next" of the
// page before. {"items":[…],"next":"…"|null}
struct Listed {
  std::string key;
  std::function<Json()> render;
};
http::Response page(const http::Request& request, std::vector<Listed> items);

}  // namespace agentos::agentd
