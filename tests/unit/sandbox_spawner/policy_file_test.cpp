// SPDX-License-Identifier: Apache-2.0
#include "sandbox/policy_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace agentos::sandbox {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kFile = R"(agentd: { anything: here }
spawner:
  peer: 990
  uids: { first: 1000000000, rooms: 64 }
  state: /s
  logs: /l
  run: /r
  cgroup: /sys/fs/cgroup/x
  init: /i
  mounts:
    - { path: /srv/none/at/all, writable: true }
    - { path: /usr, owner: nobody }
  limits: { memory: 4GiB, cpu: "2.5", pids: 99, rooms: 12, tmp: 64MiB, open_files: 1024 }
)";

std::string problemOf(std::string_view text) {
  auto parsed = parsePolicy(text, "p.yaml", {});
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code, ErrorCode::kConfig);
  return parsed.error().message();
}

TEST(PolicyFile, EveryKeyIsRead) {
  auto parsed = parsePolicy(kFile, "p.yaml", {});
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->peerUid, 990U);
  EXPECT_EQ(parsed->uidFirst, 1000000000U);
  EXPECT_EQ(parsed->slots, 64U);
  EXPECT_EQ(parsed->stateDir, "/s");
  EXPECT_EQ(parsed->logDir, "/l");
  EXPECT_EQ(parsed->runDir, "/r");
  EXPECT_EQ(parsed->cgroupRoot, "/sys/fs/cgroup/x");
  EXPECT_EQ(parsed->initBinary, "/i");
  ASSERT_EQ(parsed->mounts.size(), 2U);
  EXPECT_EQ(parsed->mounts[0], (MountRule{"/srv/none/at/all", true, {}, {}}));
  EXPECT_EQ(parsed->mounts[1].owner, uid_t{65534});
  EXPECT_EQ(parsed->ceilings.memory, Bytes{4ULL << 30});
  EXPECT_EQ(parsed->ceilings.cpu, MilliCpu{2500});
  EXPECT_EQ(parsed->ceilings.pids, 99);
  EXPECT_EQ(parsed->ceilings.rooms, 12U);
  EXPECT_EQ(parsed->ceilings.tmp, Bytes{64 << 20});
  EXPECT_EQ(parsed->ceilings.openFiles, 1024U);
}

TEST(PolicyFile, ProblemsAreNamedWithTheirPlace) {
  EXPECT_THAT(problemOf("spawner:\n  peers: 1\n"),
              ::testing::AllOf(HasSubstr("p.yaml:2:3"), HasSubstr("did you mean peer")));
  EXPECT_THAT(problemOf("spawner:\n  limits: { memory: lots }\n"), HasSubstr("p.yaml:2"));
  EXPECT_THAT(problemOf("spawner:\n  limits: { pids: -1 }\n"), HasSubstr("1 to 4194304"));
  EXPECT_THAT(problemOf("spawner:\n  peer: no-such-user-here\n"), HasSubstr("no user \"no-such-user-here\""));
  EXPECT_THAT(problemOf("spawner:\n  mounts: /srv\n"), HasSubstr("not a list"));
  EXPECT_THAT(problemOf("spawner:\n  mounts: [ { writable: true } ]\n"), HasSubstr("without path"));
  EXPECT_THAT(problemOf("spawner:\n  mounts: [ { path: /x, writable: perhaps } ]\n"), HasSubstr("writable"));
  EXPECT_THAT(problemOf("spawner: [ 1 ]\n"), HasSubstr("not a map"));
  EXPECT_THAT(problemOf("spawner: {\n"), HasSubstr("p.yaml"));
  EXPECT_EQ(problemOf("other: {}\n"), "");
}

TEST(PolicyFile, LinksInPrefixesAreResolvedByRootOnce) {
  std::string pattern = std::filesystem::temp_directory_path() / "policy-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  std::filesystem::create_directory(pattern + "/real");
  std::filesystem::create_symlink("real", pattern + "/link");
  auto parsed = parsePolicy("spawner:\n  mounts: [ { path: " + pattern + "/link } ]\n", "p.yaml", {});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->mounts[0].prefix, resolvedPath(pattern) + "/real");
  std::filesystem::remove_all(pattern);
}

TEST(PolicyFile, OnlyRootsOwnFileIsRead) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, who owns the file";
  std::string pattern = std::filesystem::temp_directory_path() / "policy-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  std::string path = pattern + "/p.yaml";
  std::ofstream(path) << kFile;
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  EXPECT_TRUE(loadPolicy(path, {}));
  ASSERT_EQ(::chmod(path.c_str(), 0664), 0);
  EXPECT_FALSE(loadPolicy(path, {}));
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  ASSERT_EQ(::chown(path.c_str(), 990, 990), 0);
  auto refused = loadPolicy(path, {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("chown root"));
  EXPECT_FALSE(loadPolicy(pattern + "/none", {}));
  std::filesystem::remove_all(pattern);
}

}  // namespace
}  // namespace agentos::sandbox
