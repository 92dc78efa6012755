// SPDX-License-Identifier: Apache-2.0
#include "agentd/http/message.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace agentos::agentd::http {
namespace {

const std::string* findField(const Fields& fields, std::string_view name) {
  auto found = std::ranges::find(fields, name, &Fields::value_type::first);
  return found == fields.end() ? nullptr : &found->second;
}

int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::unexpected<Error> wrongType(const std::string& key, const Json& value, std::string_view right) {
  return fail(ErrorCode::kInvalidArgument, "\"" + key + "\" is of type " + value.type_name(),
              "give " + std::string(right));
}

}  // namespace

std::string_view Request::header(std::string_view lowerCaseName) const {
  const std::string* value = findField(headers, lowerCaseName);
  return value == nullptr ? std::string_view{} : *value;
}

std::string_view Request::parameter(std::string_view name) const {
  const std::string* value = findField(parameters, name);
  return value == nullptr ? std::string_view{} : *value;
}

std::optional<std::string_view> Request::queryValue(std::string_view name) const {
  const std::string* value = findField(query, name);
  if (value == nullptr) return std::nullopt;
  return *value;
}

Response json(const Json& value, int status) {
  Response response;
  response.status = status;
  response.body = dumpJson(value);
  return response;
}

Response text(std::string body, std::string contentType, int status) {
  Response response;
  response.status = status;
  response.contentType = std::move(contentType);
  response.body = std::move(body);
  return response;
}

Response noContent() {
  Response response;
  response.status = 204;
  response.contentType.clear();
  return response;
}

std::string lowerCase(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

Result<std::string> decodePercent(std::string_view text, bool plusIsSpace) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plusIsSpace) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      int high = i + 2 < text.size() ? hexDigit(text[i + 1]) : -1,
          low = i + 2 < text.size() ? hexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return fail(ErrorCode::kInvalidArgument, "the request target has a broken escape",
                    "% is followed by two hexadecimal digits");
      }
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (!isValidUtf8(decoded) || decoded.find('\0') != std::string::npos) {
    return fail(ErrorCode::kInvalidArgument, "the request target is not valid UTF-8 text",
                "escape UTF-8 bytes, and no NUL");
  }
  return decoded;
}

Result<Fields> parseQuery(std::string_view query) {
  Fields fields;
  if (query.empty()) return fields;
  for (std::string_view pair : split(query, '&')) {
    if (pair.empty()) continue;
    auto equals = pair.find('=');
    AGENTOS_TRY(auto name, decodePercent(pair.substr(0, equals), true));
    AGENTOS_TRY(auto value, decodePercent(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true));
    fields.emplace_back(std::move(name), std::move(value));
  }
  return fields;
}

Result<Json> bodyObject(const Request& request) {
  if (trim(request.body).empty()) return Json::object();
  auto parsed = parseJson(request.body);
  if (!parsed) return std::unexpected(std::move(parsed).error().within("request body"));
  if (!parsed->is_object()) {
    return fail(ErrorCode::kInvalidArgument, std::string("the request body is a JSON ") + parsed->type_name(),
                "send a JSON object");
  }
  return parsed;
}

Result<std::string> stringOf(const Json& object, const std::string& key, std::string fallback) {
  auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  if (!found->is_string()) return wrongType(key, *found, "a string");
  return found->get<std::string>();
}

Result<std::string> requiredString(const Json& object, const std::string& key) {
  AGENTOS_TRY(auto value, stringOf(object, key));
  if (value.empty()) return fail(ErrorCode::kInvalidArgument, "\"" + key + "\" is missing or empty", "give a string");
  return value;
}

Result<std::vector<std::string>> stringsOf(const Json& object, const std::string& key) {
  std::vector<std::string> strings;
  auto found = object.find(key);
  if (found == object.end() || found->is_null()) return strings;
  if (!found->is_array()) return wrongType(key, *found, "a list of strings");
  for (const Json& item : *found) {
    if (!item.is_string()) return wrongType(key, item, "a list of strings");
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

Result<bool> boolOf(const Json& object, const std::string& key, bool fallback) {
  auto found = object.find(key);
  if (found == object.end() || found->is_null()) return fallback;
  if (!found->is_boolean()) return wrongType(key, *found, "true or false");
  return found->get<bool>();
}

Result<std::optional<std::int64_t>> integerOf(const Json& object, const std::string& key) {
  auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  if (!found->is_number_integer()) return wrongType(key, *found, "a whole number");
  return found->get<std::int64_t>();
}

Result<void> refuseUnknown(const Json& object, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    std::string names;
    for (std::string_view name : known) names += (names.empty() ? "" : ", ") + std::string(name);
    auto near = didYouMean(key, std::span(known.begin(), known.size()));
    return fail(ErrorCode::kInvalidArgument, "unknown member \"" + key + "\"",
                near ? "did you mean \"" + *near + "\"?" : "members are: " + (names.empty() ? "none" : names));
  }
  return {};
}

Result<bool> flagOf(const Request& request, std::string_view name) {
  auto value = request.queryValue(name);
  if (!value || *value == "0" || *value == "false") return false;
  if (value->empty() || *value == "1" || *value == "true") return true;
  return fail(ErrorCode::kInvalidArgument, "?" + std::string(name) + "=" + std::string(*value), "give 1 or 0");
}

Result<std::optional<std::uint64_t>> numberOf(const Request& request, std::string_view name) {
  auto value = request.queryValue(name);
  if (!value) return std::nullopt;
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc{} || end != value->data() + value->size()) {
    return fail(ErrorCode::kInvalidArgument, "?" + std::string(name) + "=" + std::string(*value),
                "give a whole number");
  }
  return number;
}

}  // namespace agentos::agentd::http
