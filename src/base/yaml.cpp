// SPDX-License-Identifier: Apache-2.0
#include "base/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <unordered_map>

#include "base/text.h"

namespace agentos {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxNodes = 100'000;
constexpr std::size_t kMaxKey = 1024;  // bytes; what YAML itself allows but for "? " keys
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kMaxProblems = 100;  // beyond, a hostile file only makes us write

// Thrown out of the event handler to leave yaml-cpp at once; the problem is recorded already.
struct Stop {};

YamlMark markOf(const YAML::Mark& mark) { return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1}; }

// Of the character that begins at `at`; 0 when no character does.
std::size_t utf8Length(std::string_view text, std::size_t at) {
  for (std::size_t length = 1; length <= 4 && at + length <= text.size(); ++length) {
    if (isValidUtf8(text.substr(at, length))) return length;
  }
  return 0;
}

std::size_t firstBadUtf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = utf8Length(text, at);
    if (length == 0) return at;
    at += length;
  }
  return at;
}

// yaml-cpp 0.7 decodes the escapes \N (U+0085) and \_ (U+00A0) to one bare byte, which no UTF-8 text has.
std::string withWholeEscapes(std::string value) {
  if (isValidUtf8(value)) return value;
  std::string whole;
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t length = utf8Length(value, at);
    if (length == 0) whole += '\xC2';
    whole.append(value, at, std::max<std::size_t>(length, 1));
    at += std::max<std::size_t>(length, 1);
  }
  return whole;
}

