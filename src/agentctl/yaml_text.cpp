// SPDX-License-Identifier: Apache-2.0
#include "agentctl/output.h"
#include "base/yaml.h"

namespace agentos::agentctl {
namespace {

std::string scalarText(const Json& value) {
  if (value.is_string()) return quoteYaml(value.get_ref<const std::string&>());
  if (value.is_object()) return "{}";  // an empty one; others are blocks
  if (value.is_array()) return "[]";
  return dumpJson(value);
}

bool isBlock(const Json& value) { return value.is_structured() && !value.empty(); }

void appendBlock(const Json& value, std::size_t indent, bool firstInLine, std::string& out) {
  std::string space(indent, ' ');
  if (!isBlock(value)) {
    out += scalarText(value) + "\n";
    return;
  }
  for (const auto& item : value.items()) {
    if (!firstInLine) out += space;
    firstInLine = false;
    const bool isMap = value.is_object();
    out += isMap ? quoteYaml(item.key()) + ":" : std::string("-");
    if (!isBlock(item.value())) {
      out += " " + scalarText(item.value()) + "\n";
    } else if (isMap) {
      out += "\n";
      appendBlock(item.value(), indent + 2, false, out);
    } else {
      out += " ";
      appendBlock(item.value(), indent + 2, true, out);
    }
  }
}

}  // namespace

std::string toYaml(const Json& value) {
  std::string out;
  appendBlock(value, 0, false, out);
  return out;
}

}  // namespace agentos::agentctl
