// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/routes.h"

#include <algorithm>

namespace agentos::agentd {
namespace {

constexpr std::uint64_t kDefaultPage = 1000, kLargestPage = 10000;

}  // namespace

std::string actorOf(const http::Request& request) {
  return request.peer.known ? "uid:" + std::to_string(request.peer.uid) : "tcp";
}

bool isRecovering(const ApiServices& api) { return api.notReady && api.notReady() == kStarting; }

Result<InstanceId> findRun(const ApiServices& api, std::string_view text) {
  auto found = api.supervisor.resolve(text);
  const std::string why = !found && api.notReady ? api.notReady() : "";
  if (why.empty() || found.error().code != ErrorCode::kNotFound) return found;
  return fail(ErrorCode::kUnavailable, found.error().what + " yet: agentd is " + why, "ask again in a moment");
}

http::Response askAgain(const Error& error) {
  auto response = http::problem(error);
  if (error.code == ErrorCode::kUnavailable) response.headers.emplace_back("Retry-After", "1");
  return response;
}

http::Response page(const http::Request& request, std::vector<Listed> items) {
  auto limit = http::numberOf(request, "limit");
  if (!limit) return http::problem(limit.error());
  std::uint64_t most = limit->value_or(kDefaultPage);
  if (most < 1 || most > kLargestPage) {
    return http::problem(
        {ErrorCode::kInvalidArgument, "?limit=" + std::to_string(most), "1 to " + std::to_string(kLargestPage), 0, {}});
  }
  std::ranges::sort(items, {}, &Listed::key);
  auto from = items.begin();
  if (auto after = request.queryValue("after"); after && !after->empty())
    from = std::ranges::upper_bound(items, *after, {}, &Listed::key);
  auto to =
      from + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(most, static_cast<std::uint64_t>(items.end() - from)));
  Json view{{"items", Json::array()}, {"next", nullptr}};
  for (auto item = from; item != to; ++item) view["items"].push_back(item->render());
  if (to != items.end()) view["next"] = (to - 1)->key;
  return http::json(view);
}

}  // namespace agentos::agentd