// Builds our tree from yaml-cpp's events, and refuses what a careful reader must (style.md, "measured traps").
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (std::exchange(begun_, true)) {
      const bool announced = at(mark).starts_with("---");
      problem(markOf(mark), announced ? ErrorCode::kYamlForbidden : ErrorCode::kSyntax,
              announced ? "a second document begins here" : "text after the end of the document",
              "one document a file, and nothing after it");
      throw Stop{};
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    refuseProperties(mark, "?");
    YamlNode node = makeNode(YamlNode::Kind::kNull, nullMark(mark));
    node.plain = true;
    if (expectsKey()) {
      problem(node.mark, ErrorCode::kYamlForbidden, "an empty or null key", "write the key, or quote it");
    }
    place(std::move(node));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    problem(markOf(mark), ErrorCode::kYamlForbidden, "an alias (*) is not allowed",
            "write the value out where it is used");
    YamlNode node = makeNode(YamlNode::Kind::kScalar, markOf(mark));
    place(std::move(node));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
    refuseProperties(mark, tag);
    YamlNode node = makeNode(YamlNode::Kind::kScalar, markOf(mark));
    node.plain = tag == "?";
    if (!node.plain && !isClosed(at(mark))) {
      problem(node.mark, ErrorCode::kSyntax, "a quote that is never closed", "close it");
    }
    if (value.contains('\0')) problem(node.mark, ErrorCode::kSyntax, "a NUL character in a text", "remove the \\0");
    if (expectsKey() && node.plain && value == "<<") {
      problem(node.mark, ErrorCode::kYamlForbidden, "a merge key (<<) is not allowed", "write the keys out");
    }
    node.scalar = withWholeEscapes(value);
    place(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kList, mark, tag);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kMap, mark, tag);
  }
  void OnMapEnd() override { close(); }

  void problem(YamlMark mark, ErrorCode code, std::string what, std::string remedy) {
    problems_.push_back({file_, mark, path(), code, std::move(what), std::move(remedy)});
    if (problems_.size() >= kMaxProblems) throw Stop{};
  }

  YamlNode takeRoot() { return std::move(root_); }
  std::vector<YamlProblem> takeProblems() { return std::move(problems_); }
  bool failed() const { return !problems_.empty(); }

 private:
  struct Frame {
    YamlNode node;
    std::optional<YamlNode> key;                // of a map, read and waiting for its value
    std::unordered_map<std::string, int> seen;  // keys and their lines
  };

  std::string_view at(const YAML::Mark& mark) const {
    const auto pos = static_cast<std::size_t>(std::max(mark.pos, 0));
    return pos < text_.size() ? text_.substr(pos) : std::string_view{};
  }

  // yaml-cpp 0.7 takes the end of the file for the end of a quoted scalar: a file that was cut off would load.
  static bool isClosed(std::string_view scalar) {
    if (!scalar.starts_with('"') && !scalar.starts_with('\'')) return true;  // a block scalar
    const char quote = scalar.front();
    for (std::size_t i = 1; i < scalar.size(); ++i) {
      const bool doubled = quote == '\'' && i + 1 < scalar.size() && scalar[i] == quote && scalar[i + 1] == quote;
      if (doubled || (quote == '"' && scalar[i] == '\\')) {
        ++i;
      } else if (scalar[i] == quote) {
        return true;
      }
    }
    return false;
  }

  bool expectsKey() const {
    return !stack_.empty() && stack_.back().node.kind == YamlNode::Kind::kMap && !stack_.back().key;
  }

  // A value that is not written has no place of its own: it is reported at its key, or at its list's dash.
  YamlMark nullMark(const YAML::Mark& mark) const {
    const auto rest = at(mark);
    const bool written =
        rest.starts_with('~') || rest.starts_with("null") || rest.starts_with("Null") || rest.starts_with("NULL");
    if (!written && !stack_.empty() && stack_.back().key) return stack_.back().key->mark;
    if (!written && !stack_.empty() && stack_.back().node.kind == YamlNode::Kind::kList) return lastDash(mark);
    return markOf(mark);
  }
  // yaml-cpp gives an empty "- " the place of the token after it: look back for the dash.
  YamlMark lastDash(const YAML::Mark& mark) const {
    if (at(mark).starts_with(',') || at(mark).starts_with(']')) return markOf(mark);
    auto end = std::min(static_cast<std::size_t>(std::max(mark.pos, 0)), text_.size());
    for (int line = mark.line; end != 0; --line) {
      const auto begin = text_.rfind('\n', end - 1) == std::string_view::npos ? 0 : text_.rfind('\n', end - 1) + 1;
      const auto row = text_.substr(begin, end - begin);
      const auto dash = row.find_last_not_of(" \t");
      const auto comment = row.find(" #");
      const auto last = comment == std::string_view::npos ? dash : row.substr(0, comment).find_last_not_of(" \t");
      if (last != std::string_view::npos && row[last] == '-') return {line + 1, static_cast<int>(last) + 1};
      if (begin == 0) break;
      end = begin - 1;
    }
    return markOf(mark);
  }

  // Anchors and tags stand before their node, whose place is theirs. A plain "!" cannot be told from a quoted scalar by
  // the tag that yaml-cpp reports, only by the text.
  void refuseProperties(const YAML::Mark& mark, const std::string& tag) {
    const auto rest = at(mark);
    if (rest.starts_with('&')) {
      problem(markOf(mark), ErrorCode::kYamlForbidden, "an anchor (&) is not allowed",
              "write the value out where it is used");
    }
    if (rest.starts_with('!') || (tag != "?" && tag != "!")) {
      problem(markOf(mark), ErrorCode::kYamlForbidden, "a tag (!) is not allowed",
              "remove it; quote a value that must stay text");
    }
  }

  YamlNode makeNode(YamlNode::Kind kind, YamlMark mark) {
    if (++nodes_ > kMaxNodes) {
      problem(mark, ErrorCode::kYamlForbidden, "more than " + std::to_string(kMaxNodes) + " values", "split the file");
      throw Stop{};
    }
    YamlNode node;
    node.kind = kind;
    node.mark = mark;
    return node;
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag) {
    refuseProperties(mark, tag);
    if (expectsKey()) {
      problem(markOf(mark), ErrorCode::kYamlForbidden, "a list or a map as a key", "use a text as the key");
      throw Stop{};  // nothing inside it has a path
    }
    if (stack_.size() == kMaxDepth) {
      problem(markOf(mark), ErrorCode::kYamlForbidden, "nested more than " + std::to_string(kMaxDepth) + " deep",
              "use a flatter structure");
      throw Stop{};
    }
    stack_.push_back({makeNode(kind, markOf(mark)), std::nullopt, {}});
  }

  void close() {
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    place(std::move(node));
  }

  void place(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
    } else if (stack_.back().node.kind == YamlNode::Kind::kList) {
      stack_.back().node.items.push_back(std::move(node));
    } else if (!stack_.back().key) {
      takeKey(std::move(node));
    } else {
      Frame& frame = stack_.back();
      frame.node.entries.push_back({std::move(frame.key->scalar), frame.key->mark, std::move(node)});
      frame.key.reset();
    }
  }

  void takeKey(YamlNode key) {
    Frame& frame = stack_.back();
    const auto [first, isNew] = frame.seen.try_emplace(key.scalar, key.mark.line);
    const bool wellFormed = key.kind == YamlNode::Kind::kScalar;  // else it is reported already
    const YamlMark mark = key.mark;
    if (key.scalar.size() > kMaxKey) {
      problem(mark, ErrorCode::kYamlForbidden, "a key of " + std::to_string(key.scalar.size()) + " bytes",
              "at most 1024");
      throw Stop{};  // every path below would carry it
    }
    const std::string what =
        "the key \"" + key.scalar + "\" is here twice, first in line " + std::to_string(first->second);
    frame.key = std::move(key);
    if (!isNew && wellFormed) problem(mark, ErrorCode::kYamlForbidden, what, "keep one of them");
  }

  std::string path() const {
    std::string path;
    for (const Frame& frame : stack_) {
      if (frame.node.kind == YamlNode::Kind::kList) path += "[" + std::to_string(frame.node.items.size()) + "]";
      if (frame.key) path += (path.empty() ? "" : ".") + frame.key->scalar;
    }
    return path;
  }

  std::string_view text_;
  std::string file_;
  std::vector<Frame> stack_;
  YamlNode root_;
  std::vector<YamlProblem> problems_;
  std::size_t nodes_ = 0;
  bool begun_ = false;
};

