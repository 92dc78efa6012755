// SPDX-License-Identifier: Apache-2.0
#include "contract/shape.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "base/units.h"

namespace agentos::contract {
namespace {

using Complaints = std::vector<Complaint>;

Complaints one(const YamlNode& node, ErrorCode code, std::string what, std::string remedy, std::string at = {}) {
  return {{node.mark, std::move(at), code, std::move(what), std::move(remedy)}};
}

std::string nameOfType(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kNull) return "nothing is written here";
  if (node.kind == YamlNode::Kind::kList) return "this is a list";
  if (node.kind == YamlNode::Kind::kMap) return "this is a map";
  switch (typeOf(node)) {
    case ScalarType::kBoolean:
      return node.scalar + " is a boolean";
    case ScalarType::kInteger:
    case ScalarType::kNumber:
      return node.scalar + " is a number";
    default:
      return quoted(node.scalar) + " is a text";
  }
}

Complaints wrongType(const Shape& shape, const YamlNode& node, const std::string& at = {}) {
  const bool unquoted = shape.kind == Kind::kText && node.kind == YamlNode::Kind::kScalar;
  return one(node, ErrorCode::kContractType, nameOfType(node),
             describe(shape) + (unquoted ? "; quote it to make it a text" : ""), at);
}

bool isText(const YamlNode& node) { return node.kind == YamlNode::Kind::kScalar && typeOf(node) == ScalarType::kText; }
bool isAmount(const YamlNode& node) {
  return node.kind == YamlNode::Kind::kScalar && typeOf(node) != ScalarType::kBoolean;
}
bool isArgument(const YamlNode& node) { return node.kind == YamlNode::Kind::kScalar; }

std::size_t lengthOf(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

Complaints checkText(const Shape& shape, const YamlNode& node) {
  if (!isText(node)) return wrongType({Kind::kText, 0, 0, shape.rule, {}}, node);
  if (lengthOf(node.scalar) > shape.rule->maxLength) {
    return one(node, ErrorCode::kContractRange,
               quoted(node.scalar) + " is " + std::to_string(lengthOf(node.scalar)) + " characters long",
               "at most " + std::to_string(shape.rule->maxLength));
  }
  if (auto problem = shape.rule->problem(node.scalar)) {
    return one(node, ErrorCode::kContractRange, *std::move(problem), std::string(shape.rule->says));
  }
  return {};
}

Complaints checkWord(const Shape& shape, const YamlNode& node) {
  if (!isText(node)) return wrongType({Kind::kWord, 0, 0, nullptr, shape.words}, node);
  if (std::ranges::find(shape.words, node.scalar) != shape.words.end()) return {};
  const auto near = didYouMean(node.scalar, shape.words);
  return one(node, ErrorCode::kContractRange, quoted(node.scalar) + " is not one of its words",
             (near ? "did you mean " + *near + "? " : "") + describe({Kind::kWord, 0, 0, nullptr, shape.words}));
}

Complaints checkRange(const Shape& shape, const YamlNode& node, std::int64_t amount) {
  if (amount >= shape.min && amount <= shape.max) return {};
  return one(node, ErrorCode::kContractRange, node.scalar + (amount < shape.min ? " is too little" : " is too much"),
             describe(shape));
}

Complaints checkInteger(const Shape& shape, const YamlNode& node) {
  const auto value = node.asInt();
  return value ? checkRange(shape, node, *value) : wrongType(shape, node);
}

Result<std::int64_t> amountOf(Kind kind, std::string_view text) {
  if (kind == Kind::kSize) {
    AGENTOS_TRY(const Bytes size, parseBytes(text));
    return static_cast<std::int64_t>(size.count);
  }
  if (kind == Kind::kCpu) {
    AGENTOS_TRY(const MilliCpu cpu, parseCpu(text));
    return cpu.count;
  }
  if (kind == Kind::kDuration) {
    AGENTOS_TRY(const Nanoseconds time, parseDuration(text));
    return time.count();
  }
  AGENTOS_TRY(const MicroUsd money, parseUsd(text));
  return money.count;
}

Complaints checkAmount(const Shape& shape, const YamlNode& node) {
  if (!isAmount(node)) return wrongType(shape, node);
  const auto amount = amountOf(shape.kind, node.scalar);
  if (!amount) return one(node, ErrorCode::kUnit, quoted(node.scalar) + " is no such quantity", describe(shape));
  return checkRange(shape, node, *amount);
}

Complaints checkMixed(const Shape& shape, const YamlNode& node) {
  return node.kind == YamlNode::Kind::kMap ? Complaints{} : checkText(shape, node);
}

using ItemCheck = Complaints (*)(const Shape& shape, const YamlNode& item);

Complaints checkArgument(const Shape& shape, const YamlNode& node) {
  if (!isArgument(node)) return wrongType(shape, node);
  if (lengthOf(node.scalar) > kMaxArgument) {
    return one(node, ErrorCode::kContractRange, std::to_string(lengthOf(node.scalar)) + " characters",
               "at most " + std::to_string(kMaxArgument));
  }
  return {};
}

void addAt(Complaints& all, Complaints found, const std::string& at) {
  for (Complaint& complaint : found) {
    complaint.at = at + complaint.at;
    all.push_back(std::move(complaint));
  }
}

Complaints checkList(const Shape& shape, const YamlNode& node, ItemCheck checkItem, bool unique) {
  if (node.kind != YamlNode::Kind::kList) return wrongType(shape, node);
  const auto limit = static_cast<std::size_t>(shape.max);
  if (node.items.size() > limit) {
    return one(node, ErrorCode::kContractRange, std::to_string(node.items.size()) + " items",
               "at most " + std::to_string(limit));
  }
  Complaints all;
  std::set<std::string> seen;
  for (std::size_t at = 0; at < node.items.size(); ++at) {
    const YamlNode& item = node.items[at];
    const std::string where = "[" + std::to_string(at) + "]";
    addAt(all, checkItem(shape, item), where);
    if (unique && isText(item) && !seen.insert(item.scalar).second) {
      addAt(all, one(item, ErrorCode::kContractRange, quoted(item.scalar) + " is here twice", "keep one of them"),
            where);
    }
  }
  return all;
}

Complaints checkEnvironment(const Shape& shape, const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kMap) return wrongType(shape, node);
  if (node.entries.size() > static_cast<std::size_t>(shape.max)) {
    return one(node, ErrorCode::kContractRange, std::to_string(node.entries.size()) + " variables",
               "at most " + std::to_string(shape.max));
  }
  Complaints all;
  for (const auto& entry : node.entries) {
    const bool tooLong = lengthOf(entry.key) > kEnvNameRule.maxLength;
    if (auto problem = tooLong ? quoted(entry.key) + " is too long" : kEnvNameRule.problem(entry.key)) {
      all.push_back({entry.mark, "." + entry.key, ErrorCode::kContractRange, *std::move(problem),
                     std::string(kEnvNameRule.says)});
    }
    addAt(all, checkArgument({Kind::kEnvironment, 0, 0, nullptr, {}}, entry.value), "." + entry.key);
  }
  return all;
}

bool isAllDigits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool isCoreFloat(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text == ".inf" || text == ".Inf" || text == ".INF" || text == ".nan" || text == ".NaN" || text == ".NAN")
    return true;
  const auto e = text.find_first_of("eE");
  if (e != std::string_view::npos) {
    auto exponent = text.substr(e + 1);
    if (exponent.starts_with('-') || exponent.starts_with('+')) exponent.remove_prefix(1);
    if (!isAllDigits(exponent)) return false;
    text = text.substr(0, e);
  }
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return isAllDigits(text);
  const auto whole = text.substr(0, dot), part = text.substr(dot + 1);
  return (whole.empty() || isAllDigits(whole)) && (part.empty() ? !whole.empty() : isAllDigits(part));
}

