// SPDX-License-Identifier: Apache-2.0
// The server against clients that mean harm, over real sockets.
#include "agentd/http/server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>

#include "agentd/http/listen.h"
#include "agentd/http/problem.h"
#include "loop.h"
#include "raw_client.h"

namespace agentos::agentd::http {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using test::eventually;
using test::RawAnswer;
using test::RawClient;

class TestApplication final : public Application {
 public:
  explicit TestApplication(asio::io_context& io) : io_(io) {
    router_.add({"GET", "/status", Access::kOpen,
                 [](RequestPtr, Stream&) -> asio::awaitable<Response> { co_return json({{"ok", true}}); }});
    router_.add({"POST", "/echo", Access::kOpen, [](RequestPtr request, Stream&) -> asio::awaitable<Response> {
                   co_return text(request->body, "text/plain");
                 }});
    router_.add({"GET", "/throw", Access::kOpen, [](RequestPtr, Stream&) -> asio::awaitable<Response> {
                   throw std::runtime_error("on purpose");
                   co_return Response{};
                 }});
    router_.add(
        {"GET", "/stream", Access::kOpen, [this](RequestPtr, Stream& stream) { return tick(stream); }, Hangup::kCut});
    router_.add(
        {"GET", "/flood", Access::kOpen, [this](RequestPtr, Stream& stream) { return flood(stream); }, Hangup::kCut});
    router_.add({"GET", "/broken", Access::kOpen, [](RequestPtr, Stream& stream) -> asio::awaitable<Response> {
                   co_await stream.begin(text({}, "text/plain"));
                   co_await stream.write("half of it");
                   stream.abort();
                   co_return Response{};
                 }});
    router_.add({"POST", "/slow", Access::kOpen, [this](RequestPtr, Stream&) { return slow(); }});
  }
  std::expected<const Route*, Response> route(Request& request) override {
    auto match = router_.find(request.method, request.path);
    if (!match) return std::unexpected(problem(match.error()));
    if (match->route == nullptr) return std::unexpected(unrouted(request, *match));
    return match->route;
  }
  std::atomic<int> streams = 0, slowDone = 0;

 private:
  struct Count {
    explicit Count(std::atomic<int>& counted) : of(counted) { ++of; }
    ~Count() { --of; }
    std::atomic<int>& of;
  };
  // A line at once, and then nothing for long: only a watched read side notices that the client is gone.
  asio::awaitable<Response> tick(Stream& stream) {
    Count here(streams);
    co_await stream.begin(text({}, "text/event-stream"));
    co_await stream.write("data: 1\n\n");
    asio::steady_timer timer(io_, 60s);
    co_await timer.async_wait(asio::use_awaitable);
    co_return Response{};
  }
  asio::awaitable<Response> flood(Stream& stream) {
    Count here(streams);
    co_await stream.begin(text({}, "text/plain"));
    while (co_await stream.write(std::string(65536, 'x'))) {
    }
    co_return Response{};
  }
  asio::awaitable<Response> slow() {
    asio::steady_timer timer(io_, 300ms);
    co_await timer.async_wait(asio::use_awaitable);
    ++slowDone;
    co_return json({{"done", true}});
  }
  asio::io_context& io_;
  Router router_;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() : application(loop.io) {}
  void start(ServerOptions options = {}) {
    server = std::make_unique<Server>(loop.io, application, options);
    auto listener = listenUnix(socket, 0600);
    ASSERT_TRUE(listener) << listener.error().message();
    loop.run([&] {
      server->listen(std::move(*listener));
      return 0;
    });
  }
  void TearDown() override {
    if (server) loop.await(server->close(0ms));
    loop.run([&] {
      server.reset();
      return 0;
    });
  }
  RawAnswer status() { return RawClient(socket).ask("GET", "/status"); }
  std::size_t connections() {
    return loop.run([&] { return server->connections(); });
  }

