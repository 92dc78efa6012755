// SPDX-License-Identifier: Apache-2.0
#include "sandbox/machine.h"

#include <gmock/gmock.h>
#include <linux/capability.h>

#include <filesystem>

namespace agentos::sandbox {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<ControllerPlace> kHybrid = {
    {"memory", "/sys/fs/cgroup/memory"}, {"blkio", "/sys/fs/cgroup/blkio"}, {"hugetlb", "/sys/fs/cgroup/unified"}};

TEST(Machine, SaysWhereAMissingControllerIsBound) {
  auto explain = [](std::string_view name) {
    return explainMissingController(name, kHybrid, "/sys/fs/cgroup/unified");
  };
  EXPECT_THAT(explain("memory"),
              HasSubstr("bound to cgroup v1 at /sys/fs/cgroup/memory; boot with cgroup_no_v1=memory"));
  EXPECT_THAT(explain("io"), HasSubstr("bound to cgroup v1 at /sys/fs/cgroup/blkio; boot with cgroup_no_v1=blkio"));
  EXPECT_THAT(explain("pids"), HasSubstr("this kernel does not offer it here"));
  EXPECT_THAT(explain("hugetlb"), HasSubstr("this kernel does not offer it here"));
}

TEST(Machine, SaysWhatEachMissingPowerCosts) {
  constexpr std::uint64_t kAll = ~0ULL;
  EXPECT_THAT(explainMissingPowers(kAll, 6), IsEmpty());
  EXPECT_THAT(explainMissingPowers(kAll & ~(1ULL << CAP_SYS_RESOURCE), 7),
              ::testing::ElementsAre(HasSubstr("CAP_SYS_RESOURCE")));
  EXPECT_THAT(explainMissingPowers(kAll & ~(1ULL << CAP_SYS_NICE), 7), ::testing::ElementsAre(HasSubstr("HRT")));
  EXPECT_THAT(explainMissingPowers(kAll, 2), ::testing::ElementsAre(HasSubstr("Landlock ABI 2")));
  EXPECT_THAT(explainMissingPowers(kAll, 0), ::testing::ElementsAre(HasSubstr("Landlock is missing")));
}

TEST(Machine, LocatesOnlyWhatIsMounted) {
  for (const ControllerPlace& place : locateControllers()) {
    EXPECT_FALSE(place.name.empty());
    EXPECT_TRUE(std::filesystem::is_directory(place.point)) << place.name << " at " << place.point;
  }
}

TEST(Machine, ExplainsOnlyTheControllersThatAreNotThere) {
  PlatformReport report;
  report.controllers = {"cpu", "memory"};
  addMachineFacts(report, {"cpu", "memory", "agentd-test"}, "/sys/fs/cgroup");
  EXPECT_FALSE(report.kernel.empty());
  EXPECT_THAT(report.warnings, Contains(HasSubstr("the agentd-test controller")));
  EXPECT_THAT(report.warnings, Not(Contains(HasSubstr("the cpu controller"))));
}

}  // namespace
}  // namespace agentos::sandbox
