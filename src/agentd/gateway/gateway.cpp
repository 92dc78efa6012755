// SPDX-License-Identifier: Apache-2.0
#include "agentd/gateway/gateway.h"

#include "agentd/gateway/room_calls.h"
#include "agentd/http/server.h"

namespace agentos::agentd {
namespace asio = boost::asio;
namespace {

constexpr std::size_t kBodyLimit = 32 << 20;
constexpr std::size_t kConnectionsPerRoom = 64;

http::ServerOptions optionsOf(const InstanceId& id, const std::string& what) {
  http::ServerOptions options;
  options.name = what + " of " + id.str();
  options.room = id.str();
  options.bodyLimit = kBodyLimit;
  options.maxConnections = kConnectionsPerRoom;
  return options;
}

// 4242: what the gateway serves.
class RoomApplication final : public http::Application {
 public:
  std::expected<const http::Route*, http::Response> route(http::Request& request) override {
    auto match = router.find(request.method, request.path);
    if (!match) return std::unexpected(http::problem(match.error()));
    if (match->route == nullptr) return std::unexpected(http::unrouted(request, *match));
    request.parameters = std::move(match->parameters);
    return match->route;
  }
  http::Router router;
};

// 4243 of a gateway without a proxy, and of a room whose run is not known: nothing leaves.
class NoWayOut final : public http::Application {
 public:
  std::expected<const http::Route*, http::Response> route(http::Request& request) override {
    auto response = http::problem({ErrorCode::kDenied,
                                   "no way out of this room to " + request.path,
                                   "models are at http://127.0.0.1:4242",
                                   0,
                                   {}});
    response.close = true;
    return std::unexpected(std::move(response));
  }
};

}  // namespace

struct Gateway::Applications {
  RoomApplication room;
  NoWayOut proxy;
};

struct Gateway::Room {
  Room(asio::io_context& io, Applications& applications, const InstanceId& id)
      : gateway(io, applications.room, optionsOf(id, "gateway")),
        proxy(io, applications.proxy, optionsOf(id, "proxy")) {}
  std::shared_ptr<RoomCount> count = std::make_shared<RoomCount>();
  http::Server gateway, proxy;
};

Gateway::Gateway(GatewayServices services) : services_(services), applications_(std::make_unique<Applications>()) {
  FindCaller find = [this](const http::Request& request) -> Result<Caller> {
    AGENTOS_TRY(auto id, InstanceId::parse(request.room));
    auto room = services_.supervisor.room(id);
    auto open = rooms_.find(id);
    if (!room || !room->contract || open == rooms_.end()) {
      return fail(ErrorCode::kUnavailable, "the run " + id.str() + " is over", "nothing is served to it any more");
    }
    return Caller{std::move(*room), open->second->count};
  };
  addModelRoutes(applications_->room.router, services_, find);
  addSelfRoutes(applications_->room.router, services_, find);
}

Gateway::~Gateway() = default;

void Gateway::openRoom(const InstanceId& id, std::vector<Fd> listeners) {
  auto room = std::make_shared<Room>(services_.io, *applications_, id);
  if (auto view = services_.supervisor.view(id)) room->count->turns = view->modelCalls;
  if (!listeners.empty()) room->gateway.listen(std::move(listeners[0]));
  if (listeners.size() > 1) {
    auto view = services_.supervisor.room(id);
    if (services_.egress != nullptr && view && view->contract) {
      services_.egress->open(id, view->contract, view->trace, std::move(listeners[1]));
    } else {
      room->proxy.listen(std::move(listeners[1]));
    }
  }
  rooms_[id] = std::move(room);  // an earlier one's connections are cut as it goes
}

asio::awaitable<void> Gateway::closeRoom(const InstanceId& id) { return close(id, true); }

asio::awaitable<void> Gateway::close(InstanceId id, bool ended) {
  if (services_.egress != nullptr) co_await services_.egress->close(id, ended);
  auto found = rooms_.find(id);
  if (found == rooms_.end()) co_return;
  auto room = std::move(found->second);
  rooms_.erase(found);
  co_await room->gateway.close(std::chrono::milliseconds(0));
  co_await room->proxy.close(std::chrono::milliseconds(0));
}

asio::awaitable<void> Gateway::closeAll() {
  while (!rooms_.empty()) {
    InstanceId id = rooms_.begin()->first;
    co_await close(std::move(id), false);
  }
}

models::Caps capsOf(const contract::Contract& contract, const company::Company* company) {
  models::Caps caps;
  caps.perRun = contract.budget.perRun;
  caps.perDay = contract.budget.perDay;
  caps.perWeek = contract.budget.perWeek;
  caps.perMonth = contract.budget.perMonth;
  caps.tokensPerRun = contract.budget.tokensPerRun;
  if (company != nullptr) {
    caps.companyPerDay = company->settings().perDay;
    caps.companyPerMonth = company->settings().perMonth;
  }
  return caps;
}

models::Account accountOf(const RoomView& room) {
  return {.agent = std::string(agentOf(room.id)),
          .instance = room.id.str(),
          .task = room.claim ? room.claim->task.str() : ""};
}

}  // namespace agentos::agentd
