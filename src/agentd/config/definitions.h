// SPDX-License-Identifier: Apache-2.0
// The one table of agentd.yaml's keys: what reads the file, gives the defaults, suggests near misses and prints the
// reference (`agentd --reference`, docs/operations.md).
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agentd/config/config.h"

namespace agentos::agentd {

struct ConfigReader {
  std::string directory;  // relative paths start here
  std::string file;
  std::vector<YamlProblem>& problems;
  void complain(const YamlNode& node, const std::string& path, ErrorCode code, std::string what, std::string remedy);
};

struct Definition {
  std::string key;       // "stop.grace"
  std::string type;      // "duration"
  std::string range;     // "0s … 1h"; empty: any
  std::string fallback;  // YAML, as one would write it
  std::string doc;
  std::function<void(Config&, const YamlNode&, const std::string& path, ConfigReader&)> read;
};
std::span<const Definition> definitions();

// Markdown, one row a key.
std::string configReference();

}  // namespace agentos::agentd
