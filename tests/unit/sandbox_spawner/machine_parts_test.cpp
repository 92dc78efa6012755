// SPDX-License-Identifier: Apache-2.0
// The disks and processors of a machine, as they are chosen for a room's limits.
#include <gtest/gtest.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "base/json.h"
#include "sandbox/cpus.h"
#include "sandbox/disks.h"
#include "sandbox/limits_file.h"

namespace agentos::sandbox {
namespace {

namespace fs = std::filesystem;

TEST(Disks, OfAPartitionItIsTheWholeDisk) {
  std::string pattern = ::testing::TempDir() + "/disks-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  const fs::path dir(pattern);
  fs::create_directories(dir / "devices/vda/vda1");
  fs::create_directories(dir / "block");
  std::ofstream(dir / "devices/vda/dev") << "254:0\n";
  std::ofstream(dir / "devices/vda/vda1/dev") << "254:1\n";
  std::ofstream(dir / "devices/vda/vda1/partition") << "1\n";
  fs::create_directory_symlink("../devices/vda", dir / "block/254:0");
  fs::create_directory_symlink("../devices/vda/vda1", dir / "block/254:1");
  EXPECT_EQ(wholeDisk(makedev(254, 1), dir / "block"), "254:0");
  EXPECT_EQ(wholeDisk(makedev(254, 0), dir / "block"), "254:0");
  EXPECT_EQ(wholeDisk(makedev(9, 0), dir / "block"), std::nullopt);
  fs::remove_all(dir);
}

TEST(Disks, OfAFileSystemWithoutADeviceItIsWhatWasMounted) {
  constexpr std::string_view kMounts =
      "27 1 254:0 / / rw - ext4 /dev/vda rw\n"
      "30 27 0:40 /root / rw,relatime shared:1 - btrfs /dev/vdb2 rw,space_cache\n"
      "31 27 0:41 / /tmp rw - tmpfs tmpfs rw\nbroken line\n";
  EXPECT_EQ(mountedFrom(makedev(0, 40), kMounts), "/dev/vdb2");
  EXPECT_EQ(mountedFrom(makedev(0, 41), kMounts), std::nullopt);
  EXPECT_EQ(mountedFrom(makedev(0, 42), kMounts), std::nullopt);
}

TEST(Disks, WhatIsOnNoneAddsNone) {
  EXPECT_TRUE(disksOf({"/proc", "/not/there"}).empty());
  EXPECT_TRUE(disksOf({}).empty());
}

TEST(CpuTurns, GoesRoundAllOfThem) {
  CpuTurns turns({0, 2, 5, 7});
  EXPECT_EQ(turns.take(1), (std::vector{0}));
  EXPECT_EQ(turns.take(2), (std::vector{2, 5}));
  EXPECT_EQ(turns.take(3), (std::vector{0, 2, 7}));
  EXPECT_TRUE(turns.take(4).empty()) << "all of them is no binding";
  EXPECT_TRUE(turns.take(9).empty());
  EXPECT_TRUE(turns.take(0).empty());
  EXPECT_TRUE(CpuTurns({}).take(1).empty());
  EXPECT_EQ(listed({0, 2}), "0,2");
}

Limits someLimits() {
  Limits limits;
  limits.memory = Bytes{64 << 20};
  limits.pids = 16;
  limits.ioMax.write = Bytes{1 << 20};
  return limits;
}

TEST(LimitsFile, SaysOfEachWhetherItHoldsAndByWhat) {
  Enforcement said;
  said.enforced = {"memory.max=67108864"};
  said.substituted = {"pids by RLIMIT_NPROC=16"};
  said.missing = {"io max (no io controller in cgroup v2)"};
  auto json = parseJson(formatLimitsFile(someLimits(), {{1 << 30}, {1 << 28}, 4096}, said));
  ASSERT_TRUE(json);
  const Json& limits = (*json)["limits"];
  EXPECT_EQ(limits["memory_bytes"], (Json{{"limit", 64 << 20}, {"enforced", true}, {"by", "memory.max=67108864"}}));
  EXPECT_EQ(limits["pids"], (Json{{"limit", 16}, {"enforced", true}, {"by", "RLIMIT_NPROC=16"}}));
  EXPECT_EQ(
      limits["io_per_second"],
      (Json{{"limit", {{"write_bytes", 1 << 20}}}, {"enforced", false}, {"why", "no io controller in cgroup v2"}}));
  EXPECT_FALSE(limits.contains("cpu_millicores")) << "what was not asked for";
}

TEST(LimitsFile, NeverSaysMoreThanIsTrue) {
  const Json limits = (*parseJson(formatLimitsFile(someLimits(), {}, {})))["limits"];
  for (const char* name : {"memory_bytes", "pids", "io_per_second"}) {
    EXPECT_EQ(limits[name]["enforced"], false) << name;
    EXPECT_TRUE(limits[name].contains("why")) << name;
  }
}

TEST(LimitsFile, FitsItsPlace) {
  Limits limits = someLimits();
  limits.cpu = MilliCpu{1'000'000};
  limits.cpus = 1024;
  limits.cpuWeight = limits.ioWeight = 10'000;
  limits.memoryHigh = limits.swap = limits.scratchQuota = Bytes{1ULL << 50};
  limits.ioMax = {Bytes{1ULL << 50}, Bytes{1ULL << 50}, 1'000'000'000, 1'000'000'000};
  const std::string text = formatLimitsFile(limits, {{1ULL << 50}, {1ULL << 50}, 1 << 20}, {});
  EXPECT_FALSE(text.empty());
  EXPECT_LT(text.size(), kMaxLimitsFile);
  Enforcement said;
  said.enforced = {"affinity=" + std::string(4000, '1')};
  EXPECT_EQ(formatLimitsFile(limits, {}, said), "") << "left out rather than cut";
}

}  // namespace
}  // namespace agentos::sandbox
