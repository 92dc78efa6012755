// SPDX-License-Identifier: Apache-2.0
// The other side of the proxy: servers on loopback, a resolver that a test writes, and a door with a contract.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "../agentd_http/loop.h"
#include "../agentd_http/raw_client.h"
#include "agentd/egress/proxy.h"
#include "agentd/http/listen.h"
#include "contract/loader.h"

namespace agentos::agentd::egress::test {

using agentd::test::eventually;
using agentd::test::openDescriptors;
using agentd::test::RawAnswer;
using agentd::test::RawClient;

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return *std::move(result);
}

// One thread a connection; `serve` has it for as long as it likes.
class TcpServer {
 public:
  explicit TcpServer(std::function<void(RawClient&)> serve, const char* address = "127.0.0.1")
      : serve_(std::move(serve)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &at.sin_addr);
    auto* generic = static_cast<sockaddr*>(static_cast<void*>(&at));
    if (::bind(listener_.get(), generic, sizeof at) != 0 || ::listen(listener_.get(), 512) != 0)
      throw std::runtime_error("no listener");
    socklen_t size = sizeof at;
    ::getsockname(listener_.get(), generic, &size);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { accept(); });
  }
  ~TcpServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    {
      std::scoped_lock lock(mutex_);
      for (int one : open_) ::shutdown(one, SHUT_RDWR);
    }
    for (auto& one : workers_) one.join();
  }
  std::string port() const { return std::to_string(port_); }
  int connections() const { return connections_; }

 private:
  void accept() {
    while (true) {
      Fd accepted(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!accepted) return;
      ++connections_;
      std::scoped_lock lock(mutex_);
      open_.insert(accepted.get());
      workers_.emplace_back([this, client = std::make_unique<RawClient>(std::move(accepted))]() mutable {
        serve_(*client);
        std::scoped_lock held(mutex_);
        open_.erase(client->fd());
        client.reset();
      });
    }
  }
  std::function<void(RawClient&)> serve_;
  Fd listener_;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::mutex mutex_;
  std::set<int> open_;
  std::vector<std::thread> workers_;
  std::thread thread_;
};

// Answers a test's requests with a body that is the request itself.
inline void echoRequest(RawClient& client) {
  std::string head;
  if (!client.receiveUntil("\r\n\r\n", &head)) return;
  client.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(head.size()) + "\r\n\r\n" + head);
}
inline void echoBytes(RawClient& client) {
  std::string at;
  while (client.receive(std::chrono::seconds(20)) || !client.received().empty()) {
    const std::string now = client.received();
    if (!client.receiveUntil(now) || !client.send(now) || client.ended()) return;
  }
}

class ScriptedResolver final : public Resolver {
 public:
  boost::asio::awaitable<Result<std::vector<IpAddress>>> resolve(std::string name) override {
    std::scoped_lock lock(mutex);
    ++asked[name];
    auto found = names.find(name);
    if (found == names.end()) co_return fail(ErrorCode::kNotFound, name + " has no address", "another");
    std::vector<IpAddress> answer;
    auto& rounds = found->second;
    for (const auto& text : rounds.front()) answer.push_back(IpAddress::parse(text).value());
    if (rounds.size() > 1) rounds.erase(rounds.begin());
    co_return answer;
  }
  std::mutex mutex;
  std::map<std::string, std::vector<std::vector<std::string>>> names;  // the answers in turn; the last one stays
  std::map<std::string, int> asked;
};

class EgressTest : public testing::Test {
 protected:
  EgressTest() {
    std::filesystem::create_directories(directory.path() + "/audit");
    start();
  }
  ~EgressTest() override {
    stop();
    loop.stop();
  }
  void start() {
    loop.run([this] {
      db = must(Database::open(directory.path() + "/agentd.db"));
      audit = must(govern::AuditLog::open(directory.path() + "/audit", clock));
      events = std::make_unique<Events>(*audit, directory.path() + "/audit");
      listening = events->listen([this](const govern::AuditEntry& entry) {
        std::scoped_lock lock(mutex);
        told.push_back(entry.event);
      });
      books = must(Books::open(*db));
      proxy = std::make_unique<Proxy>(ProxyParts{.io = loop.io,
                                                 .events = *events,
                                                 .books = *books,
                                                 .resolver = resolver,
                                                 .permitted = [this] { return permitted; },
                                                 .timing = timing});
      return 0;
    });
  }
  void stop() {
    loop.run([this] {
      proxy.reset();
      books.reset();
      listening.reset();
      events.reset();
      audit.reset();
      db.reset();
      return 0;
    });
  }

  static std::shared_ptr<const contract::Contract> contractOf(const std::string& network) {
    auto contract = contract::loadContract(
        "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\nnetwork: " + network + "\n", "test");
    if (!contract) throw std::runtime_error(contract.error().front().message());
    return std::make_shared<const contract::Contract>(*std::move(contract));
  }
  // The path of the door's socket.
  std::string open(const std::string& network) {
    const std::string path = directory.path() + "/door" + std::to_string(++doors) + ".sock";
    loop.run([&] {
      proxy->open(id, contractOf(network), "", must(listenUnix(path, 0600)));
      return 0;
    });
    return path;
  }
  void close(bool ended = true) { loop.await(proxy->close(id, ended)); }
  // A rule for a name that leads to loopback, where the test permits it.
  static std::string rule(const std::string& port, const std::string& more = "") {
    return "{ host: server.example, port: " + port + ", addresses: [127.0.0.0/8]" + more + " }";
  }
  std::string openTo(const TcpServer& server, const std::string& more = "", const std::string& network = "") {
    return open("{ egress: [" + rule(server.port(), more) + "]" + network + " }");
  }
  static std::string get(const TcpServer& server, const std::string& path = "/", const std::string& more = "") {
    const std::string host = "server.example:" + server.port();
    return "GET http://" + host + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + more + "\r\n";
  }
  static std::string connectTo(const TcpServer& server) {
    return "CONNECT server.example:" + server.port() + " HTTP/1.1\r\n\r\n";
  }
  static RawAnswer ask(const std::string& door, const std::string& request) {
    RawClient client(door);
    client.send(request);
    return client.readAnswer();
  }
  std::vector<govern::AuditEvent> toldOf(const std::string& kind) {
    std::scoped_lock lock(mutex);
    std::vector<govern::AuditEvent> found;
    for (const auto& one : told) {
      if (one.kind == kind) found.push_back(one);
    }
    return found;
  }
  Json used() {
    return loop.run([this] { return proxy->view(id)["used"]; });
  }
  std::size_t connections() {
    return loop.run([this] { return proxy->connections(); });
  }

  agentd::test::TemporaryDirectory directory;
  SystemClock clock;
  agentd::test::Loop loop;
  InstanceId id = InstanceId::parse("maker.aaaaaa").value();
  Timing timing;
  ScriptedResolver resolver;
  std::vector<IpRange> permitted{*IpRange::parse("127.0.0.0/8")};
  std::unique_ptr<Database> db;
  std::unique_ptr<govern::AuditLog> audit;
  std::unique_ptr<Events> events;
  std::shared_ptr<void> listening;
  std::unique_ptr<Books> books;
  std::unique_ptr<Proxy> proxy;
  std::mutex mutex;
  std::vector<govern::AuditEvent> told;
  int doors = 0;
};

}  // namespace agentos::agentd::egress::test
