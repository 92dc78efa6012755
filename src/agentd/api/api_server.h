// SPDX-License-Identifier: Apache-2.0
// The HTTP API over its unix socket (and, with a token, loopback TCP). docs/openapi.json describes every route.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agentd/api/services.h"
#include "agentd/http/listen.h"
#include "base/fd.h"

namespace agentos::agentd {

class ApiServer {
 public:
  // Makes its table in services.db; `services` and what it refers to outlive the server.
  static Result<std::unique_ptr<ApiServer>> make(ApiServices services);
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // Serves a listening socket, unix or TCP, from now on.
  void listen(Fd listener);
  // Accepts nothing more, ends idle connections at once and streams soon, lets running requests finish for up to five
  // seconds, then cuts. On return no connection is left.
  boost::asio::awaitable<void> close();
  std::size_t connections() const;
  std::vector<std::pair<std::string, std::string>> routes() const;  // method and pattern, for the description's test

 private:
  struct Parts;
  explicit ApiServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace agentos::agentd
