// SPDX-License-Identifier: Apache-2.0
#include "company/layout.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

namespace agentos::company {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

unsigned modeOf(const std::string& path) {
  struct stat info{};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777U;
}

std::vector<std::string> problemsOf(const std::string& text) {
  auto settings = parseCompanySettings(text, "company.yaml");
  std::vector<std::string> list;
  if (!settings) {
    for (const auto& problem : settings.error()) list.push_back(problem.message());
  }
  return list;
}

TEST(CompanySettings, ReadsEverything) {
  auto settings = parseCompanySettings(
      "name: acme\ntimezone: Europe/Berlin\ncaps: {per_day_usd: 12.50, per_month_usd: 300}\n"
      "scopes:\n  public: [knowledge, products/site]\nretry: { backoff: 5s..10m }\n",
      "company.yaml");
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->name, "acme");
  EXPECT_EQ(settings->timezone, "Europe/Berlin");
  EXPECT_EQ(settings->perDay->count, 12'500'000);
  EXPECT_EQ(settings->perMonth->count, 300'000'000);
  ASSERT_EQ(settings->scopes.size(), 1U);
  EXPECT_THAT(settings->scopes[0].second, ElementsAre("knowledge", "products/site"));
  EXPECT_EQ(settings->retry.first, 5s);
  EXPECT_EQ(settings->retry.longest, 10min);
}

TEST(CompanySettings, RefusesABackoffThatIsNone) {
  for (const std::string bad : {"soon", "0s..1m", "10m..1m", "5s..", "..5s", "1s..9000d", "[1s, 2s]"}) {
    const auto problems = problemsOf("name: acme\nretry: { backoff: " + bad + " }\n");
    ASSERT_EQ(problems.size(), 1U) << bad;
    EXPECT_THAT(problems[0], HasSubstr("retry.backoff")) << bad;
  }
  EXPECT_THAT(problemsOf("name: acme\nretry: { bakcoff: 1s..2s }\n"), ElementsAre(HasSubstr("did you mean backoff")));
}

TEST(CompanySettings, TellsEveryProblemWithItsPlace) {
  const auto problems =
      problemsOf("nmae: acme\ntimezone: Moon/Base\ncaps: {per_day_usd: lots}\nscopes:\n  a: [../x, /etc]\n  b: word\n");
  ASSERT_EQ(problems.size(), 7U) << ::testing::PrintToString(problems);
  EXPECT_THAT(problems[0], HasSubstr("company.yaml:1:1: nmae: unknown key; did you mean name?"));
  EXPECT_THAT(problems[1], HasSubstr("company.yaml:2:11: timezone: unknown time zone 'Moon/Base'"));
  EXPECT_THAT(problems[2], HasSubstr("caps.per_day_usd: 'lots' is no amount"));
  EXPECT_THAT(problems[3], HasSubstr("'../x' is no path in the company"));
  EXPECT_THAT(problems[6], HasSubstr("name: is missing"));
  EXPECT_FALSE(problemsOf("- a\n").empty());
  EXPECT_FALSE(problemsOf("name: ''\n").empty());
}

TEST(Company, InitMakesTheWholeTree) {
  TempDirectory temp;
  const mode_t old = ::umask(0077);  // what the caller's umask takes away, the tree has all the same
  ASSERT_OK(Company::init(temp.path() + "/new/acme", "Acme: \"x\"", "Europe/Berlin"));
  ::umask(old);
  const std::string root = temp.path() + "/new/acme";
  for (const char* path : {"agents/contracts", "agents/tasks/in-progress", "agents/tasks/done/_archive",
                           "agents/messages/threads/resolved", "strategy/proposals/active", "finance/costs",
                           "operations/quarantine", "agents", "strategy"}) {
    EXPECT_EQ(modeOf(root + "/" + path), 02770U) << path;
  }
  EXPECT_EQ(std::filesystem::read_symlink(root + "/runtime"), "runtime-blue/");
  EXPECT_TRUE(std::filesystem::is_directory(root + "/runtime-green"));
  auto company = Company::open(root);
  ASSERT_OK(company);
  EXPECT_EQ((*company)->settings().name, "Acme: \"x\"");
  EXPECT_EQ((*company)->settings().timezone, "Europe/Berlin");
  EXPECT_GT((*company)->settings().perDay->count, 0);
}

TEST(Company, InitRefusesWhatIsThere) {
  TempDirectory temp;
  spill(temp.path() + "/precious", "x");
  EXPECT_CODE(Company::init(temp.path(), "acme", "UTC"), ErrorCode::kExists);
  EXPECT_CODE(Company::init(temp.path() + "/a", "acme", "Moon/Base"), ErrorCode::kInvalidArgument);
  EXPECT_CODE(Company::init(temp.path() + "/a", " ", "UTC"), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(temp.path() + "/a"));
}

TEST(Company, OpenWantsCompanyYamlAndMakesTheRest) {
  TempDirectory temp;
  EXPECT_CODE(Company::open(temp.path()), ErrorCode::kNotFound);
  auto nowhere = Company::open(temp.path() + "/nowhere");
  EXPECT_CODE(nowhere, ErrorCode::kNotFound);
  EXPECT_EQ(nowhere.error().remedy, "`agentctl company init " + temp.path() + "/nowhere` makes a company");
  spill(temp.path() + "/company.yaml", "name: acme\nnmae: x\n");
  EXPECT_CODE(Company::open(temp.path()), ErrorCode::kConfig);
  spill(temp.path() + "/company.yaml", "name: acme\n");
  ASSERT_OK(Company::open(temp.path()));
  EXPECT_TRUE(std::filesystem::is_directory(temp.path() + "/agents/tasks/queued"));
}

TEST(Company, QuarantineKeepsBytesAndReasonAndNeverReplaces) {
  TempDirectory temp;
  ASSERT_OK(Company::init(temp.path() + "/acme", "acme", "UTC"));
  auto company = Company::open(temp.path() + "/acme").value();
  const std::string queued = company->tasksPath(TaskStatus::kQueued),
                    place = company->path() + "/operations/quarantine/";
  for (const char* bytes : {"first\xFF", "second"}) {
    spill(queued + "/task-2026-1120-001.md", bytes);
    ASSERT_OK(company->quarantine(company->tasksFd(TaskStatus::kQueued), "task-2026-1120-001.md",
                                  std::string("bad ") + bytes));
  }
  EXPECT_EQ(slurp(place + "task-2026-1120-001.md"), "first\xFF");
  EXPECT_EQ(slurp(place + "task-2026-1120-001.md.1"), "second");
  EXPECT_EQ(slurp(place + "task-2026-1120-001.md.1.reason"), "bad second\n");
  EXPECT_CODE(company->quarantine(company->tasksFd(TaskStatus::kQueued), "absent.md", "x"), ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(place + "absent.md.reason"));
}

TEST(Company, PathsStayInside) {
  TempDirectory temp;
  ASSERT_OK(Company::init(temp.path() + "/acme", "acme", "UTC"));
  auto company = Company::open(temp.path() + "/acme").value();
  EXPECT_CODE(company->directory("../outside"), ErrorCode::kPathEscapes);
  std::filesystem::create_directory_symlink(temp.path(), temp.path() + "/acme/agents/messages/trick");
  EXPECT_CODE(company->directory("agents/messages/trick/inbox"), ErrorCode::kPathEscapes);
}

}  // namespace
}  // namespace agentos::company
