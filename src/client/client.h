// SPDX-License-Identifier: Apache-2.0
// Talks to agentd: HTTP/1.1 with JSON over its unix socket (docs/openapi.json has the routes). One request at a time;
// a Client is not shared between threads.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "client/event_stream.h"

namespace agentos::client {

struct Request {
  std::string method = "GET";
  std::string path;                                          // "/v1/agents/maker"; pathOf() escapes its parts
  std::vector<std::pair<std::string, std::string>> query{};  // escaped here; empty values are left out
  std::optional<Json> body{};
  std::string accept = "application/json";
  // Makes a repeated mutation happen once. POSTs without one get a random one, so that a request whose answer was lost
  // can be asked again.
  std::string idempotencyKey{};
  std::string lastEventId{};
  Nanoseconds timeout = std::chrono::seconds(30);  // zero: none (streams)
};

struct Response {
  int status = 0;
  std::string contentType, body;
};

// "/v1/agents" and {"a b"} → "/v1/agents/a%20b".
std::string pathOf(std::string_view base, std::initializer_list<std::string_view> parts);

class Client {
 public:
  explicit Client(std::string socketPath);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // A 2xx answer, whatever its body; else the problem document as an Error. kUnreachable when no daemon listens,
  // kDenied when the socket may not be used, kTimedOut. An answer that was lost, and a 503 that says Retry-After (a
  // daemon that is starting), are asked for again: the second for five seconds at most, and never beyond the timeout.
  Result<Response> send(const Request& request);
  // The body of a 2xx answer, parsed; an empty one is null.
  Result<Json> call(const Request& request);

  // Body bytes as they come, until the server ends (ok), `sink` says false (ok) or the connection breaks
  // (kUnreachable).
  Result<void> stream(const Request& request, const std::function<bool(std::string_view)>& sink);
  // Server-sent events. After a break the caller asks again with lastEventId set to the last id it saw.
  Result<void> events(Request request, const std::function<bool(const ServerEvent&)>& sink);

  // Every item of a paged list: asks for the page `after` the `next` of the one before. Stops at `atMost` items.
  Result<Json> list(Request request, std::size_t atMost = 100'000);

  const std::string& socketPath() const { return socketPath_; }

 private:
  std::string socketPath_;
  void* curl_;
};

}  // namespace agentos::client
