// SPDX-License-Identifier: Apache-2.0
#include "company/front_matter.h"

#include <algorithm>

#include "base/text.h"

namespace agentos::company {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kNoteRoom = 48;  // for the note that says how much was cut

std::unexpected<Error> malformed(const std::string& file, YamlMark mark, const std::string& what,
                                 const std::string& remedy) {
  const std::string place = file + ":" + std::to_string(mark.line) + ":" + std::to_string(mark.column);
  return fail(ErrorCode::kTaskMalformed, place + ": " + what, remedy);
}

// The first line of `rest`, with its line end, taken off.
std::string_view takeLine(std::string_view& rest) {
  const auto newline = rest.find('\n');
  const auto line = rest.substr(0, newline == std::string_view::npos ? rest.size() : newline + 1);
  rest.remove_prefix(line.size());
  return line;
}

std::string_view withoutTrail(std::string_view line) {
  const auto last = line.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view{} : line.substr(0, last + 1);
}

bool isFence(std::string_view line) { return withoutTrail(line) == "---"; }

// Only such a line belongs to no value, whatever stands before it.
bool isCommentOrBlank(std::string_view line) {
  const auto bare = withoutTrail(line);
  return bare.empty() || bare.front() == '#';
}

std::string joined(const std::vector<std::string_view>& lines) {
  std::string text;
  for (const auto line : lines) text += line;
  return text;
}

// Lines of ours in the indentation and the line ends of the file.
std::string fitted(std::string_view yaml, const std::string& indent, const std::string& lineEnd) {
  std::string text;
  while (!yaml.empty()) text += indent + std::string(withoutTrail(takeLine(yaml))) + lineEnd;
  return text;
}

bool isPlainWord(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '/';
  });
}

}  // namespace

Result<FrontMatter> FrontMatter::parse(std::string_view text, const std::string& file) {
  FrontMatter record;
  std::string_view rest = text;
  const std::size_t mark = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  rest.remove_prefix(mark);
  const auto first = takeLine(rest);
  if (!isFence(first)) {
    return malformed(file, {1, 1}, text.empty() ? "the file is empty" : "no front matter",
                     "begin the file with a line ---, YAML, and another line ---");
  }
  record.opening_ = text.substr(0, mark + first.size());
  record.lineEnd_ = first.ends_with("\r\n") ? "\r\n" : "\n";
  for (;;) {
    if (rest.empty()) return malformed(file, {1, 1}, "the front matter has no end", "a line --- after the YAML");
    const auto line = takeLine(rest);
    if (isFence(line)) {
      record.closing_ = line;
      break;
    }
    record.lines_.push_back(line);
  }
  record.body_ = rest;
  auto root = parseYaml(joined(record.lines_), file);
  if (!root) {
    YamlProblem problem = root.error().front();
    problem.mark.line += 1;  // the opening line
    const std::string where = problem.path.empty() ? "" : problem.path + ": ";
    return malformed(file, problem.mark, where + problem.what, problem.remedy);
  }
  record.root_ = *std::move(root);
  if (record.root_.kind != YamlNode::Kind::kMap) {
    return malformed(file, {2, 1}, "the front matter is no list of keys", "lines such as `title: words`");
  }
  AGENTOS_CHECK(record.findEntries(file));
  return record;
}

// Where each key's lines are. A key that shares its line with another ({a: 1, b: 2}) could not be rewritten alone.
Result<void> FrontMatter::findEntries(const std::string& file) {
  for (const auto& entry : root_.entries) {
    const auto begin = static_cast<std::size_t>(entry.mark.line) - 1;
    const auto before = begin < lines_.size() ? lines_[begin].substr(0, static_cast<std::size_t>(entry.mark.column) - 1)
                                              : std::string_view("?");
    if (before.find_first_not_of(' ') != std::string_view::npos) {
      return malformed(file, {entry.mark.line + 1, entry.mark.column},
                       "the key \"" + entry.key + "\" does not begin its line", "one key a line");
    }
    if (entries_.empty()) indent_ = before;
    if (!entries_.empty()) entries_.back().end = begin;
    entries_.push_back({entry.key, begin, lines_.size()});
  }
  return {};
}

