// SPDX-License-Identifier: Apache-2.0
// What must hold between the fields of a contract. Each rule is one function, so that each has its test.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/yaml.h"
#include "contract/contract.h"

namespace agentos::contract {

// A contract as read so far: fields with complaints still have their defaults.
struct Reading {
  Contract contract;
  std::map<std::string, YamlMark> places;  // of every key that is written, "workspace.mounts[2].target" too
  std::set<std::string> broken;            // paths that have complaints: rules do not judge them
};

using Report = std::function<void(const std::string& path, ErrorCode code, std::string what, std::string remedy)>;

void checkRules(const Reading& reading, const Report& report);

}  // namespace agentos::contract
