// SPDX-License-Identifier: Apache-2.0
// Hostile clients on the operators' socket of the real daemon, and who may own a prefix.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "hostile.h"

namespace agentos::test {
namespace {

class Socket : public Hostile {};

TEST_F(Socket, AStaleOneIsReplacedAndALiveOneIsNot) {
  std::filesystem::create_directories(agentd.prefix() + "/run/agentd");
  {
    const Fd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socketPath().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);  // NOLINT: the API's cast
  }
  writeText(agentd.prefix() + "/run/agentd/agentd.pid",
            std::to_string(::getpid()) + "\n");  // of a process that lives, and is not agentd
  agentd.start();
  EXPECT_EQ(ask(socketPath(), "GET", "/healthz").status, 200);
  for (int i = 0; i < 3; ++i) {
    const Answer second =
        runProgram({"agentd", "--prefix", agentd.prefix(), "--company", agentd.company(), "--user", "nobody"});
    EXPECT_EQ(second.status, 4);
    EXPECT_NE(second.err.find(std::to_string(agentd.launcher())), std::string::npos) << second.err;
  }
  EXPECT_EQ(ask(socketPath(), "GET", "/healthz").status, 200) << "the socket is still the first one's";
  endWithNothingLeft();
}

TEST_F(Socket, NoClientKeepsOthersFromAnAnswer) {
  agentd.contract("web", "run: { mode: service, command: [\"/bin/sleep\", \"1000\"] }\n");
  agentd.start();
  ASSERT_TRUE(eventually([&] { return isRunning("web"); }));
  const pid_t daemon = daemonPid();
  medianAnswer(socketPath(), 5);
  std::this_thread::sleep_for(200ms);
  const auto before = openDescriptors(daemon);
  {
    std::vector<Fd> held;
    for (int i = 0; i < 1000; ++i) held.push_back(connectUnix(socketPath()));  // idle
    for (int i = 0; i < 20; ++i) {
      held.push_back(connectUnix(socketPath()));
      sendText(held.back(), "GET /v1/agents HTTP/1.1\r\nHo");  // a half
      held.push_back(connectUnix(socketPath()));
      sendText(held.back(), "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 2147483648\r\n\r\n{");
      held.push_back(connectUnix(socketPath()));
      sendText(held.back(), std::string(4096, '\x16') + "\r\n\r\n");  // garbage
      held.push_back(connectUnix(socketPath()));
      sendText(held.back(), "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n");  // a stream nobody reads
    }
    EXPECT_LT(medianAnswer(socketPath(), 21), 50ms);
    // One byte a second, hurried: a byte between each two answers of others.
    const Fd slow = connectUnix(socketPath());
    for (const char byte : std::string("GET /v1/agents HTTP/1.1\r\nHost: x\r\n")) {
      sendText(slow, std::string(1, byte));
      if (byte == '\n') EXPECT_LT(medianAnswer(socketPath(), 3), 50ms);
    }
  }
  EXPECT_TRUE(eventually([&] { return openDescriptors(daemon) <= before + 2; }))
      << openDescriptors(daemon) << " open, before " << before;
  EXPECT_EQ(daemonPid(), daemon) << "it was never restarted";
  EXPECT_TRUE(isRunning("web"));
  endWithNothingLeft();
}

TEST_F(Socket, EachRefusalSaysWhatItIs) {
  agentd.start();
  auto answerTo = [&](const std::string& text) {
    const Fd socket = connectUnix(socketPath());
    sendText(socket, text);
    ::shutdown(socket.get(), SHUT_WR);
    return readToEnd(socket);
  };
  EXPECT_TRUE(answerTo("POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 2147483648\r\n\r\n{")
                  .starts_with("HTTP/1.1 413"));
  EXPECT_TRUE(answerTo(std::string(64, '\x16') + "\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(answerTo("GET /" + std::string(1 << 20, 'a') + " HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 431"));
  EXPECT_TRUE(answerTo("POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"title\":")
                  .starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(answerTo("POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x")
                  .starts_with("HTTP/1.1 400"));
  const std::string smuggled = answerTo(
      "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET "
      "/healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(smuggled.starts_with("HTTP/1.1 400")) << smuggled;
  EXPECT_EQ(smuggled.find("HTTP/1.1 200"), std::string::npos) << smuggled;
  const Reply deep = ask(socketPath(), "POST", "/v1/tasks", std::string(200'000, '['));
  EXPECT_EQ(deep.status, 400) << deep.body;
  EXPECT_EQ(ask(socketPath(), "GET", "/v1/agents/..%2f..%2fetc%2fpasswd").status / 100, 4);
  EXPECT_EQ(ask(socketPath(), "GET", "/v1/tasks/%00").status / 100, 4);
  EXPECT_EQ(ask(socketPath(), "GET", "/v1/agents").status, 200);
  endWithNothingLeft();
}

}  // namespace
}  // namespace agentos::test