  test::TemporaryDirectory directory;
  std::string socket = directory.path() + "/s";
  test::Loop loop;
  TestApplication application;
  std::unique_ptr<Server> server;
};

ServerOptions quick() {
  ServerOptions options;
  options.headerTimeout = 300ms;
  options.bodyTimeout = 300ms;
  options.writeTimeout = 300ms;
  return options;
}

TEST_F(ServerTest, AnswersAndKeepsAlive) {
  start();
  RawClient client(socket);
  for (int i = 0; i < 3; ++i) {
    auto answer = client.ask("GET", "/status");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, R"({"ok":true})");
  }
  auto last = client.ask("GET", "/status", "", "Connection: close\r\n");
  EXPECT_EQ(last.header("connection"), "close");
  EXPECT_FALSE(client.receive(1s));
  EXPECT_TRUE(client.ended());
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  RawClient client(socket);
  std::string both =
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirstGET /status HTTP/1.1\r\nHost: a\r\n\r\n"
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthird\r\n0\r\n\r\n";
  client.send(both);
  EXPECT_EQ(client.readAnswer().body, "first");
  EXPECT_EQ(client.readAnswer().body, R"({"ok":true})");
  EXPECT_EQ(client.readAnswer().body, "third");
}

TEST_F(ServerTest, HeadOptionsAndWrongMethods) {
  start();
  RawClient client(socket);
  auto head = client.ask("HEAD", "/status");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-length"), "11");
  auto options = client.ask("OPTIONS", "/status");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.header("allow"), "OPTIONS, GET, HEAD");
  auto wrong = client.ask("DELETE", "/status");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("allow"), "OPTIONS, GET, HEAD");
  EXPECT_EQ(wrong.header("content-type"), "application/problem+json");
  auto nothing = client.ask("GET", "/nothing");
  EXPECT_EQ(nothing.status, 404);
  EXPECT_EQ(nothing.json()["type"], "urn:agentos:error:not_found");
  EXPECT_EQ(client.ask("GET", "http://localhost/status?x=1").status, 200);
}

TEST_F(ServerTest, Http10EndsWithTheConnection) {
  start();
  RawClient client(socket);
  client.send("GET /status HTTP/1.0\r\n\r\n");
  auto answer = client.readAnswer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("connection"), "close");
  RawClient stream(socket);
  stream.send("GET /broken HTTP/1.0\r\n\r\n");
  auto body = stream.readAnswer();
  EXPECT_EQ(body.header("transfer-encoding"), "");
  EXPECT_EQ(body.body, "half of it");
}

TEST_F(ServerTest, ExpectsContinue) {
  start();
  RawClient client(socket);
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.readAnswer().status, 100);
  client.send("body");
  EXPECT_EQ(client.readAnswer().body, "body");
}

