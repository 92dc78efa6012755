// SPDX-License-Identifier: Apache-2.0
#include "agentd/http/router.h"

#include <algorithm>

#include "agentd/http/problem.h"
#include "base/text.h"

namespace agentos::agentd::http {
namespace {

// The parameters of a path that fits; none when it does not.
std::optional<Fields> fit(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return std::nullopt;
  Fields parameters;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i].starts_with('{')) {
      if (path[i].empty()) return std::nullopt;
      parameters.emplace_back(pattern[i].substr(1, pattern[i].size() - 2), path[i]);
    } else if (pattern[i] != path[i]) {
      return std::nullopt;
    }
  }
  return parameters;
}

Result<std::vector<std::string>> piecesOf(std::string_view path) {
  std::vector<std::string> pieces;
  for (std::string_view piece : split(path, '/')) {
    AGENTOS_TRY(auto decoded, decodePercent(piece));
    pieces.push_back(std::move(decoded));
  }
  return pieces;
}

}  // namespace

void Router::add(Route route) {
  std::vector<std::string> pieces;
  for (std::string_view piece : split(route.pattern, '/')) pieces.emplace_back(piece);
  pieces_.push_back(std::move(pieces));
  routes_.push_back(std::move(route));
}

Result<Router::Match> Router::find(std::string_view method, std::string_view path) const {
  AGENTOS_TRY(auto pieces, piecesOf(path));
  std::string_view served = method == "HEAD" ? "GET" : method;
  Match match;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    auto parameters = fit(pieces_[i], pieces);
    if (!parameters) continue;
    match.allowed.push_back(routes_[i].method);
    if (routes_[i].method != served || match.route != nullptr) continue;
    match.route = &routes_[i];
    match.parameters = std::move(*parameters);
  }
  return match;
}

Response unrouted(const Request& request, const Router::Match& match) {
  if (match.allowed.empty() && request.path != "*") {
    return problem(
        {ErrorCode::kNotFound, "there is nothing at " + request.path, "GET /openapi.json lists every path", 0, {}});
  }
  std::string allow = "OPTIONS";
  for (const std::string& method : match.allowed) allow += ", " + method + (method == "GET" ? ", HEAD" : "");
  Response response = request.method == "OPTIONS" ? noContent()
                                                  : problem({ErrorCode::kInvalidArgument,
                                                             request.method + " is not served at " + request.path,
                                                             "use one of: " + allow,
                                                             0,
                                                             {}},
                                                            405);
  response.headers.emplace_back("Allow", std::move(allow));
  return response;
}

}  // namespace agentos::agentd::http
