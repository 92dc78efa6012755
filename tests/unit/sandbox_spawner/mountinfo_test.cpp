// SPDX-License-Identifier: Apache-2.0
#include "sandbox/mountinfo.h"

#include <gtest/gtest.h>

namespace agentos::sandbox {
namespace {

constexpr std::string_view kUnified =
    "25 30 0:23 / /proc rw,relatime shared:12 - proc proc rw\n"
    "35 24 0:29 / /sys/fs/cgroup rw,nosuid shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr std::string_view kHybrid =
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

TEST(MountInfo, FieldsAreReadWhateverIsOptional) {
  auto mounts = parseMountInfo(kUnified);
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[0], (MountEntry{"/", "/proc", "proc"}));
  EXPECT_EQ(mounts[1], (MountEntry{"/", "/sys/fs/cgroup", "cgroup2"}));
}

TEST(MountInfo, EscapesAreUndone) {
  auto mounts = parseMountInfo(R"(36 35 98:0 /a\040b /mnt/x\134y\011z rw - ext4 /dev/sda rw)"
                               "\n");
  ASSERT_EQ(mounts.size(), 1U);
  EXPECT_EQ(mounts[0].root, "/a b");
  EXPECT_EQ(mounts[0].mountPoint, "/mnt/x\\y\tz");
  // A backslash that starts no escape stays.
  EXPECT_EQ(parseMountInfo("36 35 98:0 / /a\\9x rw - ext4 d rw\n")[0].mountPoint, "/a\\9x");
}

TEST(MountInfo, WhatIsNoLineIsLeftOut) {
  EXPECT_TRUE(parseMountInfo("").empty());
  EXPECT_TRUE(parseMountInfo("\n\n-\n- - - - - - - - - -\n").empty());
  EXPECT_TRUE(parseMountInfo("36 35 98:0 / /mnt rw ext4 /dev/sda rw noseparator x\n").empty());
  EXPECT_EQ(parseMountInfo("garbage\n" + std::string(kUnified)).size(), 2U);
}

TEST(MountInfo, TheHierarchyIsFound) {
  EXPECT_EQ(findCgroupMounts(parseMountInfo(kUnified)).mode, "unified");
  EXPECT_EQ(findCgroupMounts(parseMountInfo(kUnified)).point, "/sys/fs/cgroup");
  EXPECT_EQ(findCgroupMounts(parseMountInfo(kHybrid)).mode, "hybrid");
  EXPECT_EQ(findCgroupMounts(parseMountInfo(kHybrid)).point, "/sys/fs/cgroup/unified");
  EXPECT_EQ(findCgroupMounts({}).mode, "legacy");
  EXPECT_FALSE(findCgroupMounts({}).point);
}

}  // namespace
}  // namespace agentos::sandbox
