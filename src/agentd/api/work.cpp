// SPDX-License-Identifier: Apache-2.0
// Contracts in force, cycles, models, costs and the company itself.
#include "agentd/api/routes.h"
#include "agentd/api/views.h"
#include "contract/loader.h"
#include "models/costs.h"

namespace agentos::agentd {
namespace asio = boost::asio;
using http::Request;
using http::RequestPtr;
using http::Response;
namespace {

Response noCompany() {
  return http::problem(
      {ErrorCode::kUnavailable, "this agentd runs without a company", "start agentd with --company DIR", 0, {}});
}

Response contracts(const ApiServices& api, const Request& request) {
  std::vector<Listed> items;
  for (const auto& [name, stored] : api.contracts.all()) {
    items.push_back({name.str(), [&stored] { return viewOf(stored); }});
  }
  return page(request, std::move(items));
}

Response contractNamed(const ApiServices& api, const Request& request) {
  auto name = AgentName::parse(request.parameter("name"));
  if (!name) return http::problem(name.error());
  const StoredContract* stored = api.contracts.find(*name);
  if (stored == nullptr) {
    return http::problem({ErrorCode::kNotFound,
                          "no contract named " + name->str() + " is in force",
                          "`agentctl contract list` shows those that are",
                          0,
                          {}});
  }
  Json view = viewOf(*stored);
  view["contract"] = contract::toJson(*stored->contract);
  return http::json(view);
}

Response cycles(const ApiServices& api, const Request& request) {
  if (!api.cycles) return noCompany();
  std::vector<Listed> items;
  for (AgentSchedule& one : api.cycles->schedule()) {
    std::string key = one.agent.str();
    items.push_back({std::move(key), [one = std::move(one)] { return viewOf(one); }});
  }
  return page(request, std::move(items));
}

asio::awaitable<Response> runCycle(const ApiServices& api, RequestPtr request) {
  if (!api.cycles) co_return noCompany();
  auto name = AgentName::parse(request->parameter("agent"));
  if (!name) co_return http::problem(name.error());
  auto start = co_await api.cycles->run(*name, actorOf(*request));
  if (!start) co_return http::problem(start.error());
  co_return http::json({{"agent", name->str()},
                        {"instance", start->instance ? Json(start->instance->str()) : Json(nullptr)},
                        {"idle", textOrNull(start->idle)},
                        {"detail", textOrNull(start->detail)}});
}

Response setHeld(const ApiServices& api, const Request& request, bool held) {
  if (!api.cycles) return noCompany();
  auto name = AgentName::parse(request.parameter("agent"));
  if (!name) return http::problem(name.error());
  auto done = held ? api.cycles->hold(*name, actorOf(request)) : api.cycles->release(*name, actorOf(request));
  if (!done) return http::problem(done.error());
  return http::json({{"agent", name->str()}, {"held", held}});
}

Response models(const ApiServices& api, const Request& request) {
  std::vector<Listed> items;
  for (models::ModelSpec& model : api.models.all()) {
    std::string key = model.name;
    items.push_back({std::move(key), [model = std::move(model)] { return viewOf(model); }});
  }
  return page(request, std::move(items));
}

Result<models::Ledger::By> byOf(std::string_view word) {
  using enum models::Ledger::By;
  if (word == "agent") return kAgent;
  if (word == "model") return kModel;
  if (word == "task") return kTask;
  if (word == "day") return kDay;
  return fail(ErrorCode::kInvalidArgument, "?by=" + std::string(word), "agent, model, task or day");
}

models::Caps companyCaps(const company::Company* company) {
  models::Caps caps;
  if (company == nullptr) return caps;
  caps.companyPerDay = company->settings().perDay;
  caps.companyPerMonth = company->settings().perMonth;
  return caps;
}

Result<Json> costs(const ApiServices& api, const Request& request) {
  AGENTOS_TRY(auto by, byOf(request.queryValue("by").value_or("agent")));
  std::optional<Timestamp> since;
  if (auto text = request.queryValue("since"); text && !text->empty()) {
    AGENTOS_TRY(since, parseTimestamp(*text));
  }
  AGENTOS_TRY(auto totals, api.ledger.totals(by, since));
  AGENTOS_TRY(auto caps, api.ledger.left({}, companyCaps(api.company)));
  MicroUsd sum;
  Json view{{"items", Json::array()}, {"caps", Json::array()}, {"next", nullptr}};
  for (const auto& total : totals) {
    sum += total.cost;
    view["items"].push_back({{"key", total.key},
                             {"cost_micro_usd", total.cost.count},
                             {"calls", total.calls},
                             {"input_tokens", total.inputTokens},
                             {"output_tokens", total.outputTokens}});
  }
  for (const auto& cap : caps) view["caps"].push_back(viewOf(cap));
  view["total_micro_usd"] = sum.count;
  return view;
}

Result<Json> exportCosts(const ApiServices& api, const Request& request) {
  AGENTOS_TRY(auto body, http::bodyObject(request));
  const Json asked = body.value("rebuild", Json(false));
  if (!asked.is_boolean()) return fail(ErrorCode::kInvalidArgument, "rebuild is " + dumpJson(asked), "true or false");
  const bool rebuild = asked.get<bool>();
  const auto write = rebuild ? models::rebuildCosts : models::appendCosts;
  AGENTOS_TRY(const auto written, write(api.company->rootFd(), api.ledger, api.company->settings().timezone));
  govern::AuditEvent event{.kind = "costs.exported", .actor = actorOf(request)};
  event.data = {{"written", written}, {"rebuilt", rebuild}};
  AGENTOS_CHECK(api.events.record(std::move(event)));
  return Json{{"written", written}, {"rebuilt", rebuild}};
}

Result<Json> company(const ApiServices& api) {
  const auto& settings = api.company->settings();
  auto amount = [](const std::optional<MicroUsd>& cap) { return cap ? Json(cap->count) : Json(nullptr); };
  Json view{{"name", settings.name},
            {"path", api.company->path()},
            {"timezone", settings.timezone},
            {"per_day_micro_usd", amount(settings.perDay)},
            {"per_month_micro_usd", amount(settings.perMonth)},
            {"tasks", Json::object()}};
  for (auto status : company::kAllTaskStatuses) view["tasks"][std::string(directoryOf(status))] = 0;
  if (api.queue == nullptr) return view;
  AGENTOS_TRY(auto tasks, api.queue->list(std::nullopt));
  for (const auto& task : tasks) {
    Json& count = view["tasks"][std::string(directoryOf(task.status))];
    count = count.get<std::int64_t>() + 1;
  }
  return view;
}

Response asJson(const Result<Json>& result) {
  return http::answer(result, [](const Json& value) { return http::json(value); });
}

}  // namespace

void addWorkRoutes(http::Router& router, const ApiServices& api) {
  using enum http::Access;
  auto get = [&](std::string path, auto work) {
    router.add({"GET", std::move(path), kMember,
                plainly([&api, work](const Request& request) { return work(api, request); })});
  };
  get("/v1/contracts", contracts);
  get("/v1/contracts/{name}", contractNamed);
  get("/v1/cycles", cycles);
  get("/v1/models", models);
  get("/v1/costs",
      [](const ApiServices& services, const Request& request) { return asJson(costs(services, request)); });
  get("/v1/company", [](const ApiServices& services, const Request&) {
    return services.company == nullptr ? noCompany() : asJson(company(services));
  });
  router.add({"POST", "/v1/costs/export", kAdmin, plainly([&api](const Request& request) {
                return api.company == nullptr ? noCompany() : asJson(exportCosts(api, request));
              })});
  router.add({"POST", "/v1/cycles/{agent}/run", kAdmin,
              [&api](RequestPtr request, http::Stream&) { return runCycle(api, std::move(request)); }});
  router.add({"POST", "/v1/cycles/{agent}/hold", kAdmin,
              plainly([&api](const Request& request) { return setHeld(api, request, true); })});
  router.add({"POST", "/v1/cycles/{agent}/release", kAdmin,
              plainly([&api](const Request& request) { return setHeld(api, request, false); })});
}

}  // namespace agentos::agentd
