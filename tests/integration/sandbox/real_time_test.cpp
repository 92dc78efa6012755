// SPDX-License-Identifier: Apache-2.0
// The classes as the kernel has them: SCHED_DEADLINE for HRT, SCHED_BATCH for DT, and neither to be left.
#include "sandbox/real_time.h"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/resource.h>

#include "base/files.h"
#include "rig.h"

namespace agentos::sandbox::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr Reservation kSmall{2'000'000, 5'000'000, 20'000'000};

class RealTime : public Rig {
 protected:
  void SetUp() override {
    Rig::SetUp();
    auto report = ask(client().platform());
    ASSERT_TRUE(report) << report.error().message();
    cpus_ = report->realTime.cpus;
    share_ = report->realTime.sharePpm;
    if (cpus_ == 0) GTEST_SKIP() << "no SCHED_DEADLINE here: " << report->realTime.why;
  }
  RoomPlan hard(std::vector<std::string> words, Reservation wanted = kSmall) {
    auto asked = plan(std::move(words));
    asked.realTime = wanted;
    return asked;
  }
  std::int64_t cpus_ = 0, share_ = 0;
};

TEST_F(RealTime, IsTheMainThreadsAloneAndCannotBeLeft) {
  auto asked = hard({"schedule", "3000"});
  auto room = mustSpawn(asked);
  EXPECT_THAT(room.enforcement.enforced, Contains("SCHED_DEADLINE=2000/5000/20000 us"));
  ASSERT_TRUE(says(asked.id, "shed"));
  auto pids = ask(client().processes(asked.id));
  ASSERT_TRUE(pids && pids->size() == 1);
  EXPECT_EQ(reservationOf(pids->front()), kSmall) << "as the kernel has it, after the exec";
  EXPECT_THAT(outputOf(asked.id), HasSubstr("policy 6 child 0"));  // SCHED_DEADLINE, SCHED_OTHER
  EXPECT_THAT(outputOf(asked.id), HasSubstr("shed Operation not permitted policy 6"));
  // The launch record says it as well: an agentd that comes later has it from there.
  EXPECT_THAT(readUnder("/state/instances/" + asked.id.str() + "/launch.jsonl"), HasSubstr("SCHED_DEADLINE=2000"));
  EXPECT_TRUE(ask(client().sweep(asked.id)));
}

TEST_F(RealTime, BatchIsInheritedAndCannotBeLeft) {
  auto asked = plan({"schedule"});
  asked.batch = true;
  const std::string said = runInRoom(asked).output;
  EXPECT_THAT(said, HasSubstr("policy 3 child 3"));  // SCHED_BATCH
  EXPECT_THAT(said, HasSubstr("shed Operation not permitted policy 3"));
}

// The control: without the class nothing is held, and the same call does what it says.
TEST_F(RealTime, AnOrdinaryRoomMayChooseAmongOrdinaryPolicies) {
  const std::string said = runInRoom({"schedule"}).output;
  EXPECT_THAT(said, HasSubstr("policy 0 child 0"));
  EXPECT_THAT(said, HasSubstr("shed done policy 0"));
}

TEST_F(RealTime, MoreThanRootsShareIsRefusedAndLeavesNothing) {
  std::vector<InstanceId> rooms;
  std::int64_t given = 0;
  std::string why;
  for (int i = 0; i < 64 && why.empty(); ++i) {  // 30 % of a processor each
    auto asked = hard({"sleep", "20000"}, {6'000'000, 20'000'000, 20'000'000});
    auto room = ask(client().spawn(asked));
    if (room) {
      rooms.push_back(asked.id);
      given += 300'000;
    } else {
      EXPECT_EQ(room.error().code, ErrorCode::kSandboxPolicy);
      EXPECT_FALSE(room.error().remedy.empty());
      why = room.error().message();
    }
  }
  EXPECT_THAT(why, HasSubstr("root's"));
  EXPECT_LE(given, share_ * cpus_);
  EXPECT_GT(given + 300'000, share_ * cpus_) << "not a room less than there is place for";
  // What one room leaves, another has. Nothing was remembered but by the kernel: a new spawner counts the same.
  killSpawner();
  startSpawner();
  EXPECT_FALSE(ask(client().spawn(hard({"sleep", "20000"}, {6'000'000, 20'000'000, 20'000'000}))));
  EXPECT_TRUE(ask(client().sweep(rooms.front())));
  auto next = hard({"sleep", "20000"}, {6'000'000, 20'000'000, 20'000'000});
  EXPECT_TRUE(ask(client().spawn(next)));
  rooms.front() = next.id;
  for (const auto& id : rooms) EXPECT_TRUE(ask(client().sweep(id)));
}

TEST_F(RealTime, MayLockAsMuchAsItMayHave) {
  auto asked = hard({"lock", "16384"});
  asked.limits.memory = Bytes{64 << 20};
  auto room = mustSpawn(asked);
  ASSERT_TRUE(ended(room, std::chrono::seconds(5)));
  rlimit own{};
  getrlimit(RLIMIT_MEMLOCK, &own);
  const bool granted = std::ranges::count(room.enforcement.enforced, "RLIMIT_MEMLOCK=67108864") == 1;
  EXPECT_NE(granted, std::ranges::any_of(room.enforcement.missing,
                                         [](const std::string& one) { return one.starts_with("locked memory"); }))
      << "one of the two is said";
  EXPECT_EQ(outputOf(asked.id).contains("lock: through"), granted || own.rlim_max >= (16U << 20)) << outputOf(asked.id);
  EXPECT_TRUE(ask(client().sweep(asked.id)));
}

}  // namespace
}  // namespace agentos::sandbox::testing
