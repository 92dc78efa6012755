// SPDX-License-Identifier: Apache-2.0
// What holds agents back: explain, the global halt, dead letters.
#include "agentd/api/routes.h"
#include "agentd/api/views.h"

namespace agentos::agentd {
namespace asio = boost::asio;
using http::Request;
using http::RequestPtr;
using http::Response;
namespace {

constexpr std::size_t kLongestReason = 1000;

Response asJson(const Result<Json>& result, int status = 200) {
  return http::answer(result, [status](const Json& value) { return http::json(value, status); });
}

Response noSupervision() {
  return http::problem({ErrorCode::kUnavailable, "this agentd has no supervisor", "", 0, {}});
}

struct HaltOrder {
  bool kill = false;
  std::string reason;
};

Result<HaltOrder> haltOrderOf(const Request& request) {
  HaltOrder order;
  AGENTOS_TRY(auto body, http::bodyObject(request));
  AGENTOS_CHECK(http::refuseUnknown(body, {"kill", "reason"}));
  AGENTOS_TRY(order.kill, http::boolOf(body, "kill", false));
  AGENTOS_TRY(order.reason, http::requiredString(body, "reason"));
  if (order.reason.size() > kLongestReason) {
    return fail(ErrorCode::kInvalidArgument, "a reason of " + std::to_string(order.reason.size()) + " bytes",
                "at most " + std::to_string(kLongestReason));
  }
  return order;
}

asio::awaitable<Response> halt(const ApiServices& api, RequestPtr request) {
  if (!api.supervision) co_return noSupervision();
  auto order = haltOrderOf(*request);
  if (!order) co_return http::problem(order.error());
  co_return asJson(co_await api.supervision->halt(order->kill, order->reason, actorOf(*request)));
}

asio::awaitable<Response> unhalt(const ApiServices& api, RequestPtr request) {
  if (!api.supervision) co_return noSupervision();
  co_return asJson(co_await api.supervision->unhalt(actorOf(*request)));
}

Json viewOf(const DeadLetter& letter, bool whole) {
  Json view = {{"id", letter.id.str()},   {"agent", letter.agent.str()},     {"mode", letter.mode},
               {"kind", letter.kind},     {"reason", letter.reason},         {"since", formatUtc(letter.since)},
               {"source", letter.source}, {"contract_digest", letter.digest}};
  if (!whole) return view;
  view["contract"] = letter.contract.value("contract", Json(nullptr));
  view["evidence"] = letter.evidence;
  return view;
}

Response deadLetters(const ApiServices& api, const Request& request) {
  if (!api.supervision) return noSupervision();
  auto letters = api.supervision->dead();
  if (!letters) return http::problem(letters.error());
  std::vector<Listed> items;
  for (DeadLetter& letter : *letters) {
    std::string key = formatUtc(letter.since) + "." + letter.id.str();
    items.push_back({std::move(key), [letter = std::move(letter)] { return viewOf(letter, false); }});
  }
  return page(request, std::move(items));
}

Response deadLetter(const ApiServices& api, const Request& request) {
  if (!api.supervision) return noSupervision();
  auto letters = api.supervision->dead();
  if (!letters) return http::problem(letters.error());
  const std::string id(request.parameter("id"));
  for (const DeadLetter& letter : *letters)
    if (letter.id.str() == id) return http::json(viewOf(letter, true));
  return http::problem(
      {ErrorCode::kNotFound, "no dead letter of " + id, "agentctl dead list shows those that lie there", 0, {}});
}

Response drop(const ApiServices& api, const Request& request) {
  if (!api.supervision) return noSupervision();
  auto id = InstanceId::parse(request.parameter("id"));
  if (!id) return http::problem(id.error());
  auto done = api.supervision->dropDead(*id, actorOf(request));
  if (!done) return http::problem(done.error());
  return http::json({{"id", id->str()}, {"dropped", true}});
}

asio::awaitable<Response> retry(const ApiServices& api, RequestPtr request) {
  if (!api.supervision) co_return noSupervision();
  auto id = InstanceId::parse(request->parameter("id"));
  if (!id) co_return http::problem(id.error());
  auto fresh = co_await api.supervision->retryDead(*id, actorOf(*request));
  if (!fresh) co_return http::problem(fresh.error());
  co_return http::json({{"id", fresh->str()}, {"replaces", id->str()}}, 201);
}

}  // namespace

void addSupervisionRoutes(http::Router& router, const ApiServices& api) {
  using enum http::Access;
  router.add({"GET", "/v1/agents/{id}/explain", kMember, plainly([&api](const Request& request) {
                return api.supervision ? asJson(api.supervision->explain(std::string(request.parameter("id"))))
                                       : noSupervision();
              })});
  router.add({"POST", "/v1/system/halt", kAdmin,
              [&api](RequestPtr request, http::Stream&) { return halt(api, std::move(request)); }});
  router.add({"POST", "/v1/system/unhalt", kAdmin,
              [&api](RequestPtr request, http::Stream&) { return unhalt(api, std::move(request)); }});
  router.add(
      {"GET", "/v1/dead", kMember, plainly([&api](const Request& request) { return deadLetters(api, request); })});
  router.add(
      {"GET", "/v1/dead/{id}", kMember, plainly([&api](const Request& request) { return deadLetter(api, request); })});
  router.add({"POST", "/v1/dead/{id}/retry", kAdmin,
              [&api](RequestPtr request, http::Stream&) { return retry(api, std::move(request)); }});
  router.add(
      {"POST", "/v1/dead/{id}/drop", kAdmin, plainly([&api](const Request& request) { return drop(api, request); })});
}

}  // namespace agentos::agentd
