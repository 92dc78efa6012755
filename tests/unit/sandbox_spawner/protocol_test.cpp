// SPDX-License-Identifier: Apache-2.0
#include "sandbox/protocol.h"

#include <gtest/gtest.h>

#include "sandbox/wire.h"

namespace agentos::sandbox {
namespace {

const InstanceId kId = *InstanceId::parse("maker.abcdef");

RoomPlan fullPlan() {
  RoomPlan plan;
  plan.id = kId;
  plan.command = {"/bin/sh", "-c", "echo \xc3\xa9"};
  plan.env = {{"A", "1"}, {"B", ""}};
  plan.workDir = "/workspace";
  plan.hostName = "maker";
  plan.mounts = {{"/srv/a", "/workspace", true, false, true}, {"/srv/b", "/b", false, true, false}};
  plan.mounts.push_back({"/srv/c", "/c", false, true, true, "/srv/layers"});
  plan.listenPorts = {4242, 65535};
  const IoMax io{Bytes{1 << 20}, Bytes{2 << 20}, 100, 200};
  plan.limits = {MilliCpu{1500}, Bytes{1 << 30}, Bytes{1 << 29}, Bytes{0}, 512, 100, 200, io, 2, Bytes{1ULL << 40}};
  plan.logRotateAt = Bytes{12345};
  plan.logKeep = 9;
  plan.nestedUserns = true;
  plan.launchRecord = R"({"a":1})";
  plan.realTime = Reservation{2'000'000, 5'000'000, 10'000'000};
  plan.cpuBurst = true;
  return plan;
}

// What a side of the version before sends and takes: nothing stands after the launch record.
TEST(Protocol, APlanOfTheVersionBeforeIsRead) {
  Request request;
  request.kind = RequestKind::kSpawn;
  request.plan = fullPlan();
  request.plan.realTime.reset();
  request.plan.cpuBurst = false;
  auto& limits = request.plan.limits;
  limits.memoryHigh.reset(), limits.ioMax = {}, limits.cpus.reset();
  auto packet = packRequest(request);
  ASSERT_TRUE(packet);
  EXPECT_TRUE(packet->bytes.ends_with(R"({"a":1})"));
  EXPECT_EQ(*unpackRequest(*packet), request);
}

Request make(RequestKind kind) {
  Request request;
  request.number = 0x1122334455667788;
  request.kind = kind;
  if (kind == RequestKind::kSpawn) {
    request.plan = fullPlan();
  } else if (kind == RequestKind::kPressure) {
    request.pressure = {300'000, 1'000'000};
  } else if (kind == RequestKind::kAnchor) {
    request.head = {812, std::string(63, '0') + "a"};
  } else if (kind != RequestKind::kPlatform && kind != RequestKind::kList && kind != RequestKind::kReload &&
             kind != RequestKind::kFreezeAll && kind != RequestKind::kKillAll && kind != RequestKind::kPressure) {
    request.id = kId;
  }
  if (kind == RequestKind::kAdopt) request.identity = {77, 123456789, "boot", 42, 7};
  return request;
}

TEST(Protocol, EveryRequestComesBackAsItWas) {
  for (int kind = 1; kind <= 15; ++kind) {
    Request request = make(static_cast<RequestKind>(kind));
    auto packet = packRequest(request);
    ASSERT_TRUE(packet);
    EXPECT_TRUE(packet->fds.empty());
    auto back = unpackRequest(*packet);
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(*back, request) << nameOf(request.kind);
  }
}

// It becomes a line of root's file: a line break in it would forge another one.
TEST(Protocol, OnlyAHashIsAHead) {
  const std::string good(64, 'f');
  for (const std::string& hash :
       {std::string(), good.substr(1), good + "f", std::string(64, 'F'), std::string(63, 'f') + "\n",
        std::string(63, 'f') + " ", std::string(31, 'f') + "\n9 " + std::string(30, 'f')}) {
    Request request = make(RequestKind::kAnchor);
    request.head.hash = hash;
    auto packet = packRequest(request);
    EXPECT_EQ(unpackRequest(*packet).error().code, ErrorCode::kSandboxProtocol) << hash;
  }
}

TEST(Protocol, ALimitThatWasNotAskedForIsNotZero) {
  Request request = make(RequestKind::kSpawn);
  request.plan.limits = {};
  auto packet = packRequest(request);
  EXPECT_EQ(*unpackRequest(*packet), request);
}

TEST(Protocol, ALargeBodyTravelsInASealedMemfd) {
  Request request = make(RequestKind::kSpawn);
  request.plan.launchRecord = std::string(200'000, 'x');
  auto packet = packRequest(request);
  ASSERT_TRUE(packet);
  ASSERT_EQ(packet->fds.size(), 1U);
  EXPECT_LT(packet->bytes.size(), 100U);
  EXPECT_EQ(*unpackRequest(*packet), request);
  EXPECT_TRUE(packet->fds.empty());
  request.plan.launchRecord = std::string(2'000'000, 'x');
  EXPECT_EQ(packRequest(request).error().code, ErrorCode::kTooLarge);
}

// The largest body that fits and the first that does not, both as a message.
TEST(Protocol, TheBorderOfAMessageIsExact) {
  for (std::size_t size = kMaxMessage - 400; size < kMaxMessage; ++size) {
    Request request = make(RequestKind::kSpawn);
    request.plan.launchRecord = std::string(size, 'x');
    auto packet = packRequest(request);
    ASSERT_TRUE(packet);
    ASSERT_LE(packet->bytes.size(), kMaxMessage);
    ASSERT_EQ(*unpackRequest(*packet), request);
  }
}

TEST(Protocol, EveryCutAndEveryTailIsRefused) {
  for (int kind = 1; kind <= 14; ++kind) {
    std::string bytes = packRequest(make(static_cast<RequestKind>(kind)))->bytes;
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      Packet cut{bytes.substr(0, size), {}};
      auto back = unpackRequest(cut);
      // Where a version before ended, it is that version's plan, whole: said again it is the same.
      if (back && kind == 2 && packRequest(*back)->bytes == bytes.substr(0, size)) continue;
      ASSERT_FALSE(back) << kind << " cut at " << size;
      EXPECT_EQ(back.error().code, ErrorCode::kSandboxProtocol);
    }
    Packet longer{bytes + "x", {}};
    EXPECT_FALSE(unpackRequest(longer));
  }
}

TEST(Protocol, ForeignVersionsKindsAndIdsAreRefused) {
  std::string bytes = packRequest(make(RequestKind::kKill))->bytes;
  auto with = [&](std::size_t at, char value) {
    Packet packet{bytes, {}};
    packet.bytes[at] = value;
    return unpackRequest(packet).has_value();
  };
  EXPECT_TRUE(with(0, bytes[0]));
  EXPECT_FALSE(with(0, 9));
  EXPECT_FALSE(with(2, 0));
  EXPECT_FALSE(with(2, 10));
  EXPECT_FALSE(with(11, 2));    // a boolean of 2
  EXPECT_FALSE(with(16, '/'));  // the id's first letter
}

TEST(Protocol, EveryReplyComesBackAsItWas) {
  PlatformReport report{"hybrid",          "/sys/fs/cgroup/x", {"memory", "pids"}, 7, true, "6.1", {"a sentence"},
                        "no loop devices", "no cryptsetup",    {2, 600'000, "why"}};
  RoomReply room{{77, 99, "boot", 42, 3}, {{"memory.max=1"}, {"pids by"}, {"cpu (no)"}}, 2};
  std::vector<LiveRoom> rooms = {{kId, 5, true, 12}, {kId, 0, false, 0}};
  auto round = [](ReplyBody body) {
    auto packet = packReply({7, std::move(body)});
    auto back = unpackReply(*packet);
    EXPECT_TRUE(back);
    EXPECT_EQ(back->number, 7U);
    return back->body;
  };
  EXPECT_TRUE(std::holds_alternative<std::monostate>(round(std::monostate{})));
  EXPECT_EQ(std::get<PlatformReport>(round(report)), report);
  EXPECT_EQ(std::get<RoomReply>(round(room)), room);
  EXPECT_EQ(std::get<std::vector<LiveRoom>>(round(rooms)), rooms);
  std::vector<std::int32_t> pids(50'000, 4711);  // more than a message holds
  EXPECT_EQ(std::get<std::vector<std::int32_t>>(round(pids)), pids);
}

TEST(Protocol, AnErrorKeepsItsCodeCauseAndRemedy) {
  Error error = fail(ErrorCode::kSandboxPolicy, "what", "remedy").error().within("here").within("there");
  error.sysErrno = 13;
  auto packet = packReply({1, error});
  auto back = std::get<Error>(unpackReply(*packet)->body);
  EXPECT_EQ(back.code, error.code);
  EXPECT_EQ(back.message(), error.message());
}

}  // namespace
}  // namespace agentos::sandbox
