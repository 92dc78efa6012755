// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/config.h"

#include <gtest/gtest.h>

#include <fstream>

#include "../base/scratch_directory.h"
#include "agentd/config/definitions.h"
#include "agentd/config/options.h"

namespace agentos::agentd {
namespace {

std::vector<std::string> problemsOf(const std::string& text) {
  auto config = loadConfig(text, "agentd.yaml", "/etc/agentd");
  std::vector<std::string> lines;
  if (!config) {
    for (const auto& problem : config.error()) lines.push_back(problem.message());
  }
  return lines;
}

TEST(Config, EmptyIsTheDefaults) {
  auto config = loadConfig("", "agentd.yaml", "/etc/agentd");
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->user, "agentd");
  EXPECT_EQ(config->socketMode, 0660);
  EXPECT_EQ(config->concurrentCycles, 8);
  EXPECT_EQ(config->recordsKept, 200);
  EXPECT_EQ(config->stopAgents, StopAgents::kStop);
  EXPECT_EQ(config->stopGrace, std::chrono::seconds(10));
  EXPECT_FALSE(config->policy.allowUnlimitedWithoutControllers);
  EXPECT_FALSE(config->hasSpawnerPolicy);
}

TEST(Config, EverythingIsRead) {
  auto config = loadConfig(R"(user: nobody
company: acme
contracts: [one, /two]
socket: { mode: "0600", group: staff }
log: { format: json, level: debug }
models:
  - { driver: scripted, script: model.yaml }
  - { driver: openai, base_url: "http://127.0.0.1:8000/v1", key_file: key, models: ["local/a=a-7b"] }
prices:
  "local/*": { input: 0.10, output: 0.40 }
policy: { allow_unlimited_without_controllers: true, programs: ["/opt/*"] }
stop: { agents: keep, grace: 1m }
limits: { concurrent_cycles: 3 }
spawner: { uid_first: 1 }
)",
                           "agentd.yaml", "/etc/agentd");
  ASSERT_TRUE(config.has_value()) << config.error().front().message();
  EXPECT_EQ(config->company, "/etc/agentd/acme");
  EXPECT_EQ(config->contracts, (std::vector<std::string>{"/etc/agentd/one", "/two"}));
  EXPECT_EQ(config->socketMode, 0600);
  EXPECT_EQ(config->logFormat, LogFormat::kJson);
  EXPECT_EQ(config->logLevel, "debug");
  ASSERT_EQ(config->models.size(), 2U);
  EXPECT_EQ(config->models[0].script, "/etc/agentd/model.yaml");
  EXPECT_EQ(config->models[1].keyFile, "/etc/agentd/key");
  ASSERT_EQ(config->prices.size(), 1U);
  EXPECT_EQ(config->prices[0].price.inputPerMillion.count, 100'000);
  EXPECT_EQ(config->prices[0].price.cachedInputPerMillion.count, 100'000) << "as input when it is not written";
  EXPECT_EQ(config->stopAgents, StopAgents::kKeep);
  EXPECT_EQ(config->stopGrace, std::chrono::minutes(1));
  EXPECT_EQ(config->concurrentCycles, 3);
  EXPECT_TRUE(config->hasSpawnerPolicy);
}

TEST(Config, EveryProblemAtOnceEachWithItsPlaceAndWhatWouldBeRight) {
  const auto lines = problemsOf(
      "usr: x\nlimits:\n  concurrent_cycles: 0\n  records_kept: \"5\"\nstop: { agents: maybe }\nlog: text\n");
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[0], "agentd.yaml:1:1: usr: unknown key; did you mean \"user\"?");
  EXPECT_EQ(lines[1].find("agentd.yaml:3:22: limits.concurrent_cycles: \"0\""), 0U) << lines[1];
  EXPECT_NE(lines[1].find("1 … 100000"), std::string::npos);
  EXPECT_EQ(lines[2].find("agentd.yaml:4:17: limits.records_kept: \"5\""), 0U) << "a quoted number is a text";
  EXPECT_NE(lines[3].find("stop, keep"), std::string::npos);
  EXPECT_NE(lines[4].find("must be a map"), std::string::npos);
}

TEST(Config, BadValuesAreRefused) {
  for (const char* text :
       {"socket: { mode: \"0666\" }", "socket: { mode: 660 }", "stop: { grace: 10 }", "stop: { grace: -1s }",
        "models: [ { driver: magic } ]", "models: [ { driver: scripted } ]",
        "models: [ { driver: openai, base_url: \"http://x\" } ]",
        "models: [ { driver: scripted, script: x, extra: 1 } ]", "models: {}", "prices: { \"a\": { input: cheap } }",
        "prices: { \"a\": { inptu: 1 } }", "policy: { programs: /bin/* }", "services: { start: 'yes' }", "user: [a]",
        "- a", "a: &x 1", "user: a\nuser: b", "user: a\n---\nuser: b"}) {
    EXPECT_FALSE(problemsOf(text).empty()) << text;
  }
}

TEST(Config, TheReferenceHasEveryKeyAndEveryDefaultIsValid) {
  const std::string reference = configReference();
  for (const auto& one : definitions()) {
    EXPECT_NE(reference.find("`" + one.key + "`"), std::string::npos);
    EXPECT_FALSE(one.doc.empty()) << one.key;
  }
}

TEST(Config, TheDocumentPrintsTheTableAsItIs) {
  auto page = readPath(std::string(AGENTOS_SOURCE_DIR) + "/docs/operations.md");
  ASSERT_TRUE(page);
  EXPECT_NE(page->find(configReference()), std::string::npos)
      << "docs/operations.md ends with what `agentd --reference` prints";
}

TEST(Options, TheCommandLineWinsOverTheFile) {
  test::ScratchDirectory directory;
  std::filesystem::create_directories(directory.path() + "/etc/agentd");
  std::ofstream(directory.path() + "/etc/agentd/agentd.yaml") << "user: somebody\ncompany: /from/file\n";
  const std::vector<const char*> words = {"agentd",      "--prefix",    directory.path().c_str(),
                                          "--company",   "/from/line",  "--user",
                                          "nobody",      "--contracts", "/a",
                                          "--contracts", "/b"};
  auto options = parseOptions(static_cast<int>(words.size()), words.data());
  ASSERT_TRUE(options) << options.error().message();
  auto config = configFor(*options);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->user, "nobody");
  EXPECT_EQ(config->company, "/from/line");
  EXPECT_EQ(config->contracts, (std::vector<std::string>{"/a", "/b"}));
  EXPECT_EQ(config->paths.socket(), directory.path() + "/run/agentd/agentd.sock");
}

TEST(Options, APrefixWorksWithNoFileAtAll) {
  const char* words[] = {"agentd", "--prefix", "/nonexistent/x", "--company", "acme"};
  auto config = configFor(*parseOptions(5, words));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->contracts, std::vector<std::string>{"/nonexistent/x/etc/agents"});
  EXPECT_EQ(config->company.front(), '/');
}

TEST(Options, AFileThatWasNamedMustBeThere) {
  const char* words[] = {"agentd", "--config", "/nonexistent.yaml"};
  auto config = configFor(*parseOptions(3, words));
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message().find("/nonexistent.yaml"), std::string::npos);
}

TEST(Options, AnUnknownFlagIsRefused) {
  const char* words[] = {"agentd", "--compnay", "x"};
  EXPECT_EQ(parseOptions(3, words).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace agentos::agentd