TEST_F(ServerTest, RefusesGarbage) {
  start();
  for (std::string garbage :
       {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS hello\r\n\r\n", 25), std::string("hello\r\n\r\n"),
        std::string("GET /status HTTP/1.1\r\nno colon\r\n\r\n"), std::string("GET /status HTTP/9.9\r\n\r\n"),
        std::string("GET /status HTTP/1.1\r\n\r\n"),  // no Host
        std::string("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
        std::string("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
        std::string("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody"),
        std::string(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        std::string("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")}) {
    RawClient client(socket);
    client.send(garbage);
    auto answer = client.readAnswer();
    EXPECT_EQ(answer.status, 400) << garbage;
    EXPECT_EQ(answer.json()["status"], 400) << garbage;
  }
  EXPECT_EQ(status().status, 200);
  EXPECT_TRUE(eventually([&] { return connections() == 0; }));
}

TEST_F(ServerTest, RefusesTwoGibibytesUnread) {
  start();
  RawClient client(socket);
  auto before = std::chrono::steady_clock::now();
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2147483648\r\n\r\n");
  auto answer = client.readAnswer();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.json()["code"], "too_large");
  EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
}

TEST_F(ServerTest, RefusesABodyThatGrowsBeyondItsLimit) {
  start();
  RawClient client(socket);
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::string chunk = "10000\r\n" + std::string(65536, 'x') + "\r\n";
  for (int i = 0; i < 20 && client.send(chunk); ++i) {
  }
  EXPECT_EQ(client.readAnswer().status, 413);
}

// Each within its limit: together they would be sixty-four rooms' worth of memory.
TEST_F(ServerTest, BoundsAllBodiesTogether) {
  ServerOptions options;
  options.bodiesLimit = 1 << 20;
  start(options);
  const std::string large(600 << 10, 'x');
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(large.size()) + "\r\n\r\n";
  RawClient first(socket), second(socket);
  first.send(head + large.substr(1));  // all but one byte
  second.send(head + large.substr(1));
  auto refused = second.readAnswer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_EQ(RawClient(socket).ask("POST", "/echo", "small").body, "small");
  first.send("x");
  EXPECT_EQ(first.readAnswer().body.size(), large.size());
  EXPECT_EQ(RawClient(socket).ask("POST", "/echo", large).status, 200) << "what was answered holds nothing any more";
}

TEST_F(ServerTest, RefusesALongHead) {
  start();
  RawClient client(socket);
  client.send("GET /status HTTP/1.1\r\nHost: a\r\nX-Long: " + std::string(40000, 'x') + "\r\n\r\n");
  EXPECT_EQ(client.readAnswer().status, 431);
}

TEST_F(ServerTest, CutsHalfARequest) {
  start(quick());
  RawClient client(socket);
  client.send("GET /status HT");
  EXPECT_EQ(client.readAnswer().status, 408);
  RawClient body(socket);
  body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_EQ(body.readAnswer().status, 408);
  RawClient closed(socket);
  closed.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  closed.closeWriting();
  EXPECT_EQ(closed.readAnswer().status, 400);
  EXPECT_TRUE(eventually([&] { return connections() == 0; }));
}

// The deadline is for the whole head: bytes that drip do not move it.
TEST_F(ServerTest, CutsADripOfBytes) {
  start(quick());
  RawClient client(socket);
  std::string head = "GET /status HTTP/1.1\r\nHost: a\r\nX-Drip: ";
  client.send(head);
  auto before = std::chrono::steady_clock::now();
  while (client.send("x") && !client.receive(50ms)) {
    if (std::chrono::steady_clock::now() - before > 3s) break;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, 1500ms);
  EXPECT_EQ(client.readAnswer().status, 408);
}

TEST_F(ServerTest, AThousandIdleConnectionsDoNotMatter) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
  setrlimit(RLIMIT_NOFILE, &limit);
  start();
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 1000; ++i) idle.push_back(std::make_unique<RawClient>(socket));
  std::vector<std::chrono::nanoseconds> times;
  for (int i = 0; i < 50; ++i) {
    auto before = std::chrono::steady_clock::now();
    ASSERT_EQ(status().status, 200);
    times.push_back(std::chrono::steady_clock::now() - before);
  }
  std::ranges::sort(times);
  RecordProperty("median_us", static_cast<int>(times[25].count() / 1000));
  std::printf("status behind 1,000 idle connections: median %lld us, worst %lld us\n",
              static_cast<long long>(times[25].count() / 1000), static_cast<long long>(times.back().count() / 1000));
  EXPECT_LT(times[25], 1s);
  EXPECT_LE(connections(), 512U);
}

TEST_F(ServerTest, EvictsTheOldestIdleConnectionOnly) {
  ServerOptions options;
  options.maxConnections = 3;
  start(options);
  RawClient oldest(socket), stream(socket), young(socket);
  EXPECT_EQ(oldest.ask("GET", "/status").status, 200);
  stream.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(stream.receiveUntil("data: 1"));
  EXPECT_EQ(young.ask("GET", "/status").status, 200);
  EXPECT_EQ(status().status, 200);  // a fourth
  EXPECT_FALSE(oldest.receive(1s));
  EXPECT_TRUE(oldest.ended());
  EXPECT_EQ(young.ask("GET", "/status").status, 200);
  EXPECT_EQ(application.streams, 1);
}

TEST_F(ServerTest, IsFullWhenAllAreServed) {
  ServerOptions options;
  options.maxConnections = 2;
  start(options);
  RawClient first(socket), second(socket);
  for (RawClient* client : {&first, &second}) {
    client->send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(client->receiveUntil("data: 1"));
  }
  EXPECT_EQ(status().status, 503);
  first.hangUp();
  EXPECT_TRUE(eventually([&] { return status().status == 200; }));
}

TEST_F(ServerTest, NoticesAtOnceThatAStreamsClientDied) {
  start();
  std::size_t before = test::openDescriptors();
  {
    RawClient client(socket);
    client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(client.receiveUntil("data: 1"));
    EXPECT_EQ(application.streams, 1);
  }
  auto died = std::chrono::steady_clock::now();
  EXPECT_TRUE(eventually([&] { return application.streams == 0; }));
  EXPECT_LT(std::chrono::steady_clock::now() - died, 1s);
  EXPECT_TRUE(eventually([&] { return test::openDescriptors() == before; }));
}

