// SPDX-License-Identifier: Apache-2.0
#include "client/problem.h"

#include <string>

#include "base/json.h"
#include "base/text.h"

namespace agentos::client {
namespace {

constexpr std::string_view kTypePrefix = "urn:agentos:error:";

ErrorCode codeOfStatus(int status) {
  switch (status) {
    case 400:
    case 422:
      return ErrorCode::kInvalidArgument;
    case 401:
    case 403:
      return ErrorCode::kDenied;
    case 404:
    case 405:
      return ErrorCode::kNotFound;
    case 408:
    case 504:
      return ErrorCode::kTimedOut;
    case 409:
      return ErrorCode::kConflict;
    case 413:
      return ErrorCode::kTooLarge;
    case 503:
      return ErrorCode::kUnavailable;
    case 507:
      return ErrorCode::kDiskFull;
    default:
      return ErrorCode::kInternal;
  }
}

std::string textAt(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

ErrorCode codeOf(const Json& problem, int status) {
  std::string type = textAt(problem, "type");
  if (!type.starts_with(kTypePrefix)) return codeOfStatus(status);
  const auto* info = findErrorCode(std::string_view(type).substr(kTypePrefix.size()));
  return info != nullptr ? info->code : codeOfStatus(status);
}

// One fault of several: a sentence, or an object that has one.
std::string faultText(const Json& fault) {
  if (fault.is_string()) return fault.get<std::string>();
  if (!fault.is_object()) return dumpJson(fault);
  for (const char* key : {"message", "detail", "what"}) {
    if (auto text = textAt(fault, key); !text.empty()) return text;
  }
  return dumpJson(fault);
}

Error plainError(int status, std::string_view body) {
  auto text = trim(body.substr(0, 200));
  return {codeOfStatus(status),
          "the daemon answered " + std::to_string(status) + (text.empty() ? "" : ": " + std::string(text)),
          {},
          0,
          {}};
}

}  // namespace

Error errorOf(int status, std::string_view contentType, std::string_view body) {
  if (!contentType.starts_with("application/problem+json")) return plainError(status, body);
  auto problem = parseJson(body);
  if (!problem || !problem->is_object()) return plainError(status, body);
  std::string what = textAt(*problem, "detail");
  if (what.empty()) what = textAt(*problem, "title");
  if (auto faults = problem->find("errors"); faults != problem->end() && faults->is_array()) {
    for (const auto& fault : *faults) what += (what.empty() ? "" : "\n") + faultText(fault);
  }
  return {codeOf(*problem, status), what, textAt(*problem, "remedy"), 0, {}};
}

}  // namespace agentos::client