struct BadByte {
  std::size_t at;
  const char* what;
  const char* remedy;
};

// Characters that no reader should meet, found before the parser does (it takes 0x04 for the end of the file).
std::optional<BadByte> findBadByte(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const bool nextIsC1 = byte == 0xC2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    if (byte == 0) return BadByte{at, "a NUL character", "a text file in UTF-8"};
    if (byte == '\r') return BadByte{at, "a carriage return without a line feed", "end lines with LF or CR LF"};
    if ((byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7F || nextIsC1) {
      return BadByte{at, "a control character", "remove it, or write it as an escape in double quotes"};
    }
  }
  return std::nullopt;
}

std::string escaped(unsigned char byte) {
  constexpr std::string_view kHex = "0123456789abcdef";
  return std::string("\\x") + kHex[byte >> 4] + kHex[byte & 15];
}

// With every control character written as an escape: a message goes to a terminal.
std::string visible(std::string_view text) {
  std::string shown;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const bool c1 = byte == 0xC2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    if (c1) {
      shown += escaped(static_cast<unsigned char>(text[++at]));
    } else if (byte < 0x20 || byte == 0x7F) {
      shown += escaped(byte);
    } else {
      shown += text[at];
    }
  }
  return shown;
}

// Each byte that UTF-8 cannot have becomes U+FFFD.
std::string mended(std::string_view text) {
  std::string good;
  while (!isValidUtf8(text)) {
    const std::size_t bad = firstBadUtf8(text);
    good += std::string(text.substr(0, bad)) + "\xEF\xBF\xBD";
    text.remove_prefix(bad + 1);
  }
  return good += text;
}

YamlMark placeOf(std::string_view text, std::size_t at) {
  const auto before = text.substr(0, at);
  const auto newline = before.rfind('\n');
  return {static_cast<int>(std::ranges::count(before, '\n')) + 1,
          static_cast<int>(newline == std::string_view::npos ? at : at - newline - 1) + 1};
}

// Without the byte order mark and with LF alone, so that lines, columns and offsets mean one thing.
std::string normalize(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(3);
  std::string normal;
  normal.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n') continue;
    normal += text[at];
  }
  return normal;
}

std::optional<YamlProblem> refuseBytes(std::string_view text, const std::string& file) {
  if (!isValidUtf8(text)) {
    return YamlProblem{
        file, placeOf(text, firstBadUtf8(text)), "", ErrorCode::kSyntax, "not valid UTF-8", "save the file as UTF-8"};
  }
  if (auto bad = findBadByte(text)) {
    return YamlProblem{file, placeOf(text, bad->at), "", ErrorCode::kSyntax, bad->what, bad->remedy};
  }
  return std::nullopt;
}

