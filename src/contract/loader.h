// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/yaml.h"
#include "contract/contract.h"

namespace agentos::contract {

// A contract from its text, or every problem of the file at once. `file` is what messages call it. Pure.
std::expected<Contract, std::vector<YamlProblem>> loadContract(std::string_view text, const std::string& file);

// The same from disk: at most 1 MiB; a file that cannot be read is one problem.
std::expected<Contract, std::vector<YamlProblem>> loadContractFile(const std::string& path);

// The contract with every default filled in, for `contract show -o json` and records: durations and sizes as text.
Json toJson(const Contract& contract);

// The JSON Schema (draft 2020-12) of the file format, from the same table that the loader reads by.
Json contractSchema();

}  // namespace agentos::contract
