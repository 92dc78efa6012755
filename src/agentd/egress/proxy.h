// SPDX-License-Identifier: Apache-2.0
// The way out of a room (127.0.0.1:4243 in it): plain HTTP in absolute form, and CONNECT. Each room has a door of its
// own with its contract's rules; whose call it is, the door says. One loop, one thread; what a call can cost is bounded
// (docs/limits.md).
//
//   a call  →  head, read strictly (request_head.h)  →  rule by name, port, method, path (rules.h)
//           →  the name's addresses (resolver.h), each judged, none of this machine's  →  connected to that address
//           →  TLS to that name, in a tunnel (client_hello.h)  →  bytes, counted, paced and capped
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "agentd/egress/books.h"
#include "agentd/egress/resolver.h"
#include "agentd/events.h"
#include "base/fd.h"
#include "base/ids.h"
#include "contract/contract.h"

namespace agentos::agentd::egress {

struct Timing {
  std::chrono::milliseconds head = std::chrono::seconds(10);     // a request's head, and a tunnel's first message
  std::chrono::milliseconds connect = std::chrono::seconds(10);  // all addresses of a name together
  std::chrono::milliseconds idle = std::chrono::minutes(10);     // nothing moves, either way
  std::chrono::milliseconds halfOpen = std::chrono::minutes(2);  // the same, once a side has ended
  std::chrono::milliseconds save = std::chrono::seconds(5);
};

struct ProxyParts {
  boost::asio::io_context& io;
  Events& events;
  Books& books;
  Resolver& resolver;
  std::function<std::vector<IpRange>()> permitted;  // root's policy.egress_private, as it is now
  Timing timing{};
  std::size_t connectionsPerRoom = 128, connections = 2048;
};

class Door;

class Proxy {
 public:
  explicit Proxy(ProxyParts parts);
  ~Proxy();  // cuts what is left
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // From here the room has its way out; opened again, the listener is the new one.
  void open(const InstanceId& id, std::shared_ptr<const contract::Contract> contract, std::string trace, Fd listener);
  // On return no connection of the room is left. `ended`: its summary goes into the audit log.
  boost::asio::awaitable<void> close(const InstanceId& id, bool ended);
  // What left the room of a run that is there or was: {"unrestricted": reason or null, "rules": […], "used": […]}.
  Json view(const InstanceId& id) const;
  std::size_t connections() const;

  struct Shared;

 private:
  std::shared_ptr<Shared> shared_;
  std::map<InstanceId, std::shared_ptr<Door>> doors_;
};

}  // namespace agentos::agentd::egress