void runParser(const std::string& text, TreeBuilder& builder) {
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    parser.HandleNextDocument(builder);
  } catch (const Stop&) {  // recorded where it was thrown
  } catch (const YAML::Exception& problem) {
    try {  // the message may hold one byte of a longer character
      builder.problem(markOf(problem.mark), ErrorCode::kSyntax, "not well-formed YAML: " + mended(problem.msg),
                      "check indentation, quotes and brackets here and on the line before");
    } catch (const Stop&) {
    }
  }
}

// What some YAML reader takes for a number, a date, a boolean or null.
bool looksLikeNonText(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kWords = {"null", "true", "false", "yes", "no",   "on",
                                                              "off",  "y",    "n",     "~",   ".inf", ".nan"};
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (std::ranges::find(kWords, lowered) != kWords.end()) return true;
  return std::ranges::all_of(lowered,
                             [](char c) { return std::string_view("0123456789+-.:_ abcdefxotz").contains(c); }) &&
         std::string_view("0123456789+-.").contains(lowered.front());
}

bool isSafePlain(std::string_view text) {
  if (text.empty() || text != trim(text) || looksLikeNonText(text)) return false;
  auto safe = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '/' ||
           c == '.' || c == '-' || c == ' ' || c == '(' || c == ')' || c == '+' || c == ';' ||
           static_cast<unsigned char>(c) >= 0xC3;
  };
  auto continuation = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  const char first = text.front();
  return first != '-' && first != '.' && first != ' ' &&
         std::ranges::all_of(text, [&](char c) { return safe(c) || continuation(c); }) && isValidUtf8(text) &&
         !text.contains(kByteOrderMark);
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  const auto found = std::ranges::find(entries, key, &Entry::key);
  return found == entries.end() ? nullptr : &found->value;
}

std::optional<bool> YamlNode::asBool() const {
  if (kind != Kind::kScalar || !plain) return std::nullopt;
  if (scalar == "true") return true;
  if (scalar == "false") return false;
  return std::nullopt;
}

std::optional<std::int64_t> YamlNode::asInt() const {
  if (kind != Kind::kScalar || !plain) return std::nullopt;
  const std::string_view digits = std::string_view(scalar).substr(scalar.starts_with('-') ? 1 : 0);
  if (digits.empty() || (digits.size() > 1 && digits.starts_with('0'))) return std::nullopt;  // 010: ten, or eight?
  std::int64_t value = 0;
  const char* end = scalar.data() + scalar.size();
  const auto [stopped, error] = std::from_chars(scalar.data(), end, value);
  return error == std::errc{} && stopped == end ? std::optional(value) : std::nullopt;
}

std::string YamlProblem::message() const {
  std::string line = file + ":" + std::to_string(mark.line) + ":" + std::to_string(mark.column) + ": ";
  if (!path.empty()) line += path + ": ";
  line += what;
  if (!remedy.empty()) line += "; " + remedy;
  return visible(line);
}

std::expected<YamlNode, std::vector<YamlProblem>> parseYaml(std::string_view text, std::string file) {
  if (text.size() > kMaxBytes) {
    return std::unexpected(std::vector{YamlProblem{
        file, {}, "", ErrorCode::kTooLarge, std::to_string(text.size()) + " bytes", "at most 1 MiB (1048576 bytes)"}});
  }
  const std::string normal = normalize(text);
  if (auto bad = refuseBytes(normal, file)) return std::unexpected(std::vector{*std::move(bad)});
  TreeBuilder builder(normal, std::move(file));
  runParser(normal, builder);
  if (builder.failed()) return std::unexpected(builder.takeProblems());
  return builder.takeRoot();
}

std::string quoteYaml(std::string_view raw) {
  if (isSafePlain(raw)) return std::string(raw);
  const std::string text = mended(raw);
  std::string quoted = "\"";
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const auto rest = std::string_view(text).substr(at);
    if (byte == '"' || byte == '\\') {
      quoted += '\\', quoted += text[at];
    } else if (byte == '\n') {
      quoted += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      quoted += escaped(byte);
    } else if (byte == 0xC2 && static_cast<unsigned char>(rest[1]) < 0xA0) {
      quoted += escaped(static_cast<unsigned char>(text[++at]));  // C1: \x85 is U+0085, whose second byte is 85
    } else if (rest.starts_with(kByteOrderMark)) {
      quoted += "\\ufeff", at += 2;
    } else {
      quoted += text[at];
    }
  }
  return quoted + '"';
}

}  // namespace agentos
