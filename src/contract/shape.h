// SPDX-License-Identifier: Apache-2.0
// What a value in a contract may be: its kind and its bounds. The loader, the JSON Schema and docs/contract.md read the
// same shapes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml.h"
#include "contract/text_rules.h"

namespace agentos::contract {

enum class Kind : std::uint8_t {
  kMap,          // a map with the keys of the table
  kMapList,      // a list of such maps
  kMixedList,    // a list of texts that fit `rule`, each short for a map, and of such maps
  kText,         // a text that fits `rule`; a plain number or boolean is none
  kWord,         // one of `words`
  kInteger,      // a plain whole number in [min, max]
  kBoolean,      // plain true or false
  kSize,         // "4GiB", in [min, max] bytes; quoted or plain
  kCpu,          // "2", "0.5", "250m", in [min, max] thousandths
  kDuration,     // "15m", in [min, max] nanoseconds
  kMoney,        // 2.00, in [min, max] micro-dollars
  kTexts,        // a list of at most `max` different texts that fit `rule`
  kWords,        // a list of different `words`
  kArguments,    // argv: a list of at most `max` texts or numbers, taken as written
  kEnvironment,  // a map of at most `max` variables to texts, numbers or booleans, taken as written
};

struct Shape {
  Kind kind = Kind::kMap;
  std::int64_t min = 0, max = 0;
  const TextRule* rule = nullptr;
  std::vector<std::string_view> words;
};

inline constexpr std::int64_t kMaxListItems = 256;
inline constexpr std::size_t kMaxArgument = 32768;  // characters of one argument or variable

struct Complaint {
  YamlMark mark;
  std::string at;  // below the value: "[2]", ".LANG", or empty
  ErrorCode code;
  std::string what, remedy;
};

// Everything that is wrong with the value, apart from the keys of maps, which are the loader's.
std::vector<Complaint> complaintsOf(const Shape& shape, const YamlNode& node);

// What would be right: "a size from 1MiB, such as 4GiB (2^30) or 4GB (10^9)".
std::string describe(const Shape& shape);

// The type that a scalar has in YAML 1.2's core schema, which is what editors check by.
enum class ScalarType : std::uint8_t { kNull, kBoolean, kInteger, kNumber, kText };
ScalarType typeOf(const YamlNode& scalar);

// A bound or a default in the unit of the kind: "1MiB", "30m", "512".
std::string showAmount(Kind kind, std::int64_t amount);

// At most 80 bytes of it, quoted.
std::string quoted(std::string_view text);

}  // namespace agentos::contract