bool isCoreInteger(std::string_view text) {
  if (text.starts_with("0x"))
    return text.size() > 2 && text.substr(2).find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
  if (text.starts_with("0o"))
    return text.size() > 2 && text.substr(2).find_first_not_of("01234567") == std::string_view::npos;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return isAllDigits(text);
}

std::string amountExample(Kind kind) {
  switch (kind) {
    case Kind::kSize:
      return "such as 4GiB (2^30) or 4GB (10^9)";
    case Kind::kCpu:
      return "such as 2, 0.5 or 250m (thousandths)";
    case Kind::kDuration:
      return "such as 10s, 15m or 1h30m";
    default:
      return "with at most six decimals, such as 2.00";
  }
}

std::string spanOf(const Shape& shape) {
  return "from " + showAmount(shape.kind, shape.min) + " to " + showAmount(shape.kind, shape.max);
}

std::string wordList(const Shape& shape) {
  std::vector<std::string> words(shape.words.begin(), shape.words.end());
  return join(words, ", ");
}

}  // namespace

std::string quoted(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  if (text.size() <= kLongest) return "\"" + std::string(text) + "\"";
  std::size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not through a character
  return "\"" + std::string(text.substr(0, end)) + "…\"";
}

ScalarType typeOf(const YamlNode& node) {
  static constexpr std::array<std::string_view, 6> kBooleans = {"true", "True", "TRUE", "false", "False", "FALSE"};
  if (node.kind == YamlNode::Kind::kNull) return ScalarType::kNull;
  if (!node.plain) return ScalarType::kText;
  if (std::ranges::find(kBooleans, node.scalar) != kBooleans.end()) return ScalarType::kBoolean;
  if (isCoreInteger(node.scalar)) return ScalarType::kInteger;
  return isCoreFloat(node.scalar) ? ScalarType::kNumber : ScalarType::kText;
}

