// SPDX-License-Identifier: Apache-2.0
#include "sandbox/init_protocol.h"

#include <gmock/gmock.h>

#include <functional>

namespace agentos::sandbox {
namespace {

using ::testing::HasSubstr;

InitPlan fullPlan() {
  return {.argv = {"/bin/sh", "-c", "true"},
          .env = {"A=b", "EMPTY="},
          .workDir = "/home/agent",
          .uid = 1000,
          .gid = 1001,
          .rlimits = {{7, 10, 20}, {6, 0, ~0ULL}},
          .logRotateAt = 4096,
          .logKeep = 0,
          .listeners = 2,
          .nestedUserns = true,
          .readable = {"/usr", "/company"},
          .writable = {"/tmp"},
          .seccomp = false};
}

TEST(InitPlan, GoesThroughTheWire) {
  auto decoded = decodeInitPlan(encodeInitPlan(fullPlan()));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(*decoded, fullPlan());
}

TEST(InitPlan, RefusesEveryPrefixAndEveryTail) {
  std::string bytes = encodeInitPlan(fullPlan());
  for (std::size_t size = 0; size < bytes.size(); ++size) ASSERT_FALSE(decodeInitPlan(bytes.substr(0, size))) << size;
  EXPECT_FALSE(decodeInitPlan(bytes + '\0'));
}

TEST(InitPlan, SurvivesEveryFlippedByte) {
  const std::string good = encodeInitPlan(fullPlan());
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int value : {0, 1, 0x7f, 0x80, 0xff}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(value);
      if (auto decoded = decodeInitPlan(bytes)) {
        EXPECT_EQ(encodeInitPlan(*decoded), bytes);  // what is taken has one form
      }
    }
  }
}

TEST(InitPlan, RefusesWhatNoRoomCanBe) {
  struct Case {
    std::function<void(InitPlan&)> spoil;
    const char* why;
  };
  const Case cases[] = {
      {[](InitPlan& plan) { plan.argv.clear(); }, "no argv"},
      {[](InitPlan& plan) { plan.argv[0] = "sh"; }, "argv[0] \"sh\" is not an absolute path"},
      {[](InitPlan& plan) { plan.argv[1] = std::string("a\0b", 3); }, "a NUL"},
      {[](InitPlan& plan) { plan.env[0] = std::string("A=\0", 3); }, "a NUL"},
      {[](InitPlan& plan) { plan.env[0] = "A"; }, "without '='"},
      {[](InitPlan& plan) { plan.env[0] = "=b"; }, "without a name"},
      {[](InitPlan& plan) { plan.workDir = "home"; }, "workDir \"home\""},
      {[](InitPlan& plan) { plan.uid = 0; }, "uid or gid 0"},
      {[](InitPlan& plan) { plan.gid = 0; }, "uid or gid 0"},
      {[](InitPlan& plan) { plan.rlimits[0].soft = 30; }, "a soft limit above its hard limit"},
      {[](InitPlan& plan) { plan.rlimits.resize(33); }, "a list of 33 items"},
      {[](InitPlan& plan) { plan.logRotateAt = 4095; }, "logRotateAt 4095"},
      {[](InitPlan& plan) { plan.logKeep = 1001; }, "logKeep 1001"},
      {[](InitPlan& plan) { plan.listeners = 17; }, "17 listeners"},
  };
  for (const Case& spoiled : cases) {
    InitPlan plan = fullPlan();
    spoiled.spoil(plan);
    auto decoded = decodeInitPlan(encodeInitPlan(plan));
    ASSERT_FALSE(decoded) << spoiled.why;
    EXPECT_THAT(decoded.error().message(), HasSubstr(spoiled.why));
    EXPECT_EQ(decoded.error().code, ErrorCode::kSandboxProtocol);
  }
}

TEST(InitMessages, GoThroughTheWire) {
  const InitRequest requests[] = {{InitRequestKind::kHello, 0},
                                  {InitRequestKind::kListeners, 0},
                                  {InitRequestKind::kSignal, 64},
                                  {InitRequestKind::kExit, 0}};
  for (const InitRequest& request : requests) EXPECT_EQ(decodeInitRequest(encodeInitRequest(request)), request);
  const InitReply replies[] = {
      {.kind = InitReplyKind::kHello, .version = 1, .pid = 2, .startedNs = -3, .state = PayloadState::kEnded},
      {.kind = InitReplyKind::kListeners, .listeners = 16},
      {.kind = InitReplyKind::kDone},
      {.kind = InitReplyKind::kRefused, .why = "because"}};
  for (const InitReply& reply : replies) EXPECT_EQ(decodeInitReply(encodeInitReply(reply)), reply);
}

TEST(InitMessages, RefuseGarbage) {
  using namespace std::literals;
  for (std::string_view bytes : {""sv, "\0"sv, "\x05"sv, "\x01x"sv, "\x03"sv, "\x03\0\0\0\0"sv, "\x03\x41\0\0\0"sv}) {
    EXPECT_FALSE(decodeInitRequest(bytes)) << bytes.size();
  }
  for (std::string_view bytes : {""sv, "\0"sv, "\x05"sv, "\x01"sv, "\x02\x11\0\0\0"sv, "\x04\xff\0\0\0"sv, "\x03 "sv}) {
    EXPECT_FALSE(decodeInitReply(bytes)) << bytes.size();
  }
}

}  // namespace
}  // namespace agentos::sandbox
