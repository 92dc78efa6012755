// SPDX-License-Identifier: Apache-2.0
// YAML without its traps: our own tree over yaml-cpp's event parser, each node with its place. Refused, each with its
// place: anchors, aliases, tags, merge keys, duplicate keys, non-scalar keys, a second document, bad UTF-8, control
// characters, more than 1 MiB, more than 64 deep, more than 100,000 nodes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace agentos {

struct YamlMark {
  int line = 1;    // from 1
  int column = 1;  // from 1, in bytes
};

struct YamlNode {
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  struct Entry;
  Kind kind = Kind::kNull;
  YamlMark mark;
  std::string scalar;  // as written, unquoted
  bool plain = false;  // not quoted: only a plain scalar can be a number, a boolean or null
  std::vector<YamlNode> items;
  std::vector<Entry> entries;  // in the order of the file

  const YamlNode* find(std::string_view key) const;  // null when absent or not a map
  std::optional<bool> asBool() const;                // plain true or false (and nothing else)
  std::optional<std::int64_t> asInt() const;         // plain decimal digits with an optional minus; no leading zero
};
struct YamlNode::Entry {
  std::string key;
  YamlMark mark;
  YamlNode value;
};

// An error with its place; `message()` is "file:line:column: path: what; remedy".
struct YamlProblem {
  std::string file;
  YamlMark mark;
  std::string path;  // "compute.mem"; empty for the document
  ErrorCode code = ErrorCode::kSyntax;
  std::string what;
  std::string remedy;
  std::string message() const;
};

// The document, or every problem found (syntax stops at the first).
std::expected<YamlNode, std::vector<YamlProblem>> parseYaml(std::string_view text, std::string file);

// A scalar written so that parseYaml reads the same text back: plain where that is safe, else double-quoted.
std::string quoteYaml(std::string_view text);

}  // namespace agentos
