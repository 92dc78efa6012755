// SPDX-License-Identifier: Apache-2.0
// agentd.yaml, as read: values only. definitions.h is the one table of its keys, with types, ranges, defaults and
// words.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/config/paths.h"
#include "base/clock.h"
#include "base/units.h"
#include "base/yaml.h"
#include "models/ledger.h"

namespace agentos::agentd {

// One source of models.
struct ModelSource {
  std::string driver;            // "scripted" or "openai"
  std::string script;            // scripted: its YAML file
  std::string baseUrl, keyFile;  // openai: the endpoint, and the file that holds its key
  std::vector<std::string>
      models;  // names as contracts write them; "name=upstream-name" when the endpoint calls it otherwise
  bool operator==(const ModelSource&) const = default;
};

struct PriceRule {
  std::string model;  // a pattern: "local/*"
  models::Price price;
  bool operator==(const PriceRule&) const = default;
};

enum class LogFormat : std::uint8_t { kAuto, kText, kJson, kJournal };
enum class StopAgents : std::uint8_t { kStop, kKeep };

struct PolicyConfig {
  bool allowUnlimitedWithoutControllers = false;
  std::int64_t overcommitCpu = 1000, overcommitMem = 100;  // percent of the machine that contracts may demand together
  std::vector<std::string> programs, mounts, egress, secrets;  // what a company's contract may grant
  std::vector<std::string> egressPrivate;  // ranges that any contract's rule may name: private, loopback, link-local
};

struct Config {
  std::string user, company, runtime;
  std::vector<std::string> contracts;
  std::int64_t socketMode = 0660;
  std::string socketGroup, adminGroup;
  LogFormat logFormat = LogFormat::kAuto;
  std::string logLevel;
  std::vector<ModelSource> models;
  std::vector<PriceRule> prices;
  PolicyConfig policy;
  StopAgents stopAgents = StopAgents::kStop;
  Nanoseconds stopGrace{0};
  std::int64_t modelCalls = 64;
  std::int64_t concurrentCycles = 0, recordsKept = 0;
  Bytes logRotateAt;
  std::int64_t logKeep = 0;
  bool startServices = true;
  bool preempt = true;
  Nanoseconds preemptMemory{0}, preemptCpu{0}, preemptCalm{0}, preemptLongest{0};

  bool hasSpawnerPolicy = false;  // the file has a section `spawner`, which the spawner reads itself
  std::string file;               // where it was read
  Paths paths;                    // from the command line
};

// The configuration that the text says, every absent key at its default, or every problem of the file at once. Relative
// paths in it are relative to `directory`. Pure.
std::expected<Config, std::vector<YamlProblem>> loadConfig(std::string_view text, const std::string& file,
                                                           const std::string& directory);
// The same from disk; a file that is not there gives the defaults when `mustExist` is false.
std::expected<Config, std::vector<YamlProblem>> loadConfigFile(const std::string& path, bool mustExist);

}  // namespace agentos::agentd
