// SPDX-License-Identifier: Apache-2.0
#include "sandbox/exit_record.h"

#include <gmock/gmock.h>

#include "sandbox/init/record.h"

namespace agentos::sandbox {
namespace {

using ::testing::HasSubstr;

ExitRecord fullRecord() {
  return {.code = 3,
          .signal = std::nullopt,
          .coreDumped = false,
          .execFailed = true,
          .detail = "execve \"/a\\b\":\n\tno",
          .startedNs = 1'800'000'000'000'000'001,
          .endedNs = 1'800'000'000'000'000'002,
          .ranNs = 1,
          .cpuUsec = 7,
          .memoryPeak = ~0ULL,
          .oomKills = 2,
          .memoryHigh = 3,
          .pidsRefused = 4,
          .throttledUsec = 5};
}

TEST(ExitRecord, IsReadAsAgentInitWritesIt) {
  auto parsed = parseExitRecord(formatExitRecord(fullRecord()));
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(*parsed, fullRecord());
  ExitRecord killed;
  killed.signal = 9;
  killed.coreDumped = true;
  EXPECT_EQ(parseExitRecord(formatExitRecord(killed)), killed);
  EXPECT_EQ(parseExitRecord(formatExitRecord({})), ExitRecord{});
}

TEST(ExitRecord, IsWrittenTheSameByBoth) {
  EXPECT_EQ(exitRecordJson(fullRecord()), *parseJson(formatExitRecord(fullRecord())));
}

TEST(ExitRecord, StaysJsonWhateverTheDetail) {
  ExitRecord record;
  for (int byte = 0; byte < 256; ++byte) record.detail += static_cast<char>(byte);
  auto parsed = parseExitRecord(formatExitRecord(record));
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_THAT(parsed->detail, HasSubstr("ABC"));
  record.detail.assign(100'000, '\x01');
  EXPECT_LT(formatExitRecord(record).size(), 16'384U);
  EXPECT_TRUE(parseExitRecord(formatExitRecord(record)));
}

TEST(ExitRecord, RefusesHalfARecordAndWrongValues) {
  const std::string good = formatExitRecord(fullRecord());
  EXPECT_EQ(parseExitRecord(good.substr(0, good.size() / 2)).error().code, ErrorCode::kSyntax);
  EXPECT_FALSE(parseExitRecord(""));
  EXPECT_FALSE(parseExitRecord("[]"));
  struct Case {
    const char* key;
    Json value;
  };
  const Case cases[] = {{"version", 2},        {"version", "1"},
                        {"code", "3"},         {"code", 3.5},
                        {"code", 1LL << 40},   {"signal", 9},
                        {"core_dumped", 0},    {"exec_failed", nullptr},
                        {"detail", 5},         {"started_ns", 1ULL << 63},
                        {"ended_ns", nullptr}, {"cpu_usec", -1},
                        {"memory_peak", "big"}};
  for (const Case& wrong : cases) {
    Json json = exitRecordJson(fullRecord());
    json[wrong.key] = wrong.value;
    auto parsed = parseExitRecord(json.dump());
    ASSERT_FALSE(parsed) << wrong.key;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    Json without = exitRecordJson(fullRecord());
    without.erase(wrong.key);
    EXPECT_THAT(parseExitRecord(without.dump()).error().message(), HasSubstr(std::string(wrong.key) + " is missing"));
  }
  // As an agent-init of an earlier version wrote it, whose room went on over an upgrade.
  Json earlier = exitRecordJson(fullRecord());
  for (const char* key : {"memory_high", "pids_refused", "throttled_usec"}) earlier.erase(key);
  auto old = parseExitRecord(earlier.dump());
  ASSERT_TRUE(old) << old.error().message();
  EXPECT_EQ(old->memoryHigh + old->pidsRefused + old->throttledUsec, 0U);
  EXPECT_EQ(old->oomKills, 2U);
  earlier["pids_refused"] = "many";
  EXPECT_FALSE(parseExitRecord(earlier.dump()));
  Json newer = exitRecordJson(fullRecord());
  newer["added_later"] = 1;
  EXPECT_EQ(parseExitRecord(newer.dump()), fullRecord());
}

TEST(LaunchFacts, AreReadAsTheyAreWritten) {
  LaunchFacts facts{{.pid = 42, .startTicks = ~0ULL, .bootId = "b-o-o-t", .cgroupInode = 77, .slot = 65'535},
                    {.enforced = {"memory.max=1"}, .substituted = {}, .missing = {"pids \"x\""}}};
  std::string line = formatLaunchFacts(facts);
  EXPECT_EQ(line.find('\n'), line.npos);
  EXPECT_EQ(parseLaunchFacts(line), facts);
  EXPECT_EQ(parseLaunchFacts(formatLaunchFacts({})), LaunchFacts{});
}

TEST(LaunchFacts, RefuseWhatIsMissingOrWrong) {
  EXPECT_FALSE(parseLaunchFacts(""));
  EXPECT_FALSE(parseLaunchFacts("{}"));
  EXPECT_FALSE(parseLaunchFacts(R"({"version":1,"identity":[],"enforcement":{}})"));
  for (const char* pointer : {"/identity/pid", "/identity/boot_id", "/enforcement/missing", "/enforcement/enforced"}) {
    Json json = *parseJson(formatLaunchFacts({}));
    json[Json::json_pointer(pointer)] = true;
    EXPECT_FALSE(parseLaunchFacts(json.dump())) << pointer;
  }
}

}  // namespace
}  // namespace agentos::sandbox
