// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "../../unit/agentd_http/loop.h"
#include "../../unit/agentd_http/raw_client.h"
#include "fakes.h"

namespace agentos::agentd::test {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return *std::move(result);
}

// Everything but the sandbox, with the API on a socket and rooms on others.
class World : public testing::Test {
 protected:
  World() {
    loop.run([this] {
      make();
      return 0;
    });
  }
  ~World() override {
    loop.await(gateway->closeAll());
    if (api) loop.await(api->close());
    loop.run([this] {
      gateway.reset();
      api.reset();
      return 0;
    });
    pool.join();
    loop.stop();
  }

  void make() {
    std::filesystem::create_directories(root + "/audit");
    std::filesystem::create_directories(root + "/log");
    std::filesystem::create_directories(root + "/contracts");
    std::ofstream(root + "/contracts/maker.yaml") << "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\n";
    db = must(Database::open(root + "/agentd.db"));
    audit = must(govern::AuditLog::open(root + "/audit", clock));
    events = std::make_unique<Events>(*audit, root + "/audit");
    supervisor = std::make_unique<FakeSupervisor>(loop.io);
    contracts = std::make_unique<ContractStore>(std::vector{root + "/contracts"}, "");
    contracts->reload();
    if (auto made = company::Company::init(root + "/company", "acme", "UTC"); !made)
      throw std::runtime_error(made.error().message());
    company = must(company::Company::open(root + "/company"));
    queue = must(company::TaskQueue::open(*company, *db, clock, [this](const company::TaskEvent& event) {
      auto kept = events->record({.kind = event.kind,
                                  .actor = event.actor,
                                  .agent = event.agent,
                                  .instance = event.holder,
                                  .task = event.task.str(),
                                  .contract = {},
                                  .trace = {},
                                  .data = Json::object()});
      if (!kept) throw std::runtime_error(kept.error().message());
    }));
    ledger = must(models::Ledger::open(*db, clock, "UTC"));
    auto made = std::make_unique<FakeDriver>(loop.io);
    driver = made.get();
    std::vector<models::ModelSpec> specs;
    for (const auto& name : made->models()) {
      specs.push_back({.name = name,
                       .upstream = "",
                       .price = {MicroUsd{1'000'000}, MicroUsd{2'000'000}, MicroUsd{0}},
                       .maxOutputTokens = 100});
    }
    if (auto added = models.add(std::move(made), specs); !added) throw std::runtime_error(added.error().message());
    meter = std::make_unique<models::Meter>(
        models, *ledger, [this](const models::Ledger::Settlement& settled) { settlements.push_back(settled); });
    gateway = std::make_unique<Gateway>(GatewayServices{loop.io, clock, *supervisor, *meter, models, *ledger, *events,
                                                        company.get(), queue.get(), &pool});
    makeApi();
  }

  void makeApi() {
    ApiServices services{loop.io,
                         pool,
                         clock,
                         *db,
                         *events,
                         *supervisor,
                         *contracts,
                         *ledger,
                         models,
                         company.get(),
                         queue.get(),
                         CycleControl{},
                         root + "/log",
                         root,
                         "",
                         "0.1.0",
                         roles,
                         "secret",
                         {},
                         {},
                         {},
                         {}};
    services.cycles->schedule = [] {
      AgentSchedule one;
      one.agent = AgentName::parse("maker").value();
      one.state = "idle";
      return std::vector{one};
    };
    services.cycles->run = [](AgentName, std::string) -> asio::awaitable<Result<CycleStart>> {
      co_return CycleStart{{}, "idle", "nothing to do"};
    };
    services.cycles->hold = services.cycles->release = [](const AgentName& name, const std::string&) -> Result<void> {
      if (name.str() != "maker") return fail(ErrorCode::kNotFound, "no agent " + name.str(), "");
      return {};
    };
    const Json changes = {{"id", "maker.aaaaaa"},
                          {"state", "held"},
                          {"task", ""},
                          {"mounts",
                           {{{"target", "/workspace"},
                             {"source", "/srv/shop"},
                             {"changes", {{{"change", "deleted"}, {"path", "a"}, {"type", "file"}, {"size", 1}}}},
                             {"refused", Json::array()},
                             {"conflicts", {{{"path", "a"}, {"why", "is gone"}}}}}}}};
    services.overlays =
        ChangeControl{.show = [changes](InstanceId) -> asio::awaitable<Result<Json>> { co_return changes; },
                      .commit = [](InstanceId id, std::string) -> asio::awaitable<Result<Json>> {
                        co_return Json{{"id", id.str()}, {"committed", true}, {"changes", 1}};
                      },
                      .discard = [](const InstanceId&, const std::string&) -> Result<void> { return {}; },
                      .heldFor = [](const TaskId&) { return InstanceId::parse("maker.aaaaaa").value(); }};
    services.systemInfo = [] { return Json{{"cgroups", "hybrid"}}; };
    services.reload = [](std::string) -> boost::asio::awaitable<Result<Json>> {
      co_return Json{{"added", Json::array()}};
    };
    services.notReady = [this] { return notReady; };
    services.supervision = SupervisionControl{
        .explain = [](const std::string& name) -> Result<Json> {
          return Json{{"agent", name},    {"instance", nullptr}, {"state", nullptr}, {"code", "held"},
                      {"reason", "held"}, {"remedy", nullptr},   {"until", nullptr}, {"details", Json::object()}};
        },
        .halt = [this](bool kill, std::string reason, std::string) -> boost::asio::awaitable<Result<Json>> {
          halted = reason;
          co_return Json{{"halted", true}, {"kill", kill}, {"instances", 2}, {"took_ns", 5}};
        },
        .unhalt = [this](std::string) -> boost::asio::awaitable<Result<Json>> {
          if (halted.empty()) co_return fail(ErrorCode::kConflict, "nothing is halted");
          halted.clear();
          co_return Json{{"halted", false}};
        },
        .dead = [this]() -> Result<std::vector<DeadLetter>> { return dead; },
        .dropDead = [this](const InstanceId& id, const std::string&) -> Result<void> {
          if (std::erase_if(dead, [&](const DeadLetter& one) { return one.id == id; }) > 0) return {};
          return fail(ErrorCode::kNotFound, "no dead letter of " + id.str());
        },
        .retryDead = [](InstanceId id, std::string) -> boost::asio::awaitable<Result<InstanceId>> { co_return id; }};
    api = must(ApiServer::make(std::move(services)));
    api->listen(must(listenUnix(socket, 0666)));
  }

