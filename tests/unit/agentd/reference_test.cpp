// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/reference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <tuple>

#include "agentd/config/definitions.h"
#include "agentd/config/options.h"
#include "base/json.h"
#include "base/text.h"

namespace agentos::agentd {
namespace {

// All that a file can say. What the spawner reads itself is its own affair.
auto valuesOf(const Config& c) {
  return std::tuple(c.user, c.company, c.runtime, c.contracts, c.socketMode, c.socketGroup, c.adminGroup, c.logFormat,
                    c.logLevel, c.models.size(), c.prices.size(), c.policy.allowUnlimitedWithoutControllers,
                    c.policy.programs, c.policy.mounts, c.policy.egress, c.policy.egressPrivate, c.policy.secrets,
                    c.stopAgents, c.stopGrace, c.concurrentCycles, c.recordsKept, c.logRotateAt.count, c.logKeep,
                    c.startServices);
}

Config load(const std::string& text) {
  auto config = loadConfig(text, "agentd.yaml", "/etc/agentd");
  if (config) return *std::move(config);
  for (const auto& problem : config.error()) ADD_FAILURE() << problem.message();
  return {};
}

// Takes the `#` from before every key; prose has "# ".
std::string withEveryKeySaid(const std::string& file) {
  std::istringstream lines(file);
  std::string text, line;
  while (std::getline(lines, line)) {
    const auto hash = line.find_first_not_of(' ');
    if (hash != std::string::npos && line[hash] == '#' && hash + 1 < line.size() && line[hash + 1] != ' ')
      line.erase(hash, 1);
    text += line + "\n";
  }
  return text;
}

TEST(DefaultFile, SaysNothing) {
  const Config shipped = load(defaultConfigFile());
  EXPECT_EQ(valuesOf(shipped), valuesOf(load("")));
  EXPECT_FALSE(shipped.hasSpawnerPolicy);
}

TEST(DefaultFile, SaysTheDefaultsWhenEveryHashIsTakenAway) {
  const std::string said = withEveryKeySaid(defaultConfigFile());
  EXPECT_EQ(valuesOf(load(said)), valuesOf(load("")));
  EXPECT_TRUE(load(said).hasSpawnerPolicy) << "the lines with keys were not found:\n" << said;
}

TEST(DefaultFile, ExplainsEveryKeyOnItsOwnLine) {
  const std::string file = defaultConfigFile();
  for (const auto& one : definitions()) {
    const auto dot = one.key.find('.');
    const std::string line =
        dot == std::string::npos ? "\n#" + one.key + ": " : "\n  #" + one.key.substr(dot + 1) + ": ";
    EXPECT_NE(file.find(line), std::string::npos) << one.key;
    EXPECT_NE(file.find(one.doc.substr(0, one.doc.find(' '))), std::string::npos) << one.key;
  }
}

TEST(DefaultFile, RefusesWhatIsWrittenWrongInIt) {
  auto config = loadConfig(defaultConfigFile() + "\ncompanny: /srv/acme\n", "agentd.yaml", "/etc/agentd");
  ASSERT_FALSE(config.has_value());
  EXPECT_NE(config.error().front().message().find("did you mean \"company\""), std::string::npos);
}

TEST(DefaultFile, HasNoLongLines) {
  std::istringstream lines(defaultConfigFile());
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 140U) << line;
}

TEST(Manual, HasEveryKeyWithItsDefault) {
  const std::string manual = configManual();
  for (const auto& one : definitions()) {
    std::string key = one.key;
    for (auto at = key.find('_'); at != std::string::npos; at = key.find('_', at + 2)) key.insert(at, "\\");
    EXPECT_NE(manual.find("\n*" + key + "* ("), std::string::npos) << one.key;
  }
}

// A schema that says less than the reader is a trap for who trusts an editor: the two are held against each other.
TEST(Schema, KnowsWhatTheReaderKnows) {
  const auto schema = Json::parse(configSchema());
  EXPECT_EQ(schema["additionalProperties"], false);
  for (const auto& one : definitions()) {
    const Json* at = &schema;
    for (const auto part : split(one.key, '.')) {
      ASSERT_TRUE((*at)["properties"].contains(part)) << one.key;
      at = &(*at)["properties"][std::string(part)];
    }
    EXPECT_TRUE((*at)["description"].get<std::string>().starts_with(one.doc)) << one.key;
  }
  const auto& limits = schema["properties"]["limits"];
  EXPECT_EQ(limits["additionalProperties"], false);
  EXPECT_EQ(limits["properties"]["concurrent_cycles"]["minimum"], 1);
  EXPECT_EQ(limits["properties"]["concurrent_cycles"]["maximum"], 100000);
  EXPECT_EQ(schema["properties"]["stop"]["properties"]["agents"]["enum"], (Json{"stop", "keep"}));
  EXPECT_EQ(schema["properties"]["services"]["properties"]["start"]["type"], "boolean");
  EXPECT_EQ(schema["properties"]["contracts"]["items"]["type"], "string");
}

TEST(Reference, KnowsItsFormats) {
  EXPECT_EQ(configReferenceAs(""), configReference());
  EXPECT_EQ(configReferenceAs("markdown"), configReference());
  EXPECT_EQ(configReferenceAs("yaml"), defaultConfigFile());
  EXPECT_EQ(configReferenceAs("man"), configManual());
  EXPECT_EQ(configReferenceAs("schema"), configSchema());
  EXPECT_FALSE(configReferenceAs("html").has_value());
  const std::string keys = *configReferenceAs("keys");
  EXPECT_NE(keys.find("\nstop.grace\n"), std::string::npos);
  EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(keys, '\n')), definitions().size());
}

TEST(Reference, IsChosenByTheCommandLine) {
  const auto formatOf = [](std::vector<const char*> words) {
    words.insert(words.begin(), "agentd");
    auto options = parseOptions(static_cast<int>(words.size()), words.data());
    return options ? (options->act == Options::Act::kReference ? "=" + options->referenceFormat : "runs") : "refused";
  };
  EXPECT_EQ(formatOf({"--reference"}), "=");
  EXPECT_EQ(formatOf({"--reference=yaml"}), "=yaml");
  EXPECT_EQ(formatOf({"--reference", "man"}), "=man");
  EXPECT_EQ(formatOf({"--reference=html"}), "refused");
  EXPECT_EQ(formatOf({}), "runs");
}

}  // namespace
}  // namespace agentos::agentd