std::string showAmount(Kind kind, std::int64_t amount) {
  switch (kind) {
    case Kind::kSize:
      return formatBytes(Bytes{static_cast<std::uint64_t>(amount)});
    case Kind::kCpu:
      return formatCpu(MilliCpu{amount});
    case Kind::kDuration:
      return formatDuration(Nanoseconds(amount));
    case Kind::kMoney:
      return formatUsd(MicroUsd{amount});
    default:
      return std::to_string(amount);
  }
}

std::string describe(const Shape& shape) {
  switch (shape.kind) {
    case Kind::kMap:
      return "a map of keys";
    case Kind::kMapList:
      return "a list of maps";
    case Kind::kMixedList:
      return "a list, each item " + std::string(shape.rule->says) + ", or a map";
    case Kind::kText:
      return std::string(shape.rule->says);
    case Kind::kWord:
      return shape.words.size() == 1 ? std::string(shape.words.front()) : "one of " + wordList(shape);
    case Kind::kInteger:
      return "a whole number " + spanOf(shape);
    case Kind::kBoolean:
      return "true or false";
    case Kind::kSize:
      return "a size " + spanOf(shape) + ", " + amountExample(shape.kind);
    case Kind::kCpu:
      return "cores " + spanOf(shape) + ", " + amountExample(shape.kind);
    case Kind::kDuration:
      return "a time " + spanOf(shape) + ", " + amountExample(shape.kind);
    case Kind::kMoney:
      return "US dollars " + spanOf(shape) + ", " + amountExample(shape.kind);
    case Kind::kTexts:
      return "a list, each item " + std::string(shape.rule->says);
    case Kind::kWords:
      return "a list of " + wordList(shape);
    case Kind::kArguments:
      return "a list of texts: the program's absolute path, then its arguments";
    case Kind::kEnvironment:
      return "a map of names to texts";
  }
  return {};
}

Complaints complaintsOf(const Shape& shape, const YamlNode& node) {
  switch (shape.kind) {
    case Kind::kMap:
      return node.kind == YamlNode::Kind::kMap ? Complaints{} : wrongType(shape, node);
    case Kind::kMapList:
      return checkList(
          shape, node,
          [](const Shape&, const YamlNode& item) { return complaintsOf({Kind::kMap, 0, 0, nullptr, {}}, item); },
          false);
    case Kind::kMixedList:
      return checkList(shape, node, checkMixed, true);
    case Kind::kText:
      return checkText(shape, node);
    case Kind::kWord:
      return checkWord(shape, node);
    case Kind::kInteger:
      return checkInteger(shape, node);
    case Kind::kBoolean:
      return node.asBool() ? Complaints{} : wrongType(shape, node);
    case Kind::kSize:
    case Kind::kCpu:
    case Kind::kDuration:
    case Kind::kMoney:
      return checkAmount(shape, node);
    case Kind::kTexts:
      return checkList(shape, node, checkText, true);
    case Kind::kWords:
      return checkList(shape, node, checkWord, true);
    case Kind::kArguments:
      return checkList(shape, node, checkArgument, false);
    case Kind::kEnvironment:
      return checkEnvironment(shape, node);
  }
  return {};
}

}  // namespace agentos::contract
