// SPDX-License-Identifier: Apache-2.0
#include "models/costs.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/fault.h"
#include "base/files.h"
#include "base/text.h"
#include "models/json_read.h"

namespace agentos::models {
namespace {

namespace fs = std::filesystem;
constexpr const char* kZone = "Europe/Berlin";

class CostsTest : public testing::Test {
 protected:
  CostsTest() {
    std::string pattern = (fs::temp_directory_path() / "agentos-costs-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    root = *openDirectory(folder);
    open();
  }
  ~CostsTest() override { fs::remove_all(folder); }

  void open() {
    ledger.reset();
    db = *Database::open(folder + "/agentd.db");
    ledger = *Ledger::open(*db, clock, kZone);
  }
  void spend(std::int64_t micro, const char* agent = "maker") {
    const auto id = ledger->reserve({agent, std::string(agent) + ".aaaaaa", "task-2026-1120-001"}, {},
                                    "scripted/default", {micro}, 1);
    ASSERT_TRUE(ledger->settle(*id, {7, 3, 1}, {micro}, "ok"));
  }
  std::string read(const std::string& day) const {
    return readFile(root.get(), "finance/costs/" + day + ".jsonl").value_or("");
  }
  std::vector<std::int64_t> ids(const std::string& day) const {
    std::vector<std::int64_t> all;
    const std::string text = read(day);
    for (const auto line : split(text, '\n'))
      if (const auto json = parseJson(line)) all.push_back(intAt(*json, "settlement").value_or(-1));
    return all;
  }
  void write(const std::string& day, const std::string& bytes, std::ios::openmode mode = std::ios::app) {
    std::ofstream(folder + "/finance/costs/" + day + ".jsonl", mode) << bytes;
  }
  // What the ledger says and what all files together say, in micro-dollars.
  void expectAgreement() {
    std::int64_t inFiles = 0, inLedger = 0;
    std::size_t lines = 0;
    for (const auto& entry : fs::directory_iterator(folder + "/finance/costs"))
      for (const auto line : split(*readPath(entry.path()), '\n'))
        if (const auto json = parseJson(line); json && json->contains("settlement"))
          inFiles += intAt(*json, "cost_micro_usd").value_or(0), ++lines;
    const auto all = *ledger->settlements(0, 100'000);
    for (const auto& one : all) inLedger += one.cost.count;
    EXPECT_EQ(inFiles, inLedger);
    EXPECT_EQ(lines, all.size());
  }

  std::string folder;
  Fd root;
  FakeClock clock{*parseTimestamp("2026-11-20T12:00:00Z")};
  std::unique_ptr<Database> db;
  std::unique_ptr<Ledger> ledger;
};

TEST_F(CostsTest, ALineIsWhatBothOurOwnersAndTheOldReadersExpect) {
  spend(1234);
  ASSERT_EQ(*appendCosts(root.get(), *ledger, kZone), 1U);
  EXPECT_EQ(
      read("2026-11-20"),
      R"({"timestamp":"2026-11-20T13:00:00+01:00","agent":"maker","task":"task-2026-1120-001","cost_usd":0.001234,)"
      R"("cost_micro_usd":1234,"model":"scripted/default","run":"maker.aaaaaa","outcome":"ok","input_tokens":7,)"
      R"("output_tokens":3,"cached_tokens":1,"settlement":1})"
      "\n");
}

TEST_F(CostsTest, EachSettlementIsWrittenOnceInTheFileOfItsDay) {
  spend(10);
  spend(20);
  EXPECT_EQ(*appendCosts(root.get(), *ledger, kZone), 2U);
  EXPECT_EQ(*appendCosts(root.get(), *ledger, kZone), 0U);
  clock.jump(*parseTimestamp("2026-11-20T23:30:00Z"));  // the 21st in Berlin
  spend(30);
  EXPECT_EQ(*appendCosts(root.get(), *ledger, kZone), 1U);
  EXPECT_THAT(ids("2026-11-20"), testing::ElementsAre(1, 2));
  EXPECT_THAT(ids("2026-11-21"), testing::ElementsAre(3));
  expectAgreement();
}

TEST_F(CostsTest, ManyPagesAndALongFile) {
  for (int i = 0; i < 1100; ++i) spend(i);
  EXPECT_EQ(*appendCosts(root.get(), *ledger, kZone), 1100U);
  for (int i = 0; i < 5; ++i) spend(i);
  EXPECT_EQ(*appendCosts(root.get(), *ledger, kZone), 5U);
  expectAgreement();
}

// Killed after the ledger's commit, after the append, or in the middle of a line: the next start heals it.
TEST_F(CostsTest, ACrashAnywhereBetweenCommitAndMarkIsHealed) {
  for (const char* point : {"ledger.settle.committed", "costs.append.before", "costs.append.written"}) {
    SCOPED_TRACE(point);
    const auto before = ledger->settlements(0, 100'000)->size();
    ledger.reset();
    db.reset();
    const pid_t child = fork();
    if (child == 0) {
      armFault(point);
      open();
      const auto id = ledger->reserve({"maker", "maker.aaaaaa", ""}, {}, "m", {5}, 1);
      static_cast<void>(ledger->settle(*id, {}, {5}, "ok"));
      static_cast<void>(appendCosts(root.get(), *ledger, kZone));
      _exit(0);  // not reached: the fault point kills
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    open();
    EXPECT_EQ(ledger->settlements(0, 100'000)->size(), before + 1);
    ASSERT_TRUE(appendCosts(root.get(), *ledger, kZone));
    expectAgreement();
  }
}

TEST_F(CostsTest, ATornLastLineIsTakenAwayAndWrittenWhole) {
  spend(10);
  ASSERT_TRUE(appendCosts(root.get(), *ledger, kZone));
  spend(20);
  const auto torn = costLine(ledger->settlements(1, 1)->front(), kZone)->substr(0, 40);
  write("2026-11-20", torn);
  ASSERT_EQ(*appendCosts(root.get(), *ledger, kZone), 1U);
  EXPECT_THAT(ids("2026-11-20"), testing::ElementsAre(1, 2));
  expectAgreement();
}

TEST_F(CostsTest, AWholeLineWithoutItsNewlineIsKept) {
  spend(10);
  auto line = *costLine(ledger->settlements(0, 1)->front(), kZone);
  line.pop_back();
  ASSERT_TRUE(makeDirectoriesBeneath(root.get(), "finance/costs", 0770));
  write("2026-11-20", line);
  EXPECT_EQ(*appendCosts(root.get(), *ledger, kZone), 0U);
  spend(20);
  EXPECT_EQ(*appendCosts(root.get(), *ledger, kZone), 1U);
  EXPECT_THAT(ids("2026-11-20"), testing::ElementsAre(1, 2));
}

TEST_F(CostsTest, RebuildGivesTheSameBytesAndKeepsTheLinesOfOthers) {
  spend(10);
  spend(20);
  ASSERT_TRUE(appendCosts(root.get(), *ledger, kZone));
  const std::string appended = read("2026-11-20");
  EXPECT_EQ(*rebuildCosts(root.get(), *ledger, kZone), 2U);
  EXPECT_EQ(read("2026-11-20"), appended);

  const std::string foreign = R"({"agent":"agent-001","cost_usd":0.25})"
                              "\n";
  write("2026-11-20", foreign + "{\"settlement\":99,\"cost_micro_usd\":1000000}\n");  // one of another tool, one forged
  write("2026-11-19", foreign);
  ASSERT_TRUE(rebuildCosts(root.get(), *ledger, kZone));
  EXPECT_EQ(read("2026-11-20"), foreign + appended);
  EXPECT_EQ(read("2026-11-19"), foreign);
  EXPECT_EQ(*rebuildCosts(root.get(), *ledger, kZone), 2U);
  EXPECT_EQ(read("2026-11-20"), foreign + appended);
  expectAgreement();
}

TEST_F(CostsTest, RebuildBringsBackWhatSomebodyDeleted) {
  spend(10);
  ASSERT_TRUE(appendCosts(root.get(), *ledger, kZone));
  fs::remove_all(folder + "/finance");
  ASSERT_EQ(*rebuildCosts(root.get(), *ledger, kZone), 1U);
  expectAgreement();
  spend(20);
  EXPECT_EQ(*appendCosts(root.get(), *ledger, kZone), 1U);
  expectAgreement();
}

TEST_F(CostsTest, AFolderThatIsALinkOutOfTheCompanyIsRefused) {
  fs::create_directory(folder + "/finance");
  fs::create_directory_symlink("/tmp", folder + "/finance/costs");
  spend(10);
  EXPECT_FALSE(appendCosts(root.get(), *ledger, kZone));
  EXPECT_EQ(*ledger->exportedUpTo(), 0);
}

}  // namespace
}  // namespace agentos::models
