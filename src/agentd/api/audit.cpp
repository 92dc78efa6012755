// SPDX-License-Identifier: Apache-2.0
// /v1/audit: the log, read and verified on the pool.
#include "agentd/api/on_pool.h"
#include "agentd/api/routes.h"
#include "govern/anchor.h"
#include "govern/line.h"

namespace agentos::agentd {
namespace asio = boost::asio;
using http::Request;
using http::RequestPtr;
using http::Response;
namespace {

constexpr std::uint64_t kMostEntries = 10000;
using Entries = std::vector<govern::AuditEntry>;

Result<std::optional<Timestamp>> timeOf(const Request& request, std::string_view name) {
  auto text = request.queryValue(name);
  if (!text || text->empty()) return std::nullopt;
  auto time = parseTimestamp(*text);
  if (!time) return std::unexpected(std::move(time).error().within("?" + std::string(name)));
  return *time;
}

Result<govern::AuditFilter> filterOf(const Request& request) {
  auto text = [&request](std::string_view name) { return std::string(request.queryValue(name).value_or("")); };
  govern::AuditFilter filter;
  filter.kind = text("kind");
  filter.agent = text("agent");
  filter.instance = text("instance");
  filter.task = text("task");
  filter.trace = text("trace");
  AGENTOS_TRY(filter.since, timeOf(request, "since"));
  AGENTOS_TRY(filter.until, timeOf(request, "until"));
  AGENTOS_TRY(auto after, http::numberOf(request, "after"));
  AGENTOS_TRY(auto before, http::numberOf(request, "before"));
  AGENTOS_TRY(auto limit, http::numberOf(request, "limit"));
  filter.afterSequence = after.value_or(0);
  filter.upToSequence = before.value_or(0) > 1 ? *before - 1 : 0;
  filter.limit = static_cast<std::size_t>(limit.value_or(100));
  if (filter.limit < 1 || filter.limit > kMostEntries) {
    return fail(ErrorCode::kInvalidArgument, "?limit=" + std::to_string(filter.limit),
                "1 to " + std::to_string(kMostEntries));
  }
  return filter;
}

// The newest entries that match, oldest of them first; "next" is ?before= for those before them.
asio::awaitable<Response> query(const ApiServices& api, RequestPtr request) {
  auto filter = filterOf(*request);
  if (!filter) co_return http::problem(filter.error());
  std::string directory = api.events.auditDirectory();
  auto entries = co_await onPool<Result<Entries>>(
      api.pool, [directory, filter = *filter] { return govern::queryAudit(directory, filter); });
  if (!entries) co_return http::problem(entries.error());
  Json view{{"items", Json::array()}, {"next", nullptr}};
  for (const auto& entry : *entries) view["items"].push_back(govern::toJson(entry));
  bool more = entries->size() == filter->limit && entries->front().sequence > 1;
  if (more) view["next"] = std::to_string(entries->front().sequence);
  co_return http::json(view);
}

std::string_view nameOf(govern::AuditVerdict::State state) {
  switch (state) {
    case govern::AuditVerdict::State::kIntact:
      return "intact";
    case govern::AuditVerdict::State::kAnchored:
      return "anchored";
    case govern::AuditVerdict::State::kUnanchored:
      return "unanchored";
    case govern::AuditVerdict::State::kBroken:
      break;
  }
  return "broken";
}

Result<govern::AuditVerdict> verified(const std::string& directory, const std::string& anchorPath) {
  std::vector<govern::AuditHead> anchors;
  if (!anchorPath.empty()) {
    AGENTOS_TRY(anchors, govern::readAnchors(anchorPath));
  }
  return govern::verifyAudit(directory, anchors);
}

asio::awaitable<Response> verify(const ApiServices& api, RequestPtr) {
  std::string directory = api.events.auditDirectory(), anchors = api.anchorPath;
  auto verdict = co_await onPool<Result<govern::AuditVerdict>>(
      api.pool, [directory, anchors] { return verified(directory, anchors); });
  if (!verdict) co_return http::problem(verdict.error());
  co_return http::json({{"state", nameOf(verdict->state)},
                        {"events", verdict->events},
                        {"files", verdict->files},
                        {"anchored_up_to", verdict->anchoredUpTo},
                        {"where", verdict->where},
                        {"what", verdict->what}});
}

}  // namespace

void addAuditRoutes(http::Router& router, const ApiServices& api) {
  using enum http::Access;
  router.add({"GET", "/v1/audit", kMember,
              [&api](RequestPtr request, http::Stream&) { return query(api, std::move(request)); }});
  router.add({"GET", "/v1/audit/verify", kMember,
              [&api](RequestPtr request, http::Stream&) { return verify(api, std::move(request)); }});
}

}  // namespace agentos::agentd
