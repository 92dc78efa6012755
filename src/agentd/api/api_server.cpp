// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/api_server.h"

#include "agentd/api/idempotency.h"
#include "agentd/api/roles.h"
#include "agentd/api/routes.h"
#include "agentd/http/server.h"

namespace agentos::agentd {
namespace asio = boost::asio;
namespace {

constexpr auto kCloseGrace = std::chrono::seconds(5);
constexpr std::size_t kBodyLimit = 1 << 20;

http::ServerOptions serverOptions() {
  http::ServerOptions options;
  options.name = "api";
  options.bodyLimit = kBodyLimit;
  return options;
}

}  // namespace

struct ApiServer::Parts final : http::Application {
  explicit Parts(ApiServices given) : services(std::move(given)), server(services.io, *this, serverOptions()) {}

  std::expected<const http::Route*, http::Response> route(http::Request& request) override {
    auto match = router.find(request.method, request.path);
    if (!match) return std::unexpected(http::problem(match.error()));
    // Before anything is told of what there is: the right to look.
    auto access = match->route != nullptr ? match->route->access : http::Access::kMember;
    if (auto refused = refusal(request, access, services)) return std::unexpected(denied(request, std::move(*refused)));
    if (match->route == nullptr) return std::unexpected(http::unrouted(request, *match));
    request.parameters = std::move(match->parameters);
    return match->route;
  }

  http::Response denied(const http::Request& request, http::Response response) {
    // Not waited for: a caller without rights shall not make the disk work for each try.
    auto noted = services.events.note(
        {.kind = "denied",
         .actor = actorOf(request),
         .agent = {},
         .instance = {},
         .task = {},
         .contract = {},
         .trace = request.trace,
         .data = {{"method", request.method}, {"path", request.path}, {"status", response.status}}});
    return noted ? std::move(response)
                 : http::problem(std::move(noted).error().within("a denial could not be audited"));
  }

  ApiServices services;
  http::Router router;
  std::unique_ptr<Idempotency> idempotency;
  http::Server server;
};

ApiServer::ApiServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ApiServer::~ApiServer() = default;

Result<std::unique_ptr<ApiServer>> ApiServer::make(ApiServices services) {
  auto parts = std::make_unique<Parts>(std::move(services));
  const ApiServices& api = parts->services;
  AGENTOS_TRY(parts->idempotency, Idempotency::make(api.db, api.clock));
  http::Router plain;
  for (auto add : {addAgentRoutes, addChangeRoutes, addLogRoutes, addTaskRoutes, addWorkRoutes, addAuditRoutes,
                   addEventRoutes, addSupervisionRoutes, addSystemRoutes})
    add(plain, api);
  for (http::Route route : plain.routes()) {
    if (route.method == "POST") route.handler = parts->idempotency->wrap(std::move(route.handler));
    parts->router.add(std::move(route));
  }
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(parts)));
}

void ApiServer::listen(Fd listener) { parts_->server.listen(std::move(listener)); }

asio::awaitable<void> ApiServer::close() { co_await parts_->server.close(kCloseGrace); }

std::size_t ApiServer::connections() const { return parts_->server.connections(); }

std::vector<std::pair<std::string, std::string>> ApiServer::routes() const {
  std::vector<std::pair<std::string, std::string>> routes;
  for (const http::Route& route : parts_->router.routes()) routes.emplace_back(route.method, route.pattern);
  return routes;
}

}  // namespace agentos::agentd
