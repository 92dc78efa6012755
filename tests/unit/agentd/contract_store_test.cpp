// SPDX-License-Identifier: Apache-2.0
#include "agentd/scheduler/contract_store.h"

#include <gtest/gtest.h>

#include <fstream>

#include "../base/scratch_directory.h"

namespace agentos::agentd {
namespace {

struct Fixture {
  test::ScratchDirectory directory;
  std::string root = directory.path() + "/root", company = directory.path() + "/company";
  ContractStore store{{root}, company};

  Fixture() {
    std::filesystem::create_directories(root);
    std::filesystem::create_directories(company);
  }
  void write(const std::string& path, const std::string& name, const std::string& more = "") {
    std::ofstream(path) << "apiVersion: agentos/v0.2\nkind: AgentContract\nname: " << name << "\n" << more;
  }
  const StoredContract* find(const std::string& name) { return store.find(*AgentName::parse(name)); }
};

TEST(ContractStore, ReadsBothPlacesAndKnowsWhoseTheyAre) {
  Fixture f;
  f.write(f.root + "/a.yaml", "alpha");
  f.write(f.company + "/b.yaml", "beta");
  std::ofstream(f.root + "/README.md") << "no contract";
  std::ofstream(f.root + "/.a.yaml.swp") << "an editor's";
  auto report = f.store.reload();
  EXPECT_EQ(report.added.size(), 2U);
  EXPECT_TRUE(report.problems.empty());
  EXPECT_FALSE(f.find("alpha")->fromCompany);
  EXPECT_TRUE(f.find("beta")->fromCompany);
}

TEST(ContractStore, OnAClashOfNamesRootsWinsAndItIsSaid) {
  Fixture f;
  f.write(f.root + "/a.yaml", "same", "owner: root\n");
  f.write(f.company + "/a.yaml", "same", "owner: company\n");
  auto report = f.store.reload();
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_NE(report.problems.front().find("same"), std::string::npos);
  EXPECT_EQ(f.find("same")->contract->owner, "root");
}

TEST(ContractStore, ABrokenFileKeepsTheOldContractUntilItIsMended) {
  Fixture f;
  f.write(f.root + "/a.yaml", "alpha", "owner: one\n");
  f.store.reload();
  f.write(f.root + "/a.yaml", "alpha", "owner: two\nowner: three\n");
  auto broken = f.store.reload();
  EXPECT_TRUE(broken.removed.empty());
  EXPECT_FALSE(broken.problems.empty());
  ASSERT_NE(f.find("alpha"), nullptr);
  EXPECT_EQ(f.find("alpha")->contract->owner, "one");
  EXPECT_FALSE(f.find("alpha")->problems.empty());
  f.write(f.root + "/a.yaml", "alpha", "owner: two\n");
  auto mended = f.store.reload();
  EXPECT_EQ(mended.changed.size(), 1U);
  EXPECT_EQ(f.find("alpha")->contract->owner, "two");
  EXPECT_TRUE(f.find("alpha")->problems.empty());
}

TEST(ContractStore, ARemovedFileRemovesAndAnUnchangedOneIsNoChange) {
  Fixture f;
  f.write(f.root + "/a.yaml", "alpha");
  f.write(f.root + "/b.yaml", "beta");
  f.store.reload();
  std::filesystem::remove(f.root + "/a.yaml");
  auto report = f.store.reload();
  ASSERT_EQ(report.removed.size(), 1U);
  EXPECT_EQ(report.removed.front().str(), "alpha");
  EXPECT_TRUE(report.changed.empty());
  EXPECT_EQ(f.find("alpha"), nullptr);
}

TEST(ContractStore, AFileThatIsBrokenFromTheStartIsSaidAndTheOthersWork) {
  Fixture f;
  std::ofstream(f.root + "/a.yaml") << "nmae: x\n";
  f.write(f.root + "/b.yaml", "beta");
  auto report = f.store.reload();
  EXPECT_FALSE(report.problems.empty());
  EXPECT_EQ(f.store.all().size(), 1U);
}

TEST(ContractStore, ADirectoryThatIsNotThereIsEmpty) {
  ContractStore store({"/nonexistent/agents"}, "");
  EXPECT_TRUE(store.reload().problems.empty());
}

}  // namespace
}  // namespace agentos::agentd
