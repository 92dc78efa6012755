// SPDX-License-Identifier: Apache-2.0
#include "sandbox/policy.h"

#include <gmock/gmock.h>

namespace agentos::sandbox {
namespace {

using ::testing::HasSubstr;

Policy policy() {
  Policy policy;
  policy.peerUid = policy.peerGid = 990;
  policy.cgroupRoot = "/sys/fs/cgroup/agents";
  policy.initBinary = "/usr/libexec/agent-init";
  policy.mounts = {
      {"/srv/open", true, {}, {}}, {"/srv/open/closed", false, {}, {}}, {"/srv/alice", true, uid_t{1001}, gid_t{1002}}};
  return policy;
}

RoomPlan plan() {
  RoomPlan plan;
  plan.id = *InstanceId::parse("maker.abcdef");
  plan.command = {"/bin/true"};
  plan.env = {{"PATH", "/usr/bin"}};
  plan.mounts = {{"/srv/open/site", "/workspace", true, true, false}};
  plan.listenPorts = {4242, 4243};
  plan.launchRecord = "{}";
  return plan;
}

// The plan with one thing changed is refused with that code, and the message names `what`.
template <class Change>
void refuses(ErrorCode code, std::string_view what, Change change) {
  RoomPlan bad = plan();
  change(bad);
  auto checked = checkPlan(policy(), bad);
  ASSERT_FALSE(checked) << what;
  EXPECT_EQ(checked.error().code, code) << checked.error().message();
  EXPECT_THAT(checked.error().message(), HasSubstr(std::string(what)));
  EXPECT_FALSE(checked.error().remedy.empty());
}

TEST(Policy, AnOrdinaryPlanIsAllowedAndFilledUp) {
  auto checked = checkPlan(policy(), plan());
  ASSERT_TRUE(checked) << checked.error().message();
  EXPECT_EQ(checked->plan.limits.pids, policy().ceilings.pids);
  ASSERT_EQ(checked->mounts.size(), 1U);
  EXPECT_EQ(checked->mounts[0].owner, 990U);
}

TEST(Policy, CommandsAndEnvironmentAreHeldToTheirForm) {
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  refuses(kBad, "command", [](auto& p) { p.command.clear(); });
  refuses(kBad, "program \"true\"", [](auto& p) { p.command = {"true"}; });
  refuses(kBad, "program", [](auto& p) { p.command = {"/bin/../sbin/x"}; });
  refuses(kBad, "NUL", [](auto& p) { p.command.emplace_back("a\0b", 3); });
  refuses(kBad, "command of 2000 words", [](auto& p) { p.command.resize(2000, "x"); });
  refuses(kBad, "bytes", [](auto& p) {
    p.command.resize(20, std::string(100'000, 'x'));
    p.command[0] = "/x";
  });
  refuses(kBad, "working directory", [](auto& p) { p.workDir = "home"; });
  refuses(kBad, "\"A=B\"", [](auto& p) { p.env.emplace_back("A=B", ""); });
  refuses(kBad, "\"1A\"", [](auto& p) { p.env.emplace_back("1A", ""); });
  refuses(kBad, "PATH twice", [](auto& p) { p.env.emplace_back("PATH", ""); });
  refuses(kBad, "NUL", [](auto& p) { p.env.emplace_back("A", std::string("a\0", 2)); });
  refuses(kBad, "600", [](auto& p) {
    for (int i = 0; i < 599; ++i) p.env.emplace_back("V" + std::to_string(i), "");
  });
}

TEST(Policy, NothingIsWritableWithoutAnOwner) {
  refuses(ErrorCode::kSandboxPolicy, "without an owner map", [](auto& p) { p.mounts[0].idmapped = false; });
  RoomPlan closed = plan();
  closed.mounts[0].idmapped = closed.mounts[0].writable = false;
  EXPECT_TRUE(checkPlan(policy(), closed));
}

TEST(Policy, AnOverlaysLayersAreHeldToWhatIsWritable) {
  auto overlay = [](std::string layers) {
    return [layers](RoomPlan& p) {
      p.mounts[0].writable = false;
      p.mounts[0].layers = layers;
    };
  };
  RoomPlan good = plan();
  overlay("/srv/alice/layers")(good);
  auto checked = checkPlan(policy(), good);
  ASSERT_TRUE(checked) << checked.error().message();
  EXPECT_EQ(checked->mounts[0].owner, 990U);
  EXPECT_EQ(checked->mounts[0].layersOwner, 1001U);
  EXPECT_EQ(checked->mounts[0].layersGroup, 1002U);
  constexpr auto kNo = ErrorCode::kSandboxPolicy, kBad = ErrorCode::kInvalidArgument;
  refuses(kNo, "layers of an overlay", overlay("/srv/open/closed/x"));
  refuses(kNo, "layers of an overlay", overlay("/etc"));
  refuses(kBad, "layers", overlay("/srv/open/../x"));
  refuses(kBad, "in its source or around it", overlay("/srv/open/site/layers"));
  refuses(kBad, "in its source or around it", overlay("/srv/open"));
  refuses(kBad, "not idmapped", [&](RoomPlan& p) { overlay("/srv/open/l")(p), p.mounts[0].idmapped = false; });
  refuses(kBad, "writable or", [&](RoomPlan& p) { overlay("/srv/open/l")(p), p.mounts[0].writable = true; });
  refuses(kBad, "9 overlays", [](RoomPlan& p) {
    p.mounts.clear();
    for (int i = 0; i < 9; ++i) {
      std::string number = std::to_string(i);
      p.mounts.push_back({"/srv/open/a", "/m" + number, false, true, false, "/srv/open/l" + number});
    }
  });
}

TEST(Policy, TheRestIsHeldToItsForm) {
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  refuses(kBad, "instance id", [](auto& p) { p.id = {}; });
  refuses(kBad, "host name", [](auto& p) { p.hostName = "a b"; });
  refuses(kBad, "host name", [](auto& p) { p.hostName = std::string(65, 'a'); });
  refuses(kBad, "listeners", [](auto& p) { p.listenPorts.assign(17, 1); });
  refuses(kBad, "port", [](auto& p) { p.listenPorts = {0}; });
  refuses(kBad, "port", [](auto& p) { p.listenPorts = {80, 80}; });
  refuses(kBad, "log rotation", [](auto& p) { p.logRotateAt = Bytes{1}; });
  refuses(kBad, "keeping -1", [](auto& p) { p.logKeep = -1; });
  refuses(kBad, "launch record", [](auto& p) { p.launchRecord = "{}\n{}"; });
  refuses(kBad, "launch record", [](auto& p) { p.launchRecord = std::string(300'000, 'x'); });
  refuses(kBad, "pids of 0", [](auto& p) { p.limits.pids = 0; });
  refuses(kBad, "cpu weight", [](auto& p) { p.limits.cpuWeight = 10001; });
  refuses(kBad, "cpu limit", [](auto& p) { p.limits.cpu = MilliCpu{0}; });
  refuses(kBad, "memory limit", [](auto& p) { p.limits.memory = Bytes{4096}; });
  refuses(kBad, "swap limit", [](auto& p) { p.limits.swap = Bytes{~0ULL}; });
}

TEST(Policy, ReservationsAreHeldToTheKernelsForm) {
  auto with = [](std::int64_t runtimeUs, std::int64_t deadlineUs, std::int64_t periodUs) {
    RoomPlan asked = plan();
    asked.realTime = Reservation{runtimeUs * 1000, deadlineUs * 1000, periodUs * 1000};
    return checkPlan(policy(), asked);
  };
  EXPECT_TRUE(with(2000, 5000, 10'000));
  EXPECT_TRUE(with(10, 10, 100));
  EXPECT_TRUE(with(4'000'000, 4'000'000, 4'000'000));
  for (auto bad : {with(0, 5000, 10'000), with(9, 100, 100), with(6000, 5000, 10'000), with(2000, 11'000, 10'000),
                   with(20, 50, 99), with(1000, 4'000'001, 4'000'001), with(-1, -1, -1),
                   with(2000, std::numeric_limits<std::int64_t>::max() / 1000, 10'000)}) {
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().code, ErrorCode::kInvalidArgument);
  }
  RoomPlan both = plan();
  both.batch = true;
  both.realTime = Reservation{2'000'000, 5'000'000, 10'000'000};
  EXPECT_FALSE(checkPlan(policy(), both));
}

TEST(Policy, MountsComeFromItsPrefixesOnly) {
  constexpr auto kNo = ErrorCode::kSandboxPolicy;
  auto from = [](std::string source, bool writable = false) {
    return [=](RoomPlan& p) { p.mounts[0].source = source, p.mounts[0].writable = writable; };
  };
  refuses(kNo, "/etc", from("/etc"));
  refuses(kNo, "/srv", from("/srv"));
  refuses(kNo, "/srv/opened", from("/srv/opened"));
  refuses(kNo, "writable mount of /srv/open/closed/x", from("/srv/open/closed/x", true));
  refuses(kNo, "which holds /srv/open/closed", from("/srv/open", true));  // else the closed one is written from above
  refuses(ErrorCode::kInvalidArgument, "..", from("/srv/open/../x"));
  refuses(ErrorCode::kInvalidArgument, "mount source", from("/srv/open//x"));
  refuses(ErrorCode::kInvalidArgument, "mount source", from("/srv/open/"));
  refuses(ErrorCode::kInvalidArgument, "mount source", from("srv/open"));
  refuses(ErrorCode::kInvalidArgument, "mount source", from(std::string("/srv/open/a\0b", 13)));
  RoomPlan good = plan();
  from("/srv/open/closed/x")(good);
  EXPECT_TRUE(checkPlan(policy(), good));
  from("/srv/alice", true)(good);
  auto checked = checkPlan(policy(), good);
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->mounts[0].owner, 1001U);
  EXPECT_EQ(checked->mounts[0].group, 1002U);
}

TEST(Policy, TargetsStayOffTheRoomsOwnPlaces) {
  auto onto = [](std::string target) { return [=](RoomPlan& p) { p.mounts[0].target = target; }; };
  for (const char* target : {"/usr/lib", "/etc", "/dev/shm", "/proc", "/sys/fs", "/bin", "/lib64/x", "/tmp"}) {
    refuses(ErrorCode::kSandboxPolicy, target, onto(target));
  }
  for (const char* target : {"/", "workspace", "/a/../usr", ""})
    refuses(ErrorCode::kInvalidArgument, "mount target", onto(target));
  refuses(ErrorCode::kInvalidArgument, "two mounts", [](auto& p) { p.mounts.push_back(p.mounts[0]); });
  refuses(ErrorCode::kInvalidArgument, "mounts", [](auto& p) {
    for (int i = 0; i < 30; ++i) p.mounts.push_back({"/srv/open", "/m" + std::to_string(i), false, true, false});
  });
  RoomPlan good = plan();
  onto("/usrlocal")(good);
  EXPECT_TRUE(checkPlan(policy(), good));
}

TEST(Policy, OuterTargetsAreMountedFirst) {
  RoomPlan nested = plan();
  nested.mounts = {{"/srv/open/c", "/a/b/c", false, true, false},
                   {"/srv/open/a", "/a", false, true, false},
                   {"/srv/open/b", "/a/b", false, true, false}};
  auto checked = checkPlan(policy(), nested);
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->mounts[0].mount.target, "/a");
  EXPECT_EQ(checked->mounts[1].mount.target, "/a/b");
  EXPECT_EQ(checked->mounts[2].mount.target, "/a/b/c");
}

TEST(Policy, CeilingsHold) {
  Policy strict = policy();
  strict.ceilings.cpu = MilliCpu{2000};
  strict.ceilings.memory = Bytes{1 << 30};
  strict.ceilings.pids = 100;
  auto checked = checkPlan(strict, plan());
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->plan.limits.cpu, MilliCpu{2000});
  EXPECT_EQ(checked->plan.limits.memory, Bytes{1 << 30});
  EXPECT_EQ(checked->plan.limits.pids, 100);
  auto above = [&](auto change) {
    RoomPlan bad = plan();
    change(bad.limits);
    auto result = checkPlan(strict, bad);
    return !result && result.error().code == ErrorCode::kSandboxPolicy;
  };
  EXPECT_TRUE(above([](auto& limits) { limits.cpu = MilliCpu{2001}; }));
  EXPECT_TRUE(above([](auto& limits) { limits.memory = Bytes{(1 << 30) + 1}; }));
  EXPECT_TRUE(above([](auto& limits) { limits.pids = 101; }));
  EXPECT_FALSE(above([](auto& limits) { limits.pids = 100; }));
}

TEST(Policy, ItselfIsChecked) {
  EXPECT_TRUE(checkPolicy(policy()));
  auto wrong = [](auto change) {
    Policy bad = policy();
    change(bad);
    auto checked = checkPolicy(bad);
    return !checked && checked.error().code == ErrorCode::kConfig;
  };
  EXPECT_TRUE(wrong([](auto& p) { p.peerUid = 0; }));
  EXPECT_TRUE(wrong([](auto& p) { p.uidFirst = 1000; }));
  EXPECT_TRUE(wrong([](auto& p) { p.slots = 0; }));
  EXPECT_TRUE(wrong([](auto& p) { p.slots = 65536; }));
  EXPECT_TRUE(wrong([](auto& p) { p.peerUid = p.uidFirst + 5; }));
  EXPECT_TRUE(wrong([](auto& p) { p.cgroupRoot = ""; }));
  EXPECT_TRUE(wrong([](auto& p) { p.runDir = "run"; }));
  EXPECT_TRUE(wrong([](auto& p) { p.mounts[0].owner = 0; }));
  EXPECT_TRUE(wrong([](auto& p) { p.mounts[0].prefix = "/a/../b"; }));
}

}  // namespace
}  // namespace agentos::sandbox
