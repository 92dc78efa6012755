// SPDX-License-Identifier: Apache-2.0
// What the egress proxy costs: a client asks a server on loopback, and the same through a room's door, as plain HTTP
// and in a tunnel. The ways take turns in one run: time to the first byte, and bytes a second of one long answer.
//
//   egress_bench [directory for the database] [rounds] [MiB of a long answer]
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "../tests/unit/agentd_http/loop.h"
#include "agentd/egress/proxy.h"
#include "agentd/http/listen.h"
#include "contract/loader.h"
#include "support/figures.h"

namespace agentos::agentd::egress {
namespace {

using bench::must;
using bench::nowNs;

std::uint16_t portOf(const Fd& listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(listener.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), &size);
  return ntohs(address.sin_port);
}

Fd connectTo(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address) != 0)
    bench::stop("connect");
  return fd;
}

void sendAll(const Fd& fd, const std::string& bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto count = ::send(fd.get(), bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (count <= 0) return;
    at += static_cast<std::size_t>(count);
  }
}

std::string readHead(const Fd& fd) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n") && ::recv(fd.get(), &byte, 1, 0) == 1) head += byte;
  return head;
}

// GET /N: N bytes.
void serve(const Fd& listener) {
  const std::string piece(256 << 10, 'x');
  while (true) {
    Fd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    const std::string head = readHead(client);
    if (head.size() < 6) continue;
    auto left = static_cast<std::size_t>(std::strtoull(head.c_str() + 5, nullptr, 10));
    sendAll(client, "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(left) + "\r\n\r\n");
    for (; left > 0; left -= std::min(left, piece.size()))
      sendAll(client, piece.substr(0, std::min(left, piece.size())));
  }
}

class NoNames final : public Resolver {
 public:
  boost::asio::awaitable<Result<std::vector<IpAddress>>> resolve(std::string) override {
    co_return fail(ErrorCode::kNotFound, "no names here", "");
  }
};

enum class By { kBare, kHttp, kTunnel };

struct Ways {
  std::uint16_t server = 0, door = 0;
  // Asks for that many bytes; nanoseconds to the first byte of the answer, and to its end.
  std::pair<double, double> ask(By by, std::size_t size) const {
    const std::string host = "127.0.0.1:" + std::to_string(server), rest = " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
    const auto begin = nowNs();
    Fd fd = connectTo(by == By::kBare ? server : door);
    if (by == By::kTunnel) {
      sendAll(fd, "CONNECT " + host + rest);
      if (!readHead(fd).starts_with("HTTP/1.1 200")) bench::stop("the tunnel was refused");
    }
    sendAll(fd, "GET " + (by == By::kHttp ? "http://" + host : std::string()) + "/" + std::to_string(size) + rest);
    if (!readHead(fd).starts_with("HTTP/1.1 200")) bench::stop("the request was refused");
    const auto first = nowNs();
    static std::array<char, 256 << 10> buffer;
    while (size > 0) {
      const auto count = ::recv(fd.get(), buffer.data(), std::min(size, buffer.size()), 0);
      if (count <= 0) bench::stop("the answer broke off");
      size -= static_cast<std::size_t>(count);
    }
    return {static_cast<double>(first - begin), static_cast<double>(nowNs() - begin)};
  }
};

long residentKiB() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

void measure(const Ways& ways, int rounds, std::size_t mebibytes) {
  std::array<bench::Samples, 3> first, rate;
  for (int i = 0; i < rounds; ++i) {
    for (const By by : {By::kBare, By::kHttp, By::kTunnel}) {
      first[static_cast<std::size_t>(by)].add(ways.ask(by, 1).first / 1e6);
    }
  }
  const long before = residentKiB();
  for (int i = 0; i < 3; ++i) {
    for (const By by : {By::kBare, By::kHttp, By::kTunnel}) {
      rate[static_cast<std::size_t>(by)].add(static_cast<double>(mebibytes) /
                                             (ways.ask(by, mebibytes << 20).second / 1e9));
    }
  }
  const std::string load = ", load " + bench::load();
  const double direct = first[0].median();
  bench::print({.what = "first byte through the proxy, plain HTTP",
                .value = first[1].median(),
                .unit = "ms",
                .peer = "direct",
                .peerValue = direct,
                .aim = "at most 1 ms more",
                .met = first[1].median() <= direct + 1});
  bench::print({.what = "first byte through the proxy, a new tunnel",
                .value = first[2].median(),
                .unit = "ms",
                .peer = "direct",
                .peerValue = direct,
                .aim = "at most 1 ms more",
                .met = first[2].median() <= direct + 1});
  bench::print({.what = "one long answer, plain HTTP",
                .value = rate[1].median(),
                .unit = "MiB/s",
                .peer = "direct",
                .peerValue = rate[0].median()});
  bench::print({.what = "one long answer, in a tunnel",
                .value = rate[2].median(),
                .unit = "MiB/s",
                .peer = "direct",
                .peerValue = rate[0].median()});
  bench::print({.what = "memory that the long answers took",
                .value = static_cast<double>(residentKiB() - before) / 1024,
                .unit = "MiB",
                .aim = "at most 2",
                .met = residentKiB() - before <= 2048});
  std::printf("%d rounds, %zu MiB an answer%s\n", rounds, mebibytes, load.c_str());
}

}  // namespace
}  // namespace agentos::agentd::egress

int main(int count, char** words) {
  using namespace agentos;
  using namespace agentos::agentd;
  namespace eg = agentos::agentd::egress;
  const std::string directory = std::string(count > 1 ? words[1] : "/var/tmp") + "/egress-bench-" + randomToken(8);
  const int rounds = count > 2 ? std::atoi(words[2]) : 300;
  const auto mebibytes = static_cast<std::size_t>(count > 3 ? std::atoi(words[3]) : 1024);
  std::filesystem::create_directories(directory + "/audit");
  {
    SystemClock clock;
    agentd::test::Loop loop;
    Fd listener = bench::must(listenTcp("127.0.0.1:0")), door = bench::must(listenTcp("127.0.0.1:0"));
    ::fcntl(listener.get(), F_SETFL, ::fcntl(listener.get(), F_GETFL) & ~O_NONBLOCK);
    const eg::Ways ways{eg::portOf(listener), eg::portOf(door)};
    std::thread server([&] { eg::serve(listener); });
    auto db = bench::must(Database::open(directory + "/agentd.db"));
    auto audit = bench::must(govern::AuditLog::open(directory + "/audit", clock));
    Events events(*audit, directory + "/audit");
    auto books = bench::must(eg::Books::open(*db));
    eg::NoNames names;
    auto contract = contract::loadContract(
        "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\nnetwork: { egress: [{ host: 127.0.0.1, "
        "port: " +
            std::to_string(ways.server) + ", tunnel: any }] }\n",
        "bench");
    if (!contract) bench::stop(contract.error().front().message());
    std::unique_ptr<eg::Proxy> proxy;
    const auto id = bench::must(InstanceId::parse("maker.aaaaaa"));
    loop.run([&] {
      proxy = std::make_unique<eg::Proxy>(
          eg::ProxyParts{.io = loop.io, .events = events, .books = *books, .resolver = names, .permitted = [] {
                           return std::vector{*IpRange::parse("127.0.0.0/8")};
                         }});
      proxy->open(id, std::make_shared<const contract::Contract>(*contract), "", std::move(door));
      return 0;
    });
    eg::measure(ways, rounds, mebibytes);
    loop.run([&] {
      proxy.reset();
      return 0;
    });
    loop.stop();
    ::shutdown(listener.get(), SHUT_RDWR);
    server.join();
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return 0;
}
