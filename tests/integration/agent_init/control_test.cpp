// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "harness.h"
#include "sandbox/channel.h"
#include "sandbox/init_client.h"

namespace agentos::sandbox::testing {
namespace {

Fd tcpListener() {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(listen(fd.get(), 8), 0);
  return fd;
}

ino_t inodeOf(int fd) {
  struct stat status{};
  EXPECT_EQ(fstat(fd, &status), 0);
  return status.st_ino;
}

// Runs one call of a client to its end.
template <class T>
T finish(boost::asio::io_context& io, boost::asio::awaitable<T> call) {
  auto result = boost::asio::co_spawn(io, std::move(call), boost::asio::use_future);
  io.restart();
  io.run();
  return result.get();
}

TEST(AgentInitControl, AnswersAClient) {
  Fd first = tcpListener(), second = tcpListener();
  InitRoom room({.plan = planFor({program("ignores_sigterm"), "4"}), .listeners = {first.get(), second.get()}});
  ASSERT_TRUE(room.waitForOutput("ready"));
  boost::asio::io_context io;
  auto client = InitClient::connect(io.get_executor(), room.runDirectory().get(), InitRoom::kSocketName);
  ASSERT_TRUE(client) << client.error().message();

  auto hello = finish(io, (*client)->hello());
  ASSERT_TRUE(hello) << hello.error().message();
  EXPECT_EQ(hello->version, kInitVersion);
  EXPECT_EQ(hello->state, PayloadState::kRunning);
  EXPECT_GT(hello->pid, 1);
  EXPECT_GT(hello->startedNs, 1'700'000'000'000'000'000);

  auto listeners = finish(io, (*client)->listeners());
  ASSERT_TRUE(listeners) << listeners.error().message();
  ASSERT_EQ(listeners->size(), 2U);
  EXPECT_EQ(inodeOf((*listeners)[0].get()), inodeOf(first.get()));
  EXPECT_EQ(inodeOf((*listeners)[1].get()), inodeOf(second.get()));

  EXPECT_TRUE(finish(io, (*client)->signal(SIGINT)));
  EXPECT_TRUE(room.waitForOutput("ignored 2"));
  auto refused = finish(io, (*client)->signal(99));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  // That was no request: the connection is gone, and a new one works.
  EXPECT_EQ(finish(io, (*client)->hello()).error().code, ErrorCode::kUnreachable);
  auto again = InitClient::connect(io.get_executor(), room.runDirectory().get(), InitRoom::kSocketName);
  ASSERT_TRUE(again);
  EXPECT_TRUE(finish(io, (*again)->signal(SIGUSR1)));
  ASSERT_EQ(room.wait(), 0);
  EXPECT_EQ(room.record()->code, 4);
  EXPECT_FALSE(finish(io, (*again)->hello()));
}

TEST(AgentInitControl, EndsAPayloadThatWillNotWhenTold) {
  InitRoom room({.plan = shellPlan("trap '' TERM INT HUP; echo ready; sleep 1000 & sleep 1000; sleep 1000")});
  ASSERT_TRUE(room.waitForOutput("ready"));
  auto reply = ask(room.control(), {.kind = InitRequestKind::kExit});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->kind, InitReplyKind::kDone);
  ASSERT_EQ(room.wait(), 0);
  EXPECT_EQ(room.record()->signal, SIGKILL);
  EXPECT_THAT(room.group().processes(), ::testing::IsEmpty());
}

TEST(AgentInitControl, SaysThatItWaitsForTheGo) {
  InitRoom room({.plan = planFor({program("sleeper")}), .go = false});
  ASSERT_EQ(room.sync(), "R");
  auto hello = ask(room.control(), {.kind = InitRequestKind::kHello});
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->state, PayloadState::kStarting);
  room.sendGo();
  EXPECT_EQ(room.sync(), "S");
}

TEST(AgentInitControl, OutlivesGarbage) {
  InitRoom room({.plan = planFor({program("sleeper")})});
  ASSERT_TRUE(room.waitForOutput("sleeping"));
  for (const std::string& garbage :
       {std::string("\xff"), std::string("\x00", 1), std::string("\x03\x00\x00\x00\x00", 5), std::string("\x01tail"),
        std::string(kMaxControlMessage, 'g'), std::string(kMaxControlMessage + 5000, 'g')}) {
    Fd client = room.control();
    ASSERT_EQ(send(client.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL), static_cast<ssize_t>(garbage.size()));
    char buffer[kMaxControlMessage];
    ssize_t got = recv(client.get(), buffer, sizeof buffer, 0);
    ASSERT_GT(got, 0);
    auto reply = decodeInitReply({buffer, static_cast<std::size_t>(got)});
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->kind, InitReplyKind::kRefused);
    EXPECT_EQ(recv(client.get(), buffer, sizeof buffer, 0), 0);  // dropped
  }
  EXPECT_TRUE(ask(room.control(), {.kind = InitRequestKind::kHello}));
}

TEST(AgentInitControl, OutlivesClientsThatDoNotReadOrNeverSpeakOrDie) {
  InitRoom room({.plan = planFor({program("sleeper")})});
  ASSERT_TRUE(room.waitForOutput("sleeping"));
  Fd deaf = room.control();
  timeval limit{0, 200'000};
  setsockopt(deaf.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  std::string hello = encodeInitRequest({.kind = InitRequestKind::kHello});
  for (int i = 0; i < 5000; ++i) {
    if (send(deaf.get(), hello.data(), hello.size(), MSG_NOSIGNAL) < 0) break;
  }
  std::vector<Fd> silent;
  for (int i = 0; i < 12; ++i) silent.push_back(room.control());
  for (int i = 0; i < 12; ++i) room.control().reset();
  // Descriptors that a client sends along do not stay.
  auto openFiles = [&] {
    auto names = std::filesystem::directory_iterator("/proc/" + std::to_string(room.init()) + "/fd");
    return std::distance(names, std::filesystem::directory_iterator());
  };
  Fd giver = room.control();
  ASSERT_TRUE(ask(giver, {.kind = InitRequestKind::kHello}));
  auto before = openFiles();
  std::vector<int> gifts(32, giver.get());
  ASSERT_TRUE(sendPacket(giver.get(), hello, gifts));
  char buffer[kMaxControlMessage];
  ASSERT_GT(recv(giver.get(), buffer, sizeof buffer, 0), 0);
  EXPECT_EQ(openFiles(), before);
  EXPECT_TRUE(ask(room.control(), {.kind = InitRequestKind::kHello}));
}

TEST(InitClient, GivesUpOnOneThatDoesNotAnswer) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  Fd deaf(pair[1]);
  boost::asio::io_context io;
  InitClient client(io.get_executor(), Fd(pair[0]));
  auto answer = finish(io, client.hello());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kTimedOut);
  EXPECT_EQ(finish(io, client.hello()).error().code, ErrorCode::kUnreachable);
}

TEST(InitClient, RefusesAnAnswerThatIsNone) {
  for (std::string bytes :
       {std::string("garbage"), encodeInitReply({.kind = InitReplyKind::kListeners, .listeners = 2})}) {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    Fd liar(pair[1]);
    boost::asio::io_context io;
    InitClient client(io.get_executor(), Fd(pair[0]));
    ASSERT_GT(send(liar.get(), bytes.data(), bytes.size(), 0), 0);
    auto answer = finish(io, client.listeners());
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kSandboxProtocol);
  }
}

}  // namespace
}  // namespace agentos::sandbox::testing
