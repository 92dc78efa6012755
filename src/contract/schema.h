// SPDX-License-Identifier: Apache-2.0
// The one table of the contract's fields. The loader reads by it, contractSchema() publishes it, docs/contract.md
// prints it, "did you mean" searches it: a field is added here and nowhere else.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "contract/contract.h"
#include "contract/shape.h"

namespace agentos::contract {

struct Field {
  std::string_view path;  // "compute.mem", "workspace.mounts[].source"
  Shape shape;
  std::string_view doc;
  bool required = false;
  // Puts a value that has no complaints into the contract. A list of maps is told of each item before its keys are
  // read.
  void (*set)(Contract& contract, const YamlNode& node) = nullptr;
  // The value as the file would say it; null when it has none. The default is this of a Contract{}.
  Json (*get)(const Contract& contract) = nullptr;
};

// In the order of docs/contract.md; a map stands before its keys.
std::span<const Field> fields();

const Field* findField(std::string_view path);
std::string_view parentOf(std::string_view path);  // "compute.mem" → "compute"; "" for the top
std::string_view keyOf(std::string_view path);     // "compute.mem" → "mem"
std::vector<const Field*> childrenOf(std::string_view parent);

// docs/contract.md's table of fields, in Markdown.
std::string contractReference();

}  // namespace agentos::contract
