// SPDX-License-Identifier: Apache-2.0
#include "agentctl/company_use.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include "../base/scratch_directory.h"
#include "agentctl/company_init.h"
#include "base/yaml.h"
#include "cli_fixture.h"

namespace agentos::agentctl {
namespace {

TEST(WithKey, TakesThePlaceOfTheKeysOwnLine) {
  EXPECT_EQ(*withKey("a: 1\ncompany: /old\nb: 2\n", "company", "/new"), "a: 1\ncompany: /new\nb: 2\n");
  EXPECT_EQ(*withKey("company: /old", "company", "/new"), "company: /new");
}

TEST(WithKey, TakesThePlaceOfTheCommentedLineAndLeavesTheProse) {
  EXPECT_EQ(*withKey("# the company\n#company: \"\"\n\n#user: agentd\n", "company", "/new"),
            "# the company\ncompany: /new\n\n#user: agentd\n");
}

TEST(WithKey, PrefersTheLineThatIsInForce) {
  EXPECT_EQ(*withKey("#company: \"\"\ncompany: /old\n", "company", "/new"), "#company: \"\"\ncompany: /new\n");
}

TEST(WithKey, IsAddedWhereNobodySpokeOfIt) {
  EXPECT_EQ(*withKey("", "company", "/new"), "company: /new\n");
  EXPECT_EQ(*withKey("user: x", "company", "/new"), "user: x\ncompany: /new\n");
}

TEST(WithKey, LeavesAKeyOfAnotherSectionAlone) {
  EXPECT_EQ(*withKey("log:\n  company: no\n", "company", "/new"), "log:\n  company: no\ncompany: /new\n");
}

TEST(WithKey, RefusesWhatItWouldSpoil) {
  EXPECT_FALSE(withKey("company: >\n  /of/several\n  lines\n", "company", "/new").has_value());
  EXPECT_FALSE(withKey("{ company: /flow }\n", "company", "/new").has_value());
  EXPECT_FALSE(withKey("a: [1,\n", "company", "/new").has_value());
  EXPECT_FALSE(withKey("models:\n  - { driver: openai }\n", "models", "[{ driver: scripted }, 2]").has_value());
}

class CompanyUse : public CliTest {
 protected:
  Ran use(std::vector<std::string> more = {}) {
    std::vector<std::string> args = {"company", "use", company(), "--prefix", root()};
    args.insert(args.end(), more.begin(), more.end());
    return run(args, false);
  }
  std::string root() const { return socket() + "-root"; }
  std::string company() const { return socket() + "-acme"; }
  std::string file() const { return read("s-root/etc/agentd/agentd.yaml"); }
};

TEST_F(CompanyUse, WritesTheFileOfThePrivateInstance) {
  ASSERT_EQ(run({"company", "init", company(), "--example"}, false).status, 0);
  auto used = use({"--scripted-model"});
  ASSERT_EQ(used.status, 0) << used.err;
  EXPECT_EQ(used.out, root() + "/etc/agentd/agentd.yaml\n");
  EXPECT_NE(used.err.find("restarted"), std::string::npos) << used.err;
  auto said = parseYaml(file(), "agentd.yaml");
  ASSERT_TRUE(said.has_value()) << file();
  EXPECT_EQ(said->find("company")->scalar, company());
  const YamlNode* script = said->find("models")->items.front().find("script");
  ASSERT_NE(script, nullptr);
  EXPECT_TRUE(std::filesystem::exists(script->scalar)) << script->scalar;
}

TEST_F(CompanyUse, KeepsTheModelsThatAreNamed) {
  ASSERT_EQ(run({"company", "init", company()}, false).status, 0);
  std::filesystem::create_directories(root() + "/etc/agentd");
  write("s-root/etc/agentd/agentd.yaml", "models: [{ driver: openai, base_url: \"http://x/v1\", models: [a] }]\n");
  ASSERT_EQ(use({"--scripted-model"}).status, 0);
  EXPECT_EQ(file().find("scripted"), std::string::npos) << file();
  EXPECT_NE(file().find("http://x/v1"), std::string::npos);
}

TEST_F(CompanyUse, LeavesTheFileWhereAndWhoseItWas) {
  if (::getuid() != 0) GTEST_SKIP() << "giving files away needs root";
  ASSERT_EQ(run({"company", "init", company()}, false).status, 0);
  std::filesystem::create_directories(root() + "/etc/agentd");
  write("s-root/site.yaml", "log: { level: debug }\n");
  const std::string site = root() + "/site.yaml", link = root() + "/etc/agentd/agentd.yaml";
  ASSERT_EQ(::chown(site.c_str(), 0, 1234), 0);
  ASSERT_EQ(::chmod(site.c_str(), 0640), 0);
  std::filesystem::create_symlink("../../site.yaml", link);
  ASSERT_EQ(use().status, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_NE(read("s-root/site.yaml").find("company: "), std::string::npos);
  struct stat info{};
  ASSERT_EQ(::stat(site.c_str(), &info), 0);
  EXPECT_EQ(info.st_gid, 1234U) << "agentd reads it by its group";
  EXPECT_EQ(info.st_mode & 0777U, 0640U) << "and nobody else";
}

TEST_F(CompanyUse, RefusesWhatIsNoCompany) {
  auto used = use();
  EXPECT_EQ(used.status, 5);
  EXPECT_NE(used.err.find("agentctl company init"), std::string::npos) << used.err;
  EXPECT_FALSE(std::filesystem::exists(root()));
}

TEST_F(CompanyUse, QuotesWhatYamlWouldMistake) {
  const std::string odd = company() + " #1: x";
  ASSERT_EQ(run({"company", "init", odd}, false).status, 0);
  ASSERT_EQ(run({"company", "use", odd, "--prefix", root()}, false).status, 0);
  auto said = parseYaml(file(), "agentd.yaml");
  ASSERT_TRUE(said.has_value());
  EXPECT_EQ(said->find("company")->scalar, odd);
}

// What a person makes in it with the usual umask is the group's too.
TEST_F(CompanyUse, ACompanyIsTheGroupsToWrite) {
  if (::getuid() != 0) GTEST_SKIP() << "giving files away needs root";
  ASSERT_EQ(run({"company", "init", company(), "--example", "--user", "nobody"}, false).status, 0);
  char probe = 0;
  if (::getxattr(company().c_str(), "system.posix_acl_default", nullptr, 0) < 0 && errno == ENOTSUP)
    GTEST_SKIP() << "no ACLs on this file system" << probe;
  const mode_t before = ::umask(022);
  const std::string made = company() + "/agents/tasks/queued/by-hand.md";
  std::ofstream(made) << "x";
  std::filesystem::create_directory(company() + "/products/new");
  ::umask(before);
  struct stat file{}, folder{};
  ASSERT_EQ(::stat(made.c_str(), &file), 0);
  ASSERT_EQ(::stat((company() + "/products/new").c_str(), &folder), 0);
  EXPECT_EQ(file.st_mode & 0777U, 0660U);
  EXPECT_EQ(folder.st_mode & 07777U, 02770U);
}

}  // namespace
}  // namespace agentos::agentctl
