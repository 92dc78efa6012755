// SPDX-License-Identifier: Apache-2.0
// Real sockets on both sides of the proxy; only names are made up.
#include "agentd/egress/proxy.h"

#include "hello.h"
#include "net.h"

namespace agentos::agentd::egress::test {
namespace {

class Egress : public EgressTest {
 protected:
  Egress() { resolver.names["server.example"] = {{"127.0.0.1"}}; }
};

// What a refused call looks like to the agent.
void expectRefusal(const RawAnswer& answer, const std::string& word, int status = 403) {
  EXPECT_EQ(answer.status, status);
  EXPECT_EQ(answer.header("content-type"), "application/problem+json");
  EXPECT_NE(answer.header("proxy-status").find(word), std::string::npos) << answer.header("proxy-status");
  EXPECT_EQ(answer.json()["refused"], word) << answer.body;
  EXPECT_EQ(answer.json()["status"], status);
  EXPECT_NE(answer.json()["detail"], "");
  EXPECT_NE(answer.json()["remedy"], "");
}

TEST_F(Egress, CarriesPlainHttp) {
  TcpServer server(echoRequest);
  auto door = openTo(server);
  auto answer = ask(door, get(server, "/x?y=1", "Accept: */*\r\nProxy-Connection: keep-alive\r\n"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "GET /x?y=1 HTTP/1.1\r\nHost: server.example:" + server.port() +
                             "\r\nAccept: */*\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answer.header("connection"), "close");
  auto books = used();
  ASSERT_EQ(books.size(), 1U);
  EXPECT_EQ(books[0]["destination"], "server.example:" + server.port());
  EXPECT_EQ(books[0]["rule"], "network.egress[0]");
  EXPECT_EQ(books[0]["connections"], 1);
  EXPECT_EQ(books[0]["bytes_up"], answer.body.size());
  EXPECT_GT(books[0]["bytes_down"], answer.body.size());
}

TEST_F(Egress, CarriesBodiesOfEitherFraming) {
  TcpServer server([](RawClient& client) {
    std::string head, body;
    client.receiveUntil("\r\n\r\n", &head);
    const bool chunked = head.find("chunked") != std::string::npos;
    client.receiveUntil(chunked ? "0\r\n\r\n" : "world", &body);
    client.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                std::string("3;x=y\r\nyes\r\n0\r\nT: 1\r\n\r\n"));
    client.receive();
  });
  auto door = openTo(server);
  const std::string host = "server.example:" + server.port(),
                    post = "POST http://" + host + "/ HTTP/1.1\r\nHost: " + host + "\r\n";
  auto one = ask(door, post + "Content-Length: 11\r\n\r\nhello world");
  EXPECT_EQ(one.body, "yes");
  EXPECT_TRUE(one.whole);
  auto two = ask(door, post + "Transfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n");
  EXPECT_EQ(two.body, "yes");
  RawClient waiting(door);
  waiting.send(post + "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(waiting.receiveUntil("HTTP/1.1 100 Continue\r\n\r\n"));
  waiting.send("hello world");
  EXPECT_EQ(waiting.readAnswer().body, "yes");
  RawClient old(door);
  old.send("POST http://" + host + "/ HTTP/1.0\r\nContent-Length: 11\r\n\r\nhello world");
  EXPECT_EQ(old.readAnswer().body, "yes");  // until the end
}

TEST_F(Egress, CarriesATunnelAndEndsItSideBySide) {
  TcpServer server([](RawClient& client) {
    std::string all;
    while (client.receive()) {
    }
    all = client.received();
    client.send("got " + all);  // after the client has ended its side
  });
  auto door = openTo(server, ", tunnel: any");
  RawClient client(door);
  client.send(connectTo(server) + "early ");
  ASSERT_TRUE(client.receiveUntil("200 Connection established\r\n\r\n"));
  client.send("late");
  client.closeWriting();
  while (client.receive()) {
  }
  EXPECT_EQ(client.received(), "got early late");
  EXPECT_TRUE(eventually([&] { return connections() == 0; }));
}

TEST_F(Egress, ARefusalIsAnAnswerAnEventAndACount) {
  TcpServer server(echoRequest);
  auto door = openTo(server);
  for (int i = 0; i < 3; ++i) {
    auto answer = ask(door, "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n");
    expectRefusal(answer, "not_listed");
    EXPECT_EQ(answer.json()["remedy"], "add \"evil.example:443\" to network.egress of the contract, or do without");
  }
  expectRefusal(ask(door, "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "not_listed");
  auto refused = toldOf("egress.refused");
  ASSERT_EQ(refused.size(), 2U);  // each destination once
  EXPECT_EQ(refused[0].instance, "maker.aaaaaa");
  EXPECT_EQ(refused[0].data["destination"], "evil.example:443");
  EXPECT_EQ(refused[0].data["method"], "CONNECT");
  EXPECT_EQ(used()[0]["refused"], 3);
  EXPECT_EQ(server.connections(), 0);
  EXPECT_TRUE(resolver.asked.empty());  // a name that is not listed is not even asked for
}

TEST_F(Egress, AFloodOfRefusalsIsBounded) {
  auto door = open("{}");
  for (int i = 0; i < 200; ++i) ask(door, "CONNECT x" + std::to_string(i) + ".example:443 HTTP/1.1\r\n\r\n");
  EXPECT_EQ(toldOf("egress.refused").size(), 64U);
  EXPECT_EQ(used().size(), kMostRefused + 1);
  std::uint64_t all = 0;
  for (const auto& one : used()) all += one["refused"].get<std::uint64_t>();
  EXPECT_EQ(all, 200U);
}

TEST_F(Egress, ARedirectIsTheNextRequestAndJudgedAgain) {
  TcpServer secret(echoRequest);
  TcpServer server([&](RawClient& client) {
    client.receiveUntil("\r\n\r\n");
    client.send("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:" + secret.port() + "/\r\nContent-Length: 0\r\n\r\n");
  });
  auto door = openTo(server);
  auto answer = ask(door, get(server));
  EXPECT_EQ(answer.status, 302);
  const std::string there = answer.header("location").substr(7), host = there.substr(0, there.find('/'));
  expectRefusal(ask(door, "GET http://" + there + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"), "not_listed");
  EXPECT_EQ(secret.connections(), 0);
}

TEST_F(Egress, PrivateAddressesAreRefusedWithoutRootsWord) {
  TcpServer server(echoRequest);
  auto door = openTo(server);
  EXPECT_EQ(ask(door, get(server)).status, 200);  // the control: with root's word it is there
  loop.run([this] {
    permitted.clear();
    return 0;
  });
  expectRefusal(ask(door, get(server)), "private_address");
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(toldOf("egress.refused")[0].data["why"],
            "server.example resolves to 127.0.0.1, which is a loopback address");
}

TEST_F(Egress, ANameThatChangesItsMindGainsNothing) {
  TcpServer server(echoRequest), other(echoRequest, "127.0.0.66");
  auto door = open("{ egress: [{ host: server.example, port: " + server.port() + ", addresses: [127.0.0.1] }] }");
  resolver.names["server.example"] = {{"127.0.0.1"}, {"127.0.0.66"}, {"127.0.0.66", "127.0.0.1"}, {"169.254.169.254"}};
  EXPECT_EQ(ask(door, get(server)).status, 200);
  EXPECT_EQ(resolver.asked["server.example"], 1);  // once for a call: what is judged is what is connected to
  expectRefusal(ask(door, get(server)), "private_address");
  EXPECT_EQ(ask(door, get(server)).status, 200);  // of two the one that may be
  auto metadata = ask(door, get(server));
  expectRefusal(metadata, "private_address");
  EXPECT_NE(metadata.json()["detail"].get<std::string>().find("a cloud's metadata service"), std::string::npos);
  EXPECT_EQ(server.connections(), 2);
  EXPECT_EQ(other.connections(), 0);
}

TEST_F(Egress, ThisMachineIsNotThePublicInternet) {
  EXPECT_TRUE(isOwnAddress(IpAddress::parse("127.0.0.1").value()));
  EXPECT_FALSE(isOwnAddress(IpAddress::parse("192.0.2.1").value()));
  auto door = open(R"({ unrestricted: true, reason: "a test" })");
  for (const char* target :
       {"127.0.0.1:80", "169.254.169.254:80", "10.0.0.1:443", "[::1]:80", "[::ffff:127.0.0.1]:80", "0.0.0.0:80"})
    expectRefusal(ask(door, "CONNECT " + std::string(target) + " HTTP/1.1\r\n\r\n"), "private_address");
  ASSERT_EQ(toldOf("egress.unrestricted").size(), 1U);
  EXPECT_EQ(toldOf("egress.unrestricted")[0].data["reason"], "a test");
}

TEST_F(Egress, ATunnelCarriesTlsToItsOwnNameOnly) {
  TcpServer server(echoBytes);
  auto door = openTo(server);
  auto tunnel = [&](const std::string& bytes) {
    auto client = std::make_unique<RawClient>(door);
    client->send(connectTo(server));
    EXPECT_TRUE(client->receiveUntil("\r\n\r\n"));
    client->send(bytes);
    client->receive();
    return client->received();
  };
  EXPECT_EQ(tunnel(helloTo("server.example")), helloTo("server.example"));
  EXPECT_EQ(tunnel(helloTo("hidden.example")), std::string("\x15\x03\x03\x00\x02\x02\x70", 7));
  EXPECT_EQ(tunnel("GET / HTTP/1.1\r\n\r\n"), "");
  EXPECT_EQ(tunnel("SSH-2.0-x\r\n"), "");
  auto refused = toldOf("egress.refused");
  ASSERT_EQ(refused.size(), 2U);
  EXPECT_EQ(refused[0].data["refused"], "server_name");
  EXPECT_EQ(refused[1].data["refused"], "not_tls");
  EXPECT_EQ(used()[0]["bytes_up"], helloTo("server.example").size());  // nothing else went through
  // The control: a rule that says so carries anything.
  auto wide = openTo(server, ", tunnel: any");
  RawClient client(wide);
  client.send(connectTo(server) + "SSH-2.0-x\r\n");
  EXPECT_TRUE(client.receiveUntil("SSH-2.0-x\r\n"));
}

TEST_F(Egress, NothingIsSmuggledBehindARequest) {
  std::mutex held;
  std::vector<std::string> seen;
  TcpServer server([&](RawClient& client) {
    while (client.receive(std::chrono::milliseconds(300))) {
    }
    std::scoped_lock lock(held);
    seen.push_back(client.received());
    client.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  auto door = openTo(server);
  const std::string host = "server.example:" + server.port(), evil = "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n",
                    post = "POST http://" + host + "/ HTTP/1.1\r\nHost: " + host + "\r\n";
  for (const std::string& request : std::vector<std::string>{
           post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + evil,
           post + "Content-Length: 0\r\nContent-Length: " + std::to_string(evil.size()) + "\r\n\r\n" + evil,
           post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + evil,
           post +
               "Transfer-Encoding:\x0b"
               "chunked\r\n\r\n0\r\n\r\n" +
               evil,
           post + "X: y\r\n Content-Length: 9\r\n\r\n" + evil, post + "X: y\nContent-Length: 9\r\n\r\n" + evil,
           "GET http://" + host + "/ HTTP/1.1\r\nHost: other.example\r\n\r\n",
           "GET http://" + host + "/ HTTP/1.1\r\nHost: " + host + "\r\nHost: other.example\r\n\r\n",
           "GET http://server.example@evil.example/ HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
           "CONNECT " + host + " HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "CONNECT server.example HTTP/1.1\r\n\r\n",
           "CONNECT server.example:0 HTTP/1.1\r\n\r\n"}) {
    auto answer = ask(door, request);
    expectRefusal(answer, "malformed", answer.status);
    EXPECT_GE(answer.status, 400) << request;
  }
  EXPECT_EQ(server.connections(), 0);
  // What comes behind a whole request is nobody's: the server sees one.
  EXPECT_EQ(ask(door, post + "Content-Length: 2\r\n\r\nok" + evil).status, 200);
  EXPECT_EQ(ask(door, post + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + evil).status, 200);
  EXPECT_EQ(ask(door, get(server) + evil).status, 200);
  std::scoped_lock lock(held);
  ASSERT_EQ(seen.size(), 3U);
  for (const auto& one : seen) EXPECT_EQ(one.find("admin"), std::string::npos) << one;
}

TEST_F(Egress, ABrokenBodyHasNoEnd) {
  std::string seen;
  TcpServer server([&](RawClient& client) {
    while (client.receive()) {
    }
    seen = client.received();
  });
  auto door = openTo(server);
  const std::string host = "server.example:" + server.port();
  ask(door, "POST http://" + host + "/ HTTP/1.1\r\nHost: " + host +
                "\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0x5\r\nhello\r\n0\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return connections() == 0; }));
  EXPECT_EQ(seen.find("0\r\n\r\n"), std::string::npos) << seen;
}

TEST_F(Egress, AServerThatMisbehavesIsAnAnswer) {
  std::string reply;
  TcpServer server([&](RawClient& client) {
    client.receiveUntil("\r\n\r\n");
    client.send(reply);
  });
  auto door = openTo(server);
  for (const char* bad : {"", "HTTP/1.1 200 OK\r\n", "garbage\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
                          "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"}) {
    reply = bad;
    EXPECT_EQ(ask(door, get(server)).status, 502) << bad;
  }
  reply = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
  EXPECT_FALSE(ask(door, get(server)).whole);
  reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz";
  EXPECT_FALSE(ask(door, get(server)).whole);
  reply = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more";
  EXPECT_EQ(ask(door, get(server)).body, "ok");
  reply = std::string("HTTP/1.1 200 OK\r\nX: ") + std::string(70000, 'x') + "\r\n\r\n";
  EXPECT_EQ(ask(door, get(server)).status, 502);
}

TEST_F(Egress, WhatCannotBeReachedIsSaid) {
  std::string port;
  {
    TcpServer gone(echoRequest);
    port = gone.port();
  }
  auto door = open("{ egress: [" + rule(port) + ", \"nowhere.example:80\"] }");
  auto refused = ask(door, "CONNECT server.example:" + port + " HTTP/1.1\r\n\r\n");
  EXPECT_EQ(refused.status, 502);
  EXPECT_EQ(refused.json()["refused"], "unreachable");
  EXPECT_EQ(ask(door, "CONNECT nowhere.example:80 HTTP/1.1\r\n\r\n").json()["refused"], "unresolved");
  EXPECT_TRUE(toldOf("egress.refused").empty());  // nobody refused anything
}

class SlowEgress : public Egress {
 protected:
  SlowEgress() {
    timing.head = std::chrono::milliseconds(150);
    timing.idle = std::chrono::milliseconds(400);
    timing.halfOpen = std::chrono::milliseconds(150);
    timing.connect = std::chrono::milliseconds(200);
    stop();
    start();
  }
};

TEST_F(SlowEgress, ASlowSideIsCut) {
  TcpServer mute([](RawClient& client) {
    while (client.receive()) {
    }
  });
  auto door = openTo(mute);
  RawClient half(door);
  half.send("GET http://server.example");
  EXPECT_EQ(half.readAnswer().status, 408);
  EXPECT_EQ(ask(door, get(mute)).status, 504);  // a server that never answers
  RawClient hello(door);                        // a tunnel whose client never speaks
  hello.send(connectTo(mute));
  EXPECT_TRUE(hello.receiveUntil("\r\n\r\n"));
  EXPECT_FALSE(hello.receive(std::chrono::seconds(2)));
  EXPECT_TRUE(hello.ended());
  auto wide = openTo(mute, ", tunnel: any");
  RawClient idle(wide);
  idle.send(connectTo(mute) + "x");
  EXPECT_TRUE(idle.receiveUntil("\r\n\r\n"));
  EXPECT_FALSE(idle.receive(std::chrono::seconds(2)));
  EXPECT_TRUE(idle.ended());
  RawClient halfOpen(wide);
  halfOpen.send(connectTo(mute) + "x");
  EXPECT_TRUE(eventually([&] { return connections() == 1; }));
  EXPECT_TRUE(eventually([&] { return connections() == 0; }));
}

TEST_F(SlowEgress, ADripOfBytesIsAlive) {
  TcpServer server([](RawClient& client) {
    client.receiveUntil("\r\n\r\n");
    client.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for (int i = 0; i < 10; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      client.send("x");
    }
  });
  auto door = openTo(server);
  EXPECT_TRUE(ask(door, get(server)).whole);  // a second in all, with 400 ms of patience
}

TEST_F(Egress, AReaderThatTakesNothingHoldsOneBufferOnly) {
  std::atomic<std::size_t> pushed = 0;
  TcpServer server([&](RawClient& client) {
    client.receiveUntil("\r\n\r\n");
    client.send("HTTP/1.1 200 OK\r\n\r\n");
    const std::string piece(64 << 10, 'x');
    while (pushed < (256U << 20) && client.send(piece)) pushed += piece.size();
  });
  auto door = openTo(server);
  RawClient client(door);
  client.send(get(server));
  std::size_t before = 0;
  do {
    before = pushed;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  } while (pushed != before || before == 0);
  EXPECT_LT(pushed, 16U << 20);  // the kernel's buffers, and one of ours
  client.hangUp();
  EXPECT_TRUE(eventually([&] { return connections() == 0; }));
}

TEST_F(Egress, AThousandTunnelsAreBoundedAndLeaveNothing) {
  TcpServer server(echoBytes);
  auto door = openTo(server, ", tunnel: any");
  ask(door, get(server));
  EXPECT_TRUE(eventually([&] { return connections() == 0; }));
  const auto before = openDescriptors();
  {
    std::vector<std::unique_ptr<RawClient>> open;
    int established = 0, refused = 0;
    for (int i = 0; i < 1000; ++i) {
      open.push_back(std::make_unique<RawClient>(door));
      open.back()->send(connectTo(server));
      std::string head;
      if (!open.back()->receiveUntil("\r\n\r\n", &head)) continue;
      (head.starts_with("HTTP/1.1 200") ? established : refused)++;
    }
    EXPECT_EQ(established, 128);
    EXPECT_EQ(refused, 872);
  }
  EXPECT_TRUE(eventually([&] { return connections() == 0; }));
  EXPECT_EQ(ask(door, get(server)).status, 502);  // an echo is no HTTP: but it is let through again
  EXPECT_TRUE(eventually([&] { return openDescriptors() <= before; })) << openDescriptors() << " after " << before;
}

TEST_F(Egress, BytesAreCappedExactlyAndOverARestart) {
  TcpServer server([](RawClient& client) {
    client.receiveUntil("\r\n\r\n");
    client.send("HTTP/1.1 200 OK\r\n\r\n" + std::string(1 << 20, 'x'));
    client.receive();
  });
  auto door = openTo(server, ", max_bytes: 100000");
  auto cut = ask(door, get(server));
  EXPECT_LT(cut.body.size(), 100000U);
  EXPECT_GT(cut.body.size(), 90000U);
  expectRefusal(ask(door, get(server)), "max_bytes");
  EXPECT_EQ(used()[0]["bytes_up"].get<int>() + used()[0]["bytes_down"].get<int>(), 100000);
  EXPECT_EQ(toldOf("egress.refused").size(), 1U);
  close(false);
  EXPECT_TRUE(toldOf("egress.summary").empty());  // the run goes on
  stop();
  start();
  door = openTo(server, ", max_bytes: 100000");
  expectRefusal(ask(door, get(server)), "max_bytes");
  door = openTo(server, "", ", max_bytes: 100000");  // the contract's own, over all rules
  expectRefusal(ask(door, get(server)), "max_bytes");
}

TEST_F(Egress, ARateIsKept) {
  TcpServer server([](RawClient& client) {
    client.receiveUntil("\r\n\r\n");
    client.send("HTTP/1.1 200 OK\r\nContent-Length: 524288\r\n\r\n" + std::string(512 << 10, 'x'));
    client.receive();
  });
  auto door = openTo(server, "", ", rate: 1MiB");
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(ask(door, get(server)).body, std::string(512 << 10, 'x'));
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GT(took, std::chrono::milliseconds(350));
  EXPECT_LT(took, std::chrono::seconds(3));
}

TEST_F(Egress, ARoomThatGoesIsCutInMidStreamAndSummedUp) {
  std::atomic<bool> ended = false;
  TcpServer server([&](RawClient& client) {
    client.receiveUntil("\r\n\r\n");
    client.send("HTTP/1.1 200 OK\r\n\r\n");
    const std::string piece(4096, 'x');
    while (client.send(piece)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ended = true;
  });
  auto door = openTo(server);
  RawClient client(door);
  client.send(get(server));
  ASSERT_TRUE(client.receiveUntil("xxxx"));
  close();
  EXPECT_TRUE(eventually([&] { return ended.load(); }));
  EXPECT_EQ(connections(), 0U);
  while (client.receive()) {
  }
  EXPECT_TRUE(client.ended());
  auto summary = toldOf("egress.summary");
  ASSERT_EQ(summary.size(), 1U);
  EXPECT_EQ(summary[0].data["used"][0]["connections"], 1);
  EXPECT_GT(summary[0].data["bytes"], 4000);
  EXPECT_EQ(used()[0]["connections"], 1);  // and it can be asked about afterwards
}

TEST_F(Egress, AClientThatDiesEndsItsCall) {
  TcpServer server(echoBytes);
  auto door = openTo(server, ", tunnel: any");
  {
    RawClient client(door);
    client.send(connectTo(server) + "x");
    ASSERT_TRUE(client.receiveUntil("\r\n\r\nx"));
  }
  EXPECT_TRUE(eventually([&] { return connections() == 0; }));
}

}  // namespace
}  // namespace agentos::agentd::egress::test
