// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace agentos {
namespace {

// Thrown through nlohmann's parser by our own checks, and caught in parseJson.
struct Refused {
  std::string what, remedy;
};

// Builds the document from the parser's events, and watches for what the library lets pass: duplicate keys (the last
// would win) and depth. (The library's own parser callback is no way to do this: it walks the whole of an array again
// for each object in it.)
class StrictBuilder {
 public:
  StrictBuilder(Json& root, std::size_t maxDepth) : dom_(root, true), maxDepth_(maxDepth) {}

  bool null() { return dom_.null(); }
  bool boolean(bool value) { return dom_.boolean(value); }
  bool number_integer(Json::number_integer_t value) { return dom_.number_integer(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return dom_.number_unsigned(value); }
  bool number_float(Json::number_float_t value, const std::string& text) { return dom_.number_float(value, text); }
  bool string(std::string& value) { return dom_.string(value); }
  bool binary(Json::binary_t& value) { return dom_.binary(value); }
  bool start_object(std::size_t size) { return enter(), dom_.start_object(size); }
  bool end_object() { return keys_.pop_back(), dom_.end_object(); }
  bool start_array(std::size_t size) { return enter(), dom_.start_array(size); }
  bool end_array() { return keys_.pop_back(), dom_.end_array(); }
  bool key(std::string& name) { return take(name), dom_.key(name); }
  template <class Exception>
  bool parse_error(std::size_t at, const std::string& token, const Exception& problem) {
    return dom_.parse_error(at, token, problem);  // throws
  }

 private:
  void enter() {
    if (keys_.size() == maxDepth_) {
      throw Refused{"JSON nested more than " + std::to_string(maxDepth_) + " deep", "use a flatter structure"};
    }
    keys_.emplace_back();
  }
  void take(const std::string& key) {
    if (!keys_.back().insert(key).second)
      throw Refused{"the key \"" + key + "\" appears twice in one object", "keep one of them"};
  }

  nlohmann::detail::json_sax_dom_parser<Json> dom_;
  std::size_t maxDepth_;
  std::vector<std::set<std::string>> keys_;  // of each open object; arrays hold an empty one
};

// UTF-16 code unit order on UTF-8 bytes: it is code point order, but for U+E000…U+FFFF (lead bytes EE, EF), which come
// after everything beyond U+FFFF (F0…F4).
bool lessByCodeUnit(std::string_view a, std::string_view b) {
  auto [left, right] = std::ranges::mismatch(a, b);
  if (left == a.end() || right == b.end()) return a.size() < b.size();
  auto rank = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0xEE || byte == 0xEF ? byte + 0x10 : byte;
  };
  return rank(*left) < rank(*right);
}

Result<void> appendCanonical(const Json& value, std::string& out);

Result<void> appendObject(const Json& value, std::string& out) {
  std::vector<const std::string*> keys;
  for (const auto& item : value.items()) keys.push_back(&item.key());
  std::ranges::sort(keys, [](const auto* a, const auto* b) { return lessByCodeUnit(*a, *b); });
  char separator = '{';
  for (const std::string* key : keys) {
    out += std::exchange(separator, ',');
    AGENTOS_CHECK(appendCanonical(Json(*key), out));
    out += ':';
    AGENTOS_CHECK(appendCanonical(value.at(*key), out));
  }
  out += keys.empty() ? "{}" : "}";
  return {};
}

Result<void> appendArray(const Json& value, std::string& out) {
  char separator = '[';
  for (const Json& item : value) {
    out += std::exchange(separator, ',');
    AGENTOS_CHECK(appendCanonical(item, out));
  }
  out += value.empty() ? "[]" : "]";
  return {};
}

Result<void> appendCanonical(const Json& value, std::string& out) {
  if (value.is_object()) return appendObject(value, out);
  if (value.is_array()) return appendArray(value, out);
  if (value.is_number_float() || value.is_binary() || value.is_discarded()) {
    return fail(ErrorCode::kInvalidArgument, "canonical JSON cannot hold the value " + dumpJson(value),
                "use an integer or a string");
  }
  try {
    out += value.dump();  // shortest escapes, lower-case \u00xx: what RFC 8785 asks
  } catch (const std::exception& problem) {
    return fail(ErrorCode::kInvalidArgument, std::string("not UTF-8: ") + problem.what(), "use UTF-8 text");
  }
  return {};
}

}  // namespace

Result<Json> parseJson(std::string_view text, std::size_t maxDepth) {
  // The library takes a NUL for the end of its input, and would let anything follow it.
  if (text.contains('\0'))
    return fail(ErrorCode::kSyntax, "not JSON: a NUL character", "one strict JSON document in UTF-8");
  try {
    Json root;
    StrictBuilder builder(root, maxDepth);
    Json::sax_parse(text.begin(), text.end(), &builder);
    return root;
  } catch (const Refused& refused) {
    return fail(ErrorCode::kSyntax, refused.what, refused.remedy);
  } catch (const std::exception& problem) {
    return fail(ErrorCode::kSyntax, std::string("not JSON: ") + problem.what(), "one strict JSON document in UTF-8");
  }
}

Result<std::string> canonicalJson(const Json& value) {
  std::string out;
  AGENTOS_CHECK(appendCanonical(value, out));
  return out;
}

std::string dumpJson(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace agentos
