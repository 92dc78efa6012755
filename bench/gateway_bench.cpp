// SPDX-License-Identifier: Apache-2.0
// What the gateway costs on the first streamed token: a client in front of an endpoint on loopback, and the same client
// in front of the gateway, which meters the call (reservation durable before it starts) and asks the same endpoint.
// The two take turns in one run. The aim is at most 1 ms between their medians.
//
//   gateway_bench [directory for the database, for its disk matters] [rounds]
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "../tests/integration/api/fakes.h"
#include "../tests/unit/agentd_http/loop.h"
#include "../tests/unit/agentd_http/raw_client.h"
#include "agentd/http/server.h"
#include "models/openai_driver.h"
#include "support/figures.h"

namespace agentos::agentd {
namespace {

using Clock = std::chrono::steady_clock;
using Times = std::vector<std::chrono::nanoseconds>;

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "gateway_bench: %s\n", result.error().message().c_str());
  std::exit(1);
}

// Answers a stream of twenty tokens as fast as it can.
class Endpoint final : public http::Application {
 public:
  Endpoint() {
    route_.handler = [](http::RequestPtr, http::Stream& stream) -> boost::asio::awaitable<http::Response> {
      co_await stream.begin(http::text({}, "text/event-stream"));
      for (int i = 0; i < 20; ++i) {
        co_await stream.write(
            R"(data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"token "}}]})"
            "\n\n");
      }
      co_await stream.write(
          R"(data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"
          "\n\ndata: [DONE]\n\n");
      co_return http::Response{};
    };
  }
  std::expected<const http::Route*, http::Response> route(http::Request&) override { return &route_; }

 private:
  http::Route route_{"POST", "/v1/chat/completions", http::Access::kOpen, {}, http::Hangup::kCut};
};

std::uint16_t portOf(const Fd& listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(listener.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), &size);
  return ntohs(address.sin_port);
}

test::RawClient connectTo(std::uint16_t port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::connect(fd.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof address);
  return test::RawClient(std::move(fd));
}

// From the request's first byte to the first token; the rest of the stream is read, too.
std::chrono::nanoseconds firstToken(test::RawClient& client) {
  const std::string body = R"({"model":"bench/model","stream":true,"messages":[{"role":"user","content":"hello"}]})";
  const std::string request =
      "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  auto before = Clock::now();
  if (!client.send(request) || !client.receiveUntil("token ")) {
    std::fprintf(stderr, "gateway_bench: no token came: %s\n", client.received().c_str());
    std::exit(1);
  }
  auto taken = Clock::now() - before;
  client.receiveUntil("0\r\n\r\n");
  return taken;
}

double microseconds(Times& times, double share) {
  std::ranges::sort(times);
  return static_cast<double>(times[static_cast<std::size_t>(static_cast<double>(times.size() - 1) * share)].count()) /
         1000.0;
}

// The gateway with one room, as the daemon has it.
struct Rig {
  Rig(test::Loop& loop, const std::string& root, std::uint16_t endpoint) : supervisor(loop.io) {
    db = must(Database::open(root + "/agentd.db"));
    audit = must(govern::AuditLog::open(root + "/audit", clock));
    events = std::make_unique<Events>(*audit, root + "/audit");
    ledger = must(models::Ledger::open(*db, clock, "UTC"));
    models::OpenAiConfig config;
    config.name = "bench";
    config.baseUrl = "http://127.0.0.1:" + std::to_string(endpoint) + "/v1";
    config.models = {"bench/model"};
    auto driver = must(models::OpenAiDriver::open(loop.io.get_executor(), config));
    models::ModelSpec spec;
    spec.name = "bench/model";
    spec.price = {MicroUsd{1'000'000}, MicroUsd{1'000'000}, MicroUsd{0}};
    if (auto added = registry.add(std::move(driver), {spec}); !added) std::exit(1);
    meter = std::make_unique<models::Meter>(registry, *ledger, [](const models::Ledger::Settlement&) {});
    gateway =
        std::make_unique<Gateway>(GatewayServices{loop.io, clock, supervisor, *meter, registry, *ledger, *events});
  }
  std::uint16_t open() {
    auto contract = must(Result<contract::Contract>(
        *contract::loadContract("apiVersion: agentos/v0.2\nkind: AgentContract\nname: bench\nmodelPolicy: { allow: "
                                "[\"bench/*\"] }\nbudget: { per_run_usd: 1000.00 }\n",
                                "bench")));
    supervisor.add("bench.aaaaaa", State::kRunning, std::make_shared<const contract::Contract>(std::move(contract)));
    std::vector<Fd> listeners;
    listeners.push_back(must(listenTcp("127.0.0.1:0")));
    std::uint16_t port = portOf(listeners[0]);
    gateway->openRoom(InstanceId::parse("bench.aaaaaa").value(), std::move(listeners));
    return port;
  }

  SystemClock clock;
  test::FakeSupervisor supervisor;
  std::unique_ptr<Database> db;
  std::unique_ptr<govern::AuditLog> audit;
  std::unique_ptr<Events> events;
  std::unique_ptr<models::Ledger> ledger;
  models::ModelRegistry registry;
  std::unique_ptr<models::Meter> meter;
  std::unique_ptr<Gateway> gateway;
};

void measure(std::uint16_t bare, std::uint16_t metered, int rounds) {
  auto endpoint = connectTo(bare), gateway = connectTo(metered);
  Times direct, through;
  for (int i = 0; i < 20; ++i) firstToken(endpoint), firstToken(gateway);  // connections, caches
  for (int i = 0; i < rounds; ++i) {
    direct.push_back(firstToken(endpoint));
    through.push_back(firstToken(gateway));
  }
  double floor = microseconds(direct, 0.5), ours = microseconds(through, 0.5);
  std::printf("first streamed token, %d rounds   median      p95\n", rounds);
  std::printf("  bare endpoint                  %7.0f us %7.0f us\n", floor, microseconds(direct, 0.95));
  std::printf("  through the gateway            %7.0f us %7.0f us\n", ours, microseconds(through, 0.95));
  bench::print({"gateway, first streamed token", ours / 1000, "ms", "bare endpoint", floor / 1000});
  bench::print({"gateway, overhead at the median", (ours - floor) / 1000, "ms", "", NAN, "<= 1", ours - floor <= 1000});
}

}  // namespace
}  // namespace agentos::agentd

int main(int argc, char** argv) {
  using namespace agentos;
  using namespace agentos::agentd;
  test::TemporaryDirectory temporary;
  std::string root = argc > 1 ? std::string(argv[1]) + "/gateway-bench-" + randomToken(6) : temporary.path();
  std::filesystem::create_directories(root + "/audit");
  test::Loop endpointLoop, loop;
  Endpoint endpoint;
  http::Server server(endpointLoop.io, endpoint, {});
  Fd listener = must(listenTcp("127.0.0.1:0"));
  std::uint16_t bare = portOf(listener);
  endpointLoop.run([&] {
    server.listen(std::move(listener));
    return 0;
  });
  std::unique_ptr<Rig> rig = loop.run([&] { return std::make_unique<Rig>(loop, root, bare); });
  std::uint16_t metered = loop.run([&] { return rig->open(); });
  measure(bare, metered, argc > 2 ? std::atoi(argv[2]) : 500);
  loop.await(rig->gateway->closeAll());
  loop.run([&] {
    rig.reset();
    return 0;
  });
  endpointLoop.await(server.close(std::chrono::milliseconds(0)));
  if (argc > 1) std::filesystem::remove_all(root);
  return 0;
}
