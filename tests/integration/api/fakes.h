// SPDX-License-Identifier: Apache-2.0
// The daemon around the API: real company, queue, ledger, meter, audit log and contracts; a supervisor that only
// remembers, and a model that answers as its name says.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>

#include "agentd/api/api_server.h"
#include "agentd/gateway/gateway.h"
#include "company/messages.h"
#include "contract/loader.h"

namespace agentos::agentd::test {

namespace asio = boost::asio;

class FakeSupervisor final : public Supervisor {
 public:
  explicit FakeSupervisor(asio::io_context& io) : io_(io) {}

  InstanceView& add(const std::string& id, State state, std::shared_ptr<const contract::Contract> contract = {}) {
    InstanceView view;
    view.id = InstanceId::parse(id).value();
    view.agent = AgentName::parse(agentOf(view.id)).value();
    view.state = state;
    view.mode = "cycle";
    view.latency = "DT";
    view.contractDigest = contract ? contract->digest : "none";
    view.source = "test";
    view.created = Timestamp(std::chrono::seconds(1'800'000'000 + static_cast<int>(views.size())));
    if (isLive(state)) rooms[view.id] = RoomView{view.id, std::move(contract), {}, "trace", view.created, {}};
    return views[view.id] = view;
  }

  asio::awaitable<Result<InstanceId>> spawn(SpawnRequest request) override {
    asio::steady_timer timer(io_, spawnTakes);
    co_await timer.async_wait(asio::use_awaitable);
    if (!refuseSpawn.empty()) co_return fail(ErrorCode::kContractUnmet, refuseSpawn, "ask for less");
    auto name = request.name.value_or(request.contract->name);
    std::string id = name.str() + "." + std::string(6, static_cast<char>('a' + spawned.size() % 26));
    add(id, State::kRunning, request.contract);
    spawned.push_back(std::move(request));
    co_return InstanceId::parse(id);
  }
  asio::awaitable<Result<void>> pause(InstanceId id, std::string actor) override {
    co_return set(id, State::kPaused, actor);
  }
  asio::awaitable<Result<void>> resume(InstanceId id, std::string actor) override {
    co_return set(id, State::kRunning, actor);
  }
  asio::awaitable<Result<void>> stop(InstanceId id, std::optional<Nanoseconds> grace, std::string actor) override {
    lastGrace = grace;
    co_return set(id, State::kExited, actor);
  }
  asio::awaitable<Result<void>> kill(InstanceId id, int signal, std::string actor) override {
    lastSignal = signal;
    co_return set(id, State::kExited, actor);
  }
  asio::awaitable<Result<InstanceView>> wait(InstanceId id, std::optional<Nanoseconds> timeout) override {
    ++waiting;
    std::shared_ptr<void> leave(nullptr, [this](void*) { --waiting; });
    auto end = std::chrono::steady_clock::now() + timeout.value_or(std::chrono::hours(1));
    while (isLive(views.at(id).state)) {
      asio::steady_timer timer(io_, std::chrono::milliseconds(5));
      co_await timer.async_wait(asio::use_awaitable);
      if (std::chrono::steady_clock::now() > end)
        co_return fail(ErrorCode::kTimedOut, id.str() + " still runs", "wait longer");
    }
    co_return views.at(id);
  }
  asio::awaitable<Result<std::vector<std::int32_t>>> processes(InstanceId) override {
    co_return std::vector<std::int32_t>{41, 42};
  }

  std::vector<InstanceView> list(bool all) const override {
    std::vector<InstanceView> list;
    for (const auto& [id, view] : views) {
      if (all || isLive(view.state)) list.push_back(view);
    }
    return list;
  }
  Result<InstanceView> view(const InstanceId& id) const override {
    auto found = views.find(id);
    if (found == views.end()) return fail(ErrorCode::kNotFound, "no instance " + id.str(), "agentctl ps");
    return found->second;
  }
  Result<InstanceId> resolve(std::string_view text) const override {
    for (const auto& [id, view] : views) {
      if (id.str().starts_with(text)) return id;
    }
    return fail(ErrorCode::kNotFound, "no instance " + std::string(text), "agentctl ps");
  }
  std::optional<RoomView> room(const InstanceId& id) const override {
    auto found = rooms.find(id);
    if (found == rooms.end()) return std::nullopt;
    return found->second;
  }
  Result<void> giveVerdict(const InstanceId& id, Verdict verdict) override {
    if (verdicts.contains(id)) return fail(ErrorCode::kConflict, "the word was given already", "");
    verdicts[id] = std::move(verdict);
    return {};
  }
  void countCall(const InstanceId& id, MicroUsd cost) override { views.at(id).cost += cost; }
  void heartbeat(const InstanceId&) override { ++heartbeats; }

  std::map<InstanceId, InstanceView> views;
  std::map<InstanceId, RoomView> rooms;
  std::map<InstanceId, Verdict> verdicts;
  std::vector<SpawnRequest> spawned;
  std::chrono::milliseconds spawnTakes{0};
  std::string refuseSpawn, lastActor;
  std::optional<Nanoseconds> lastGrace;
  int lastSignal = 0, heartbeats = 0;
  std::atomic<int> waiting = 0;

 private:
  Result<void> set(const InstanceId& id, State state, const std::string& actor) {
    lastActor = actor;
    views.at(id).state = state;
    return {};
  }
  asio::io_context& io_;
};

// "test/good" answers "hello world" in two pieces; "test/hang" gives one piece and then nothing; "test/broken" gives
// one piece and fails; "test/down" fails at once.
class FakeDriver final : public models::ModelDriver {
 public:
  explicit FakeDriver(asio::io_context& io) : io_(io) {}
  std::vector<std::string> models() const override { return {"test/good", "test/hang", "test/broken", "test/down"}; }
  asio::awaitable<Result<models::ChatAnswer>> complete(models::ChatRequest request, models::ChunkSink sink,
                                                       models::Usage& used) override {
    ++running;
    std::shared_ptr<void> leave(nullptr, [this](void*) { --running; });
    if (request.model == "down") co_return fail(ErrorCode::kModelUpstream, "the endpoint is down", "");
    used = {.inputTokens = 10, .outputTokens = 1, .cachedTokens = 0};
    if (request.stream) AGENTOS_CO_CHECK(co_await sink(chunk("hello ")));
    if (request.model == "broken") co_return fail(ErrorCode::kModelUpstream, "the endpoint hung up", "");
    if (request.model == "hang") {
      asio::steady_timer timer(io_, std::chrono::minutes(1));
      co_await timer.async_wait(asio::use_awaitable);
    }
    if (request.stream) AGENTOS_CO_CHECK(co_await sink(chunk("world")));
    used.outputTokens = 2;
    Json body{{"id", "1"},
              {"object", "chat.completion"},
              {"choices",
               {{{"index", 0},
                 {"message", {{"role", "assistant"}, {"content", "hello world"}}},
                 {"finish_reason", "stop"}}}}};
    co_return models::ChatAnswer{std::move(body), used, true};
  }
  std::atomic<int> running = 0;

 private:
  static Json chunk(const std::string& text) {
    return {{"object", "chat.completion.chunk"}, {"choices", {{{"index", 0}, {"delta", {{"content", text}}}}}}};
  }
  asio::io_context& io_;
};

inline contract::Contract contractOf(const std::string& extra = "", const std::string& name = "maker") {
  auto loaded = contract::loadContract("apiVersion: agentos/v0.2\nkind: AgentContract\nname: " + name +
                                           "\nmodelPolicy: { allow: [\"test/*\"] }\n" + extra,
                                       "test.yaml");
  if (!loaded) throw std::runtime_error(loaded.error().front().message());
  return *std::move(loaded);
}

}  // namespace agentos::agentd::test