  RawAnswer ask(const std::string& method, const std::string& target, const Json& body = nullptr,
                const std::string& headers = "") {
    return RawClient(socket).ask(method, target, body.is_null() ? "" : dumpJson(body), headers);
  }
  Result<govern::AuditEntry> record(const std::string& kind) {
    return loop.run([&] {
      return events->record({.kind = kind,
                             .actor = "test",
                             .agent = "maker",
                             .instance = {},
                             .task = {},
                             .contract = {},
                             .trace = {},
                             .data = Json::object()});
    });
  }

  // A room with its own contract, and a client of its gateway.
  std::string openRoom(const std::string& id, const std::string& contract = "") {
    std::string path = root + "/" + id + ".sock";
    loop.run([&] {
      supervisor->add(
          id, State::kRunning,
          std::make_shared<const contract::Contract>(contractOf(contract, std::string(id.substr(0, id.find('.'))))));
      std::vector<Fd> listeners;
      listeners.push_back(must(listenUnix(path, 0600)));
      listeners.push_back(must(listenUnix(path + ".proxy", 0600)));
      gateway->openRoom(InstanceId::parse(id).value(), std::move(listeners));
      return 0;
    });
    return path;
  }
  TaskId claimedTask(const std::string& id) {
    return loop.run([&] {
      auto holder = InstanceId::parse(id).value();
      company::NewTask fresh;
      fresh.title = "Write it";
      fresh.body = "In full.";
      fresh.createdBy = "human";
      auto task = must(queue->add(fresh));
      supervisor->rooms.at(holder).claim = must(queue->claim(task, holder));
      return task;
    });
  }
  static Json chat(const std::string& model, bool stream) {
    return {{"model", model}, {"stream", stream}, {"messages", {{{"role", "user"}, {"content", "hi"}}}}};
  }

  TemporaryDirectory directory;
  std::string root = directory.path(), socket = root + "/api.sock", notReady, halted;
  std::vector<DeadLetter> dead = {{InstanceId::parse("maker.aaaaaa").value(), AgentName::parse("maker").value(), "job",
                                   "failed", "it failed", Timestamp(std::chrono::seconds(1)), "test", "none",
                                   Json::object(), Json::object()}};
  SystemClock clock;
  Loop loop;
  boost::asio::thread_pool pool{2};
  std::unique_ptr<Database> db;
  std::unique_ptr<govern::AuditLog> audit;
  std::unique_ptr<Events> events;
  std::unique_ptr<FakeSupervisor> supervisor;
  std::unique_ptr<ContractStore> contracts;
  std::unique_ptr<company::Company> company;
  std::unique_ptr<company::TaskQueue> queue;
  std::unique_ptr<models::Ledger> ledger;
  models::ModelRegistry models;
  FakeDriver* driver = nullptr;
  std::vector<models::Ledger::Settlement> settlements;
  std::unique_ptr<models::Meter> meter;
  RoleConfig roles{.adminGroup = 4200, .workGroup = 4201, .adminUids = {::getuid()}};
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<ApiServer> api;
};

}  // namespace agentos::agentd::test
