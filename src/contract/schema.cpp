// SPDX-License-Identifier: Apache-2.0
#include "contract/schema.h"

#include <algorithm>

namespace agentos::contract {

const Field* findField(std::string_view path) {
  const auto found = std::ranges::find(fields(), path, &Field::path);
  return found == fields().end() ? nullptr : &*found;
}

std::string_view parentOf(std::string_view path) {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : path.substr(0, dot);
}

std::string_view keyOf(std::string_view path) { return path.substr(path.rfind('.') + 1); }

std::vector<const Field*> childrenOf(std::string_view parent) {
  std::vector<const Field*> children;
  for (const Field& field : fields()) {
    if (parentOf(field.path) == parent) children.push_back(&field);
  }
  return children;
}

}  // namespace agentos::contract
