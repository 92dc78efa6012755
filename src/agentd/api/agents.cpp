// SPDX-License-Identifier: Apache-2.0
// /v1/agents: the instances, and what an operator does to them.
#include <csignal>
#include <limits>

#include "agentd/api/on_pool.h"
#include "agentd/api/routes.h"
#include "agentd/api/views.h"
#include "base/files.h"
#include "contract/loader.h"

namespace agentos::agentd {
namespace asio = boost::asio;
using http::RequestPtr;
using http::Response;
using http::Stream;
namespace {

constexpr auto kLongestWait = std::chrono::hours(24);

// Newest first, and stable while others come and go.
std::string keyOf(const InstanceView& instance) {
  auto inverted = std::numeric_limits<std::int64_t>::max() - instance.created.time_since_epoch().count();
  std::string digits = std::to_string(inverted);
  return std::string(19 - std::min<std::size_t>(19, digits.size()), '0') + digits + "." + instance.id.str();
}

Response list(const ApiServices& api, const http::Request& request) {
  if (isRecovering(api)) {  // no list is better than one that leaves somebody out
    return askAgain(
        {ErrorCode::kUnavailable, "who runs is not known yet: agentd is starting", "ask again in a moment", 0, {}});
  }
  auto all = http::flagOf(request, "all");
  if (!all) return http::problem(all.error());
  std::vector<Listed> items;
  for (InstanceView& instance : api.supervisor.list(*all)) {
    std::string key = keyOf(instance);
    items.push_back({std::move(key), [instance = std::move(instance)] { return viewOf(instance); }});
  }
  return page(request, std::move(items));
}

Result<InstanceId> named(const ApiServices& api, const http::Request& request) {
  return findRun(api, request.parameter("id"));
}

std::shared_ptr<const contract::Contract> contractOf(const ApiServices& api, const InstanceView& view);

// The instance, and why it has an open network if it has one.
Json shownOf(const ApiServices& api, const InstanceView& view) {
  Json shown = viewOf(view);
  const auto contract = contractOf(api, view);
  const bool open = contract != nullptr && contract->digest == view.contractDigest && contract->network.unrestricted;
  shown["open_network"] = open ? Json(contract->network.reason) : Json(nullptr);
  return shown;
}

Response show(const ApiServices& api, const http::Request& request) {
  auto id = named(api, request);
  if (!id) return askAgain(id.error());
  return http::answer(api.supervisor.view(*id),
                      [&](const InstanceView& view) { return http::json(shownOf(api, view)); });
}

Result<std::optional<contract::LatencyClass>> latencyOf(const std::string& word) {
  if (word.empty()) return std::nullopt;
  for (auto latency : {contract::LatencyClass::kHrt, contract::LatencyClass::kSrt, contract::LatencyClass::kDt}) {
    if (nameOf(latency) == word) return latency;
  }
  return fail(ErrorCode::kInvalidArgument, "class \"" + word + "\"", "HRT, SRT or DT");
}

Result<SpawnRequest> spawnRequestOf(const Json& body) {
  AGENTOS_CHECK(http::refuseUnknown(body, {"contract", "source", "name", "class"}));
  SpawnRequest spawn;
  AGENTOS_TRY(spawn.source, http::stringOf(body, "source", "api"));
  AGENTOS_TRY(auto name, http::stringOf(body, "name"));
  if (!name.empty()) {
    AGENTOS_TRY(spawn.name, AgentName::parse(name));
  }
  AGENTOS_TRY(auto word, http::stringOf(body, "class"));
  AGENTOS_TRY(spawn.latency, latencyOf(word));
  return spawn;
}

// {"contract":"<yaml>","source":"path","name":…,"class":…}, or the answer that says what is wrong with it.
std::expected<SpawnRequest, Response> readSpawn(const http::Request& request) {
  auto body = http::bodyObject(request);
  if (!body) return std::unexpected(http::problem(body.error()));
  auto spawn = spawnRequestOf(*body);
  if (!spawn) return std::unexpected(http::problem(spawn.error()));
  auto text = http::requiredString(*body, "contract");
  if (!text) return std::unexpected(http::problem(text.error()));
  auto contract = contract::loadContract(*text, spawn->source);
  if (!contract) return std::unexpected(http::problems(contract.error(), "the contract is not valid"));
  spawn->contract = std::make_shared<const contract::Contract>(std::move(*contract));
  return *std::move(spawn);
}

// The admission table, and nothing is started.
Response explain(const ApiServices& api, const http::Request& request) {
  auto spawn = readSpawn(request);
  if (!spawn) return std::move(spawn).error();
  if (!api.explain)
    return http::problem({ErrorCode::kUnavailable, "this agentd cannot explain", "agentctl contract validate", 0, {}});
  return http::json(api.explain(*spawn));
}

// → 201 {"id"}
asio::awaitable<Response> create(const ApiServices& api, RequestPtr request) {
  auto spawn = readSpawn(*request);
  if (!spawn) co_return std::move(spawn).error();
  spawn->actor = actorOf(*request);
  spawn->trace = request->trace;
  auto id = co_await api.supervisor.spawn(std::move(*spawn));
  if (!id) co_return askAgain(id.error());
  Response response = http::json({{"id", id->str()}}, 201);
  response.headers.emplace_back("Location", "/v1/agents/" + id->str());
  co_return response;
}

// The contract an instance runs or ran by: its room's, or the one in force under its agent's name.
std::shared_ptr<const contract::Contract> contractOf(const ApiServices& api, const InstanceView& view) {
  if (auto room = api.supervisor.room(view.id); room && room->contract) return room->contract;
  const StoredContract* stored = api.contracts.find(view.agent);
  return stored == nullptr ? nullptr : stored->contract;
}

// What lies in the instance's directory: the lines of launch.jsonl, and exit.json when it has ended.
Json recordOf(const std::string& directory) {
  Json record{{"launch", Json::array()}, {"exit", nullptr}};
  if (auto text = readPath(directory + "/launch.jsonl")) {
    std::size_t at = 0;
    while (at < text->size()) {
      auto end = std::min(text->find('\n', at), text->size());
      if (auto line = parseJson(std::string_view(*text).substr(at, end - at)))
        record["launch"].push_back(std::move(*line));
      at = end + 1;
    }
  }
  if (auto text = readPath(directory + "/exit.json")) {
    if (auto exit = parseJson(*text)) record["exit"] = std::move(*exit);
  }
  return record;
}

asio::awaitable<Response> inspect(const ApiServices& api, RequestPtr request) {
  auto id = named(api, *request);
  if (!id) co_return askAgain(id.error());
  auto view = api.supervisor.view(*id);
  if (!view) co_return http::problem(view.error());
  Json shown = shownOf(api, *view);
  shown["egress"] = api.egress ? api.egress(*id) : Json(nullptr);
  auto contract = contractOf(api, *view);
  bool same = contract != nullptr && contract->digest == view->contractDigest;
  shown["contract"] = same ? contract::toJson(*contract) : Json(nullptr);
  shown["processes"] = Json::array();
  if (isLive(view->state)) {
    auto processes = co_await api.supervisor.processes(*id);
    if (processes) shown["processes"] = *processes;
  }
  std::string directory = api.stateDirectory + "/instances/" + id->str();
  shown["record"] = co_await onPool<Json>(api.pool, [directory] { return recordOf(directory); });
  co_return http::json(shown);
}

Result<std::optional<Nanoseconds>> graceOf(const Json& body) {
  AGENTOS_TRY(auto text, http::stringOf(body, "grace"));
  if (text.empty()) return std::nullopt;
  AGENTOS_TRY(auto grace, parseDuration(text));
  return grace;
}

// A signal by number or by name, "SIGTERM" or "TERM"; SIGKILL when none is named.
Result<int> signalOf(const Json& body) {
  auto found = body.find("signal");
  if (found == body.end() || found->is_null()) return SIGKILL;
  if (found->is_number_integer() && *found >= 1 && *found <= 64) return found->get<int>();
  std::string name = found->is_string() ? found->get<std::string>() : "";
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (int signal = 1; signal < 32; ++signal) {
    const char* abbreviation = ::sigabbrev_np(signal);
    if (abbreviation != nullptr && name == abbreviation) return signal;
  }
  return fail(ErrorCode::kInvalidArgument, "signal " + dumpJson(*found),
              "a number from 1 to 64 or a name such as \"SIGTERM\"");
}

// The changes: each gives the instance as it is afterwards.
using Change = std::function<asio::awaitable<Result<void>>(InstanceId, const Json& body, std::string actor)>;

asio::awaitable<Response> change(const ApiServices& api, RequestPtr request, const Change& perform) {
  auto id = named(api, *request);
  if (!id) co_return askAgain(id.error());
  auto body = http::bodyObject(*request);
  if (!body) co_return http::problem(body.error());
  if (auto known = http::refuseUnknown(*body, {"grace", "signal"}); !known) co_return http::problem(known.error());
  auto done = co_await perform(*id, *body, actorOf(*request));
  if (!done) co_return http::problem(done.error());
  co_return http::answer(api.supervisor.view(*id), [](const InstanceView& view) { return http::json(viewOf(view)); });
}

asio::awaitable<Result<void>> stop(const ApiServices& api, InstanceId id, Json body, std::string actor) {
  AGENTOS_CO_TRY(auto grace, graceOf(body));
  co_return co_await api.supervisor.stop(std::move(id), grace, std::move(actor));
}

asio::awaitable<Result<void>> kill(const ApiServices& api, InstanceId id, Json body, std::string actor) {
  AGENTOS_CO_TRY(int signal, signalOf(body));
  co_return co_await api.supervisor.kill(std::move(id), signal, std::move(actor));
}

asio::awaitable<Result<InstanceId>> again(const ApiServices& api, InstanceId id, Json body, std::string actor,
                                          std::string trace) {
  AGENTOS_CO_TRY(auto view, api.supervisor.view(id));
  AGENTOS_CO_TRY(auto grace, graceOf(body));
  SpawnRequest spawn;
  spawn.contract = contractOf(api, view);
  if (!spawn.contract) {
    co_return fail(ErrorCode::kNotFound, "the contract of " + view.agent.str() + " is not in force any more",
                   "spawn it from its file");
  }
  spawn.source = view.source;
  if (spawn.contract->name != view.agent) spawn.name = view.agent;
  if (auto latency = latencyOf(view.latency)) spawn.latency = *latency;
  spawn.actor = actor;
  spawn.trace = std::move(trace);
  if (isLive(view.state)) {
    AGENTOS_CO_CHECK(co_await api.supervisor.stop(id, grace, actor));
    AGENTOS_CO_CHECK(co_await api.supervisor.wait(id, std::nullopt));
  }
  co_return co_await api.supervisor.spawn(std::move(spawn));
}

asio::awaitable<Response> restart(const ApiServices& api, RequestPtr request) {
  auto id = named(api, *request);
  if (!id) co_return askAgain(id.error());
  auto body = http::bodyObject(*request);
  if (!body) co_return http::problem(body.error());
  auto fresh = co_await again(api, *id, *body, actorOf(*request), request->trace);
  if (!fresh) co_return http::problem(fresh.error());
  co_return http::json({{"id", fresh->str()}, {"replaces", id->str()}}, 201);
}

asio::awaitable<Response> wait(const ApiServices& api, RequestPtr request) {
  auto id = named(api, *request);
  if (!id) co_return askAgain(id.error());
  Nanoseconds timeout = kLongestWait;
  if (auto text = request->queryValue("timeout")) {
    auto asked = parseDuration(*text);
    if (!asked) co_return http::problem(std::move(asked).error().within("?timeout"));
    timeout = std::min(timeout, *asked);
  }
  auto ended = co_await api.supervisor.wait(*id, timeout);
  co_return http::answer(ended, [](const InstanceView& view) { return http::json(viewOf(view)); });
}

http::Handler changing(const ApiServices& api, Change perform) {
  return [&api, perform = std::make_shared<const Change>(std::move(perform))](RequestPtr request,
                                                                              Stream&) -> asio::awaitable<Response> {
    // The handler may go before the coroutine ends. NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
    const auto kept = perform;
    co_return co_await change(api, std::move(request), *kept);
  };
}

}  // namespace

void addAgentRoutes(http::Router& router, const ApiServices& api) {
  using enum http::Access;
  router.add(
      {"GET", "/v1/agents", kMember, plainly([&api](const http::Request& request) { return list(api, request); })});
  router.add(
      {"POST", "/v1/agents", kAdmin, [&api](RequestPtr request, Stream&) { return create(api, std::move(request)); }});
  router.add({"POST", "/v1/contracts/explain", kMember,
              plainly([&api](const http::Request& request) { return explain(api, request); })});
  router.add({"GET", "/v1/agents/{id}", kMember,
              plainly([&api](const http::Request& request) { return show(api, request); })});
  router.add({"GET", "/v1/agents/{id}/inspect", kMember,
              [&api](RequestPtr request, Stream&) { return inspect(api, std::move(request)); }});
  router.add({"GET", "/v1/agents/{id}/wait", kMember,
              [&api](RequestPtr request, Stream&) { return wait(api, std::move(request)); }, http::Hangup::kCut});
  router.add(
      {"POST", "/v1/agents/{id}/pause", kAdmin, changing(api, [&api](InstanceId id, const Json&, std::string actor) {
         return api.supervisor.pause(std::move(id), std::move(actor));
       })});
  router.add(
      {"POST", "/v1/agents/{id}/resume", kAdmin, changing(api, [&api](InstanceId id, const Json&, std::string actor) {
         return api.supervisor.resume(std::move(id), std::move(actor));
       })});
  router.add({"POST", "/v1/agents/{id}/stop", kAdmin,
              changing(api, [&api](InstanceId id, const Json& body, std::string actor) {
                return stop(api, std::move(id), body, std::move(actor));
              })});
  router.add({"POST", "/v1/agents/{id}/kill", kAdmin,
              changing(api, [&api](InstanceId id, const Json& body, std::string actor) {
                return kill(api, std::move(id), body, std::move(actor));
              })});
  router.add({"POST", "/v1/agents/{id}/restart", kAdmin,
              [&api](RequestPtr request, Stream&) { return restart(api, std::move(request)); }});
}

}  // namespace agentos::agentd
