// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server on listening sockets that somebody else made: unix or TCP, of this network namespace or another.
// One loop, one thread; a coroutine a connection. What a bad client can cost is bounded (docs/limits.md):
//
//   head of a request   10 s in all from its first byte, 16 KiB            408, 431
//   body                30 s in all, ServerOptions::bodyLimit               408, 413 (a longer Content-Length unread)
//   bodies together     ServerOptions::bodiesLimit                          503 for what is over 64 KiB
//   an answer           a write that makes no progress for 10 s is cut
//   an idle connection  75 s; the oldest goes first when the server is full
//   connections         ServerOptions::maxConnections
//
// Out of descriptors, it drops its oldest idle connection, waits a moment and goes on.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "agentd/http/message.h"
#include "agentd/http/router.h"
#include "base/fd.h"

namespace agentos::agentd::http {

struct ServerOptions {
  std::string name = "http";  // for the log
  std::string room;           // becomes Request::room
  std::size_t headerLimit = 16 << 10;
  std::size_t bodyLimit = 1 << 20;
  std::size_t bodiesLimit = 64 << 20;  // of all connections, from a body's first byte until it is answered
  std::size_t maxConnections = 512;
  std::chrono::milliseconds headerTimeout = std::chrono::seconds(10);
  std::chrono::milliseconds bodyTimeout = std::chrono::seconds(30);
  std::chrono::milliseconds writeTimeout = std::chrono::seconds(10);
  std::chrono::milliseconds idleTimeout = std::chrono::seconds(75);
};

// What the server serves.
class Application {
 public:
  virtual ~Application() = default;
  // The route of a request (its parameters are written into it), or the answer that ends the matter: 404, 405, 403.
  virtual std::expected<const Route*, Response> route(Request& request) = 0;
};

class Server {
 public:
  // The application outlives the server's connections: close() first.
  Server(boost::asio::io_context& io, Application& application, ServerOptions options);
  // Cuts what is left.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Adopts a listening socket.
  void listen(Fd listener);
  // No new connection; idle ones end at once, streams are cut, other requests may finish within `grace`, then are cut
  // too. On return no connection is left and no handler runs.
  boost::asio::awaitable<void> close(std::chrono::milliseconds grace);
  std::size_t connections() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace agentos::agentd::http
