// SPDX-License-Identifier: Apache-2.0
// Reading JSON that an agent or an endpoint sent: nothing here throws, and what has the wrong type is absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace agentos::models {

// The member, or null when `object` is no object or has none; JSON null counts as none.
inline const Json* member(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

inline std::string textAt(const Json& object, std::string_view key) {
  const Json* value = member(object, key);
  return value && value->is_string() ? value->get<std::string>() : std::string();
}

inline std::optional<std::int64_t> intAt(const Json& object, std::string_view key) {
  const Json* value = member(object, key);
  if (!value || !value->is_number_integer()) return std::nullopt;
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX) return INT64_MAX;
  return value->get<std::int64_t>();
}

inline bool trueAt(const Json& object, std::string_view key) {
  const Json* value = member(object, key);
  return value && value->is_boolean() && value->get<bool>();
}

// The text of a message: its content when that is a string, else its text parts, one after the other.
std::string contentText(const Json& message);

}  // namespace agentos::models
