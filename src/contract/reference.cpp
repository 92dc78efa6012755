// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "contract/schema.h"

namespace agentos::contract {
namespace {

// A bar would end the cell.
std::string cell(std::string text) {
  for (auto at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) text.insert(at, 1, '\\');
  return text;
}

std::string fallbackOf(const Field& field) {
  if (field.required) return "required";
  const Json value = field.get == nullptr ? Json() : field.get(Contract{});
  if (value.is_null()) return "";
  return "`" + (value.is_string() ? value.get<std::string>() : dumpJson(value)) + "`";
}

}  // namespace

std::string contractReference() {
  std::string table = "| field | what it may be | default | meaning |\n|---|---|---|---|\n";
  for (const Field& field : fields()) {
    table += "| `" + std::string(field.path) + "` | " + cell(describe(field.shape)) + " | " + cell(fallbackOf(field)) +
             " | " + cell(std::string(field.doc)) + " |\n";
  }
  return table;
}

}  // namespace agentos::contract
