// SPDX-License-Identifier: Apache-2.0
// contracts/corpus: contracts that load, and contracts that must not. A bad one says in its first lines what is found:
//   # expect: contract.type 5:3 compute.mem        (code, line:column, path or -)
#pragma once

#include <string>
#include <vector>

#include "base/yaml.h"

namespace agentos::contract {

struct CorpusFile {
  std::string name;  // "yaml-anchor"
  std::string path;
  std::string text;
  std::vector<std::string> expected;
};

std::vector<CorpusFile> goodCorpus();
std::vector<CorpusFile> badCorpus();

// A problem in the form of the expectations.
std::string shortForm(const YamlProblem& problem);

}  // namespace agentos::contract