std::string FrontMatter::rewritten(const std::vector<Change>& changes) const {
  std::string text(opening_);
  auto changeOf = [&](const std::string& key) { return std::ranges::find(changes, key, &Change::key); };
  const std::size_t firstEntry = entries_.empty() ? lines_.size() : entries_.front().begin;
  for (std::size_t i = 0; i < firstEntry; ++i) text += lines_[i];
  for (const Entry& entry : entries_) {
    const auto change = changeOf(entry.key);
    std::size_t end = entry.end;
    if (change != changes.end()) {
      while (end > entry.begin + 1 && isCommentOrBlank(lines_[end - 1])) --end;
      if (change->yaml) text += fitted(*change->yaml, indent_, lineEnd_);
      for (std::size_t i = end; i < entry.end; ++i) text += lines_[i];
    } else {
      for (std::size_t i = entry.begin; i < entry.end; ++i) text += lines_[i];
    }
  }
  for (const Change& change : changes) {
    if (change.yaml && std::ranges::find(entries_, change.key, &Entry::key) == entries_.end()) {
      text += fitted(*change.yaml, indent_, lineEnd_);
    }
  }
  text += closing_;
  text += body_;
  return text;
}

const YamlNode* FieldReader::find(std::string_view key) const {
  const YamlNode* node = root_.find(key);
  return node == nullptr || node->kind == YamlNode::Kind::kNull ? nullptr : node;
}

void FieldReader::refuse(std::string_view key, const YamlMark& mark, const std::string& what,
                         const std::string& remedy) {
  if (problem_) return;
  problem_ = malformed(file_, {mark.line + 1, mark.column}, std::string(key) + ": " + what, remedy).error();
}

std::string FieldReader::text(std::string_view key) {
  const YamlNode* node = find(key);
  if (node == nullptr) return {};
  if (node->kind == YamlNode::Kind::kScalar) return node->scalar;
  refuse(key, node->mark, "a list or a map", "one text");
  return {};
}

std::vector<std::string> FieldReader::list(std::string_view key) {
  const YamlNode* node = find(key);
  if (node == nullptr) return {};
  if (node->kind == YamlNode::Kind::kScalar) {
    return node->scalar.empty() ? std::vector<std::string>{} : std::vector{node->scalar};
  }
  std::vector<std::string> items;
  for (const YamlNode& item : node->items) {
    if (item.kind != YamlNode::Kind::kScalar) refuse(key, item.mark, "an entry that is no text", "a list of texts");
    items.push_back(item.scalar);
  }
  if (node->kind == YamlNode::Kind::kMap) refuse(key, node->mark, "a map", "a list of texts, such as [a, b]");
  return items;
}

std::int64_t FieldReader::integer(std::string_view key, std::int64_t absent, std::int64_t low, std::int64_t high) {
  const YamlNode* node = find(key);
  if (node == nullptr) return absent;
  const auto value = node->asInt();
  if (value && *value >= low && *value <= high) return *value;
  refuse(key, node->mark, "'" + node->scalar + "' is no number that fits",
         "a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ", without quotes");
  return absent;
}

bool FieldReader::flag(std::string_view key, bool absent) {
  const YamlNode* node = find(key);
  if (node == nullptr) return absent;
  const auto value = node->asBool();
  if (!value) refuse(key, node->mark, "'" + node->scalar + "' is neither true nor false", "true or false");
  return value.value_or(absent);
}

// As people and other tools write them: a date alone, or with a space where RFC 3339 has a T.
std::optional<Timestamp> FieldReader::time(std::string_view key) {
  const YamlNode* node = find(key);
  if (node == nullptr || node->scalar.empty()) return std::nullopt;
  std::string text = node->scalar;
  if (text.size() == 10) text += "T00:00:00Z";
  if (text.size() > 10 && text[10] == ' ') text[10] = 'T';
  const auto time = parseTimestamp(text);
  if (time) return *time;
  refuse(key, node->mark, "'" + node->scalar + "' is no time", "RFC 3339, such as 2026-11-20T14:03:07Z");
  return std::nullopt;
}

Result<void> FieldReader::done() const {
  if (problem_) return std::unexpected(*problem_);
  return {};
}

std::string yamlText(std::string_view key, std::string_view value) {
  return std::string(key) + ": " + quoteYaml(value) + "\n";
}

std::string yamlNumber(std::string_view key, std::int64_t value) {
  return std::string(key) + ": " + std::to_string(value) + "\n";
}

std::string yamlList(std::string_view key, const std::vector<std::string>& items) {
  std::string text = std::string(key) + ":";
  if (items.empty()) return text + " []\n";
  if (!std::ranges::all_of(items, isPlainWord)) {
    text += "\n";
    for (const std::string& item : items) text += "  - " + quoteYaml(item) + "\n";
    return text;
  }
  text += " [";
  for (std::size_t i = 0; i < items.size(); ++i) text += (i == 0 ? "" : ", ") + quoteYaml(items[i]);
  return text + "]\n";
}

std::string clipped(std::string_view text, std::size_t limit) {
  if (text.size() <= limit + kNoteRoom) return std::string(text);  // a clipped text is not clipped again
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + " … (" + std::to_string(text.size() - end) + " bytes cut)";
}

}  // namespace agentos::company
