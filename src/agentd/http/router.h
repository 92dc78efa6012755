// SPDX-License-Identifier: Apache-2.0
// Which handler serves which method and path. A pattern is a path whose pieces may be {names}: "/v1/agents/{id}/pause".
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/http/message.h"

namespace agentos::agentd::http {

using Handler = std::function<boost::asio::awaitable<Response>(RequestPtr, Stream&)>;

enum class Access : std::uint8_t { kOpen, kMember, kAdmin };  // whoever connects; look and work; everything

// What happens to a handler whose client hangs up: changes are finished, long looking and model calls are cut
// (the coroutine is cancelled).
enum class Hangup : std::uint8_t { kFinish, kCut };

struct Route {
  std::string method, pattern;
  Access access = Access::kMember;
  Handler handler;
  Hangup hangup = Hangup::kFinish;
};

class Router {
 public:
  void add(Route route);
  const std::vector<Route>& routes() const { return routes_; }

  struct Match {
    const Route* route = nullptr;  // null: see `allowed`
    Fields parameters;
    std::vector<std::string> allowed;  // the methods of that path; empty: there is no such path
  };
  // HEAD is served by GET.
  Result<Match> find(std::string_view method, std::string_view path) const;

 private:
  std::vector<Route> routes_;
  std::vector<std::vector<std::string>> pieces_;  // of each route's pattern
};

// 404, 405 with Allow, or the answer to OPTIONS.
Response unrouted(const Request& request, const Router::Match& match);

}  // namespace agentos::agentd::http
