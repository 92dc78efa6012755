// SPDX-License-Identifier: Apache-2.0
// A record of the company: YAML front matter between two lines "---", then Markdown. Read so that it can be written
// again with nothing changed but the keys that we mean: order, comments, unknown keys, line ends and the body stay as
// they are.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/yaml.h"

namespace agentos::company {

// Files and their directories belong to the group: umask 0007 makes them 0660 and 2770.
inline constexpr std::size_t kMaxRecordBytes = std::size_t{2} << 20;

class FrontMatter {
 public:
  // kTaskMalformed with file:line:column in `what`. A byte order mark and CR LF are read, and kept on rewriting.
  static Result<FrontMatter> parse(std::string_view text, const std::string& file);

  const YamlNode& root() const { return root_; }
  std::string_view body() const { return body_; }

  // One key as it is to be: its whole YAML ("title: words\n", possibly several lines), or none to remove the key.
  struct Change {
    std::string key;
    std::optional<std::string> yaml;
  };
  // The file with these keys replaced where they stand, new ones after the last; everything else byte for byte.
  std::string rewritten(const std::vector<Change>& changes) const;

 private:
  struct Entry {
    std::string key;
    std::size_t begin = 0, end = 0;  // lines_[begin, end)
  };
  Result<void> findEntries(const std::string& file);

  std::string_view opening_, closing_, body_;  // with byte order mark and line ends, as they stand
  std::vector<std::string_view> lines_;        // of the YAML, with their line ends
  std::vector<Entry> entries_;
  std::string indent_, lineEnd_;
  YamlNode root_;
};

// Reads the fields of a record; the first complaint is kept, with its place.
class FieldReader {
 public:
  FieldReader(const YamlNode& root, std::string file) : root_(root), file_(std::move(file)) {}

  std::string text(std::string_view key);
  std::vector<std::string> list(std::string_view key);  // one word is a list of one
  std::int64_t integer(std::string_view key, std::int64_t absent, std::int64_t low, std::int64_t high);
  bool flag(std::string_view key, bool absent);
  std::optional<Timestamp> time(std::string_view key);
  void refuse(std::string_view key, const YamlMark& mark, const std::string& what, const std::string& remedy);
  const YamlNode* find(std::string_view key) const;  // null for an absent key and for a null value
  Result<void> done() const;

 private:
  const YamlNode& root_;
  std::string file_;
  std::optional<Error> problem_;
};

// "key: value\n" and the like, as rewritten() takes them.
std::string yamlText(std::string_view key, std::string_view value);
std::string yamlNumber(std::string_view key, std::int64_t value);
std::string yamlList(std::string_view key, const std::vector<std::string>& items);

// At most `limit` bytes of it, ending at a whole character, with the number of bytes that were cut.
std::string clipped(std::string_view text, std::size_t limit);

}  // namespace agentos::company