// What a client sends ahead while its stream runs is its next request.
TEST_F(ServerTest, KeepsWhatIsSentAheadOfAStream) {
  start();
  RawClient client(socket);
  client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.receiveUntil("data: 1"));
  client.send("GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(application.streams, 1);
  client.hangUp();
  EXPECT_TRUE(eventually([&] { return application.streams == 0; }));
}

TEST_F(ServerTest, CutsAReaderThatDoesNotRead) {
  start(quick());
  RawClient client(socket);
  client.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return application.streams == 1; }));
  EXPECT_TRUE(eventually([&] { return application.streams == 0; }));
}

TEST_F(ServerTest, ABrokenStreamIsNotTakenForWhole) {
  start();
  RawClient client(socket);
  auto answer = client.ask("GET", "/broken");
  EXPECT_EQ(answer.body, "half of it");
  EXPECT_FALSE(answer.whole);
}

TEST_F(ServerTest, AHandlerThatThrowsIsAProblem) {
  start();
  RawClient client(socket);
  auto answer = client.ask("GET", "/throw");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.json()["code"], "internal");
  EXPECT_EQ(client.ask("GET", "/status").status, 200);
}

// A change is finished though nobody waits for its answer any more.
TEST_F(ServerTest, FinishesAChangeWhoseClientHungUp) {
  start();
  RawClient client(socket);
  client.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  client.hangUp();
  EXPECT_TRUE(eventually([&] { return application.slowDone == 1; }));
}

TEST_F(ServerTest, ClosesGracefully) {
  start();
  RawClient idle(socket), stream(socket), busy(socket);
  EXPECT_EQ(idle.ask("GET", "/status").status, 200);
  stream.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(stream.receiveUntil("data: 1"));
  busy.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  loop.await(server->close(5s));
  auto answer = busy.readAnswer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(application.streams, 0);
  EXPECT_EQ(connections(), 0U);
  EXPECT_FALSE(RawClient(socket).connected() && status().status == 200);
}

TEST_F(ServerTest, SurvivesTheLackOfDescriptors) {
  start();
  RawClient idle(socket);
  EXPECT_EQ(idle.ask("GET", "/status").status, 200);
  std::vector<Fd> hoard;
  RawClient waiting(Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  rlimit low{test::openDescriptors() + 8, limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &low);
  while (true) {
    Fd one(::dup(0));
    if (!one) break;
    hoard.push_back(std::move(one));
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  ASSERT_EQ(::connect(waiting.fd(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address),
            0);
  EXPECT_EQ(waiting.ask("GET", "/status").status, 200);  // the idle one was dropped for it
  EXPECT_FALSE(idle.receive(1s));
  hoard.clear();
  setrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(status().status, 200);
}

TEST_F(ServerTest, LeaksNoDescriptors) {
  start();
  EXPECT_EQ(status().status, 200);
  EXPECT_TRUE(eventually([&] { return connections() == 0; }));
  std::size_t before = test::openDescriptors();
  for (int i = 0; i < 200; ++i) {
    RawClient client(socket);
    if (i % 4 == 0) client.ask("GET", "/status");
    if (i % 4 == 1) client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    if (i % 4 == 2) client.send("\x01\x02garbage\r\n\r\n");
    if (i % 4 == 3) client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
  }
  EXPECT_TRUE(eventually([&] { return connections() == 0; }));
  EXPECT_EQ(test::openDescriptors(), before);
  EXPECT_EQ(application.streams, 0);
}

TEST(ListenUnix, ReplacesAStaleSocketAndRefusesALiveOne) {
  test::TemporaryDirectory directory;
  std::string path = directory.path() + "/s";
  {
    auto first = listenUnix(path, 0600);
    ASSERT_TRUE(first);
    auto second = listenUnix(path, 0600);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kAlreadyRunning);
  }
  EXPECT_TRUE(listenUnix(path, 0600));  // the file is still there, nobody listens
  auto file = listenUnix("/proc/self/status", 0600);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kExists);
  EXPECT_EQ(listenUnix(std::string(200, 'x'), 0600).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(listenTcp("0.0.0.0:80").error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace agentos::agentd::http
