// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/proxy.h"

#include "agentd/egress/door.h"

namespace agentos::agentd::egress {
namespace asio = boost::asio;

Proxy::Proxy(ProxyParts parts) : shared_(std::make_shared<Shared>(std::move(parts))) {}

Proxy::~Proxy() {
  for (auto& [id, door] : doors_) door->close(false);
}

void Proxy::open(const InstanceId& id, std::shared_ptr<const contract::Contract> contract, std::string trace,
                 Fd listener) {
  if (auto found = doors_.find(id); found != doors_.end()) found->second->close(false);
  auto door = std::make_shared<Door>(shared_, id, std::move(contract), std::move(trace));
  door->listen(std::move(listener));
  doors_[id] = std::move(door);
}

asio::awaitable<void> Proxy::close(const InstanceId& id, bool ended) {
  auto found = doors_.find(id);
  if (found == doors_.end()) co_return;
  auto door = std::move(found->second);
  doors_.erase(found);
  door->close(ended);
}

Json Proxy::view(const InstanceId& id) const {
  if (auto found = doors_.find(id); found != doors_.end()) return found->second->view();
  auto account = shared_->parts.books.load(id);
  return {{"unrestricted", nullptr},
          {"rules", Json::array()},
          {"connections", 0},
          {"used", account ? toJson(*account) : Json::array()}};
}

std::size_t Proxy::connections() const { return shared_->connections; }

}  // namespace agentos::agentd::egress
