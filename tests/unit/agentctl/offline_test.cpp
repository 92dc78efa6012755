// SPDX-License-Identifier: Apache-2.0
// What works without a daemon: contracts from files, a new company, its doctor.
#include <sys/stat.h>

#include "cli_fixture.h"

namespace agentos::agentctl {
namespace {

using ::testing::HasSubstr;

class OfflineTest : public CliTest {
 protected:
  Ran off(std::vector<std::string> args, const std::string& input = {}) {
    args.insert(args.begin(), {"--socket", "/nowhere/s"});
    return run(std::move(args), false, input);
  }
  std::string good() const {
    return write("good.yaml", "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\n");
  }
  std::string bad() const {
    return write(
        "bad.yaml",
        "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\nbindin: strict\ncompute: { mem: lots }\n");
  }
};

TEST_F(OfflineTest, ValidContractsAreNamed) {
  auto ran = off({"contract", "validate", good()});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("good.yaml: valid (maker, sha256:"));
}

TEST_F(OfflineTest, EveryFaultOfEveryFileAndStatusTwo) {
  auto ran = off({"contract", "validate", bad(), good(), "/nowhere.yaml"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("bad.yaml:4:1: "));
  EXPECT_THAT(ran.err, HasSubstr("did you mean"));
  EXPECT_THAT(ran.err, HasSubstr("bad.yaml:5:"));
  EXPECT_THAT(ran.err, HasSubstr("/nowhere.yaml"));
  EXPECT_THAT(ran.out, HasSubstr("good.yaml: valid"));
}

TEST_F(OfflineTest, FaultsAsJson) {
  auto ran = off({"contract", "validate", bad(), "-o", "json"});
  EXPECT_EQ(ran.status, 2);
  auto file = Json::parse(ran.out)["items"][0];
  EXPECT_EQ(file["valid"], false);
  EXPECT_EQ(file["problems"].size(), 2U);
  EXPECT_EQ(file["problems"][0]["line"], 4);
  EXPECT_EQ(file["problems"][0]["code"], "contract.unknown_key");
}

TEST_F(OfflineTest, AContractFromStdin) {
  EXPECT_EQ(off({"contract", "validate", "-"}, "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\n").status,
            0);
  EXPECT_EQ(off({"contract", "validate", "-"}, "nonsense").status, 2);
}

TEST_F(OfflineTest, ShowsAFileWithItsDefaults) {
  auto ran = off({"contract", "show", good()});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(Json::parse(ran.out)["name"], "maker");
  EXPECT_GT(Json::parse(ran.out).size(), 5U);
  EXPECT_EQ(off({"contract", "show", bad()}).status, 2);
}

TEST_F(OfflineTest, TheSchemaIsTheOneThatIsPublished) {
  auto ran = off({"contract", "schema"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(Json::parse(ran.out)["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

TEST_F(OfflineTest, MakesACompanyAndFindsItInOrder) {
  auto path = socket() + "-acme";
  auto made = off({"company", "init", path, "--timezone", "Europe/Berlin"});
  EXPECT_EQ(made.status, 0) << made.err;
  EXPECT_EQ(made.out, path + "\n");
  EXPECT_TRUE(std::filesystem::exists(path + "/company.yaml"));
  EXPECT_EQ(off({"company", "init", path}).status, 4);
  auto well = off({"company", "doctor", path});
  EXPECT_EQ(well.status, 0) << well.out << well.err;
  EXPECT_THAT(well.out, HasSubstr("Europe/Berlin"));
  EXPECT_THAT(well.err, HasSubstr("is in order"));
}

TEST_F(OfflineTest, TheExampleCompanyIsWholeAndBelongsToWhomItIsGiven) {
  if (::getuid() != 0) GTEST_SKIP() << "giving files away needs root";
  auto path = socket() + "-acme";
  auto made = off({"company", "init", path, "--example", "--user", "nobody"});
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_EQ(off({"contract", "validate", path + "/agents/contracts/maker.yaml"}).status, 0);
  EXPECT_TRUE(std::filesystem::exists(path + "/agents/state/steward/soul.md"));
  EXPECT_TRUE(std::filesystem::is_directory(path + "/agents/tasks/done/_archive"));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    struct stat info{};
    ASSERT_EQ(::lstat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 65534U) << entry.path();
    if (S_ISREG(info.st_mode)) EXPECT_EQ(info.st_mode & 0777, 0660U) << entry.path();
    if (S_ISDIR(info.st_mode))
      EXPECT_TRUE(info.st_mode & S_ISGID || entry.path().filename().string().starts_with("runtime")) << entry.path();
  }
  EXPECT_EQ(off({"company", "init", socket() + "-other", "--user", "no-such-user"}).status, 5);
}

TEST_F(OfflineTest, TheDoctorFindsWhatIsWrong) {
  auto path = socket() + "-acme";
  ASSERT_EQ(off({"company", "init", path}).status, 0);
  write("s-acme/agents/tasks/queued/task-2026-1120-001.md", "no front matter\n");
  write("s-acme/agents/tasks/queued/task-2026-1120-001.md~", "x");
  write("s-acme/operations/quarantine/task-2026-1120-009.md", "x");
  write("s-acme/operations/quarantine/task-2026-1120-009.md.reason", "line 3: bad date\n");
  std::filesystem::remove(path + "/agents/tasks/done/_archive");
  std::filesystem::remove(path + "/agents/tasks/done");
  auto ran = off({"company", "doctor", path});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, HasSubstr("queued/task-2026-1120-001.md: "));
  EXPECT_THAT(ran.out, HasSubstr("task-2026-1120-001.md~ is no task and is ignored"));
  EXPECT_THAT(ran.out, HasSubstr("line 3: bad date"));
  EXPECT_THAT(ran.out, HasSubstr("mkdir -p"));
  EXPECT_EQ(off({"company", "doctor", "/nowhere"}).status, 5);
}

}  // namespace
}  // namespace agentos::agentctl
