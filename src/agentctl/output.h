// SPDX-License-Identifier: Apache-2.0
// What agentctl writes: data to stdout in the format that was asked for, messages to stderr. A reader of stdout that
// goes away (a pipe into head) ends the program quietly.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace agentos::agentctl {

enum class Format : std::uint8_t { kTable, kWide, kJson, kYaml, kName };

struct Column {
  std::string title;
  std::function<std::string(const Json&)> text;
  enum class Kind : std::uint8_t { kText, kNumber, kState, kWide } kind = Kind::kText;  // kWide: with -o wide only
};

class Output {
 public:
  Output(Format format, bool colour, bool quiet) : format_(format), colour_(colour), quiet_(quiet) {}

  Format format() const { return format_; }
  bool isTable() const { return format_ == Format::kTable || format_ == Format::kWide; }

  // Data, at once.
  void write(std::string_view bytes);
  void line(std::string_view text);
  void document(const Json& value);  // as JSON, or as YAML with -o yaml
  // One record a line, for streams: compact JSON, a YAML document, or `text`.
  void record(const Json& value, const std::string& text, const std::string& name);

  // A list: a table, or the items as a document, or the member `name` of each. `empty` is the message when there are
  // none.
  void list(const Json& items, const std::vector<Column>& columns, const std::string& name, const std::string& empty);
  // One thing: "key: value" lines from the same kind of columns, or the document, or its name.
  void thing(const Json& value, const std::vector<Column>& rows, const std::string& name);

  // For people; not with --quiet.
  void say(std::string_view text) const;
  static void sayAlways(std::string_view text);
  std::string coloured(const std::string& state) const;  // by what the word means: running, failed, …

 private:
  std::string table(const Json& items, const std::vector<const Column*>& columns) const;
  Format format_;
  bool colour_, quiet_;
};

std::string toYaml(const Json& value);
// "agentctl: …" on stderr.
void complain(std::string_view text);

}  // namespace agentos::agentctl
