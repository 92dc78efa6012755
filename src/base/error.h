// SPDX-License-Identifier: Apache-2.0
// Errors as values. Our code throws nothing across a module's border: a function that can fail returns Result<T>.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace agentos {

enum class ErrorCode : std::uint16_t {
#define AGENTOS_ERROR(enumerator, name, exit, http, doc) enumerator,
#include "base/error_codes.def"
#undef AGENTOS_ERROR
};

// What the table says of a code.
struct ErrorCodeInfo {
  ErrorCode code;
  std::string_view name;  // stable: "contract.unknown_key"
  int exitStatus;         // agentctl's
  int httpStatus;
  std::string_view doc;
};
const ErrorCodeInfo& infoOf(ErrorCode code);
std::span<const ErrorCodeInfo> allErrorCodes();
const ErrorCodeInfo* findErrorCode(std::string_view name);  // null when there is none

// What went wrong, why, and what would be right. `what` names the value at fault; `remedy` completes the sentence
// "what would be right"; `context` is added on the way up, outermost last.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string what;
  std::string remedy;
  int sysErrno = 0;
  std::vector<std::string> context;

  // One line: "context: what: strerror; remedy".
  std::string message() const;
  // The same error with `where` added as its outermost context.
  Error within(std::string where) &&;
};

template <class T>
using Result = std::expected<T, Error>;

std::unexpected<Error> fail(ErrorCode code, std::string what, std::string remedy = {});
// From errno: ENOSPC, EDQUOT → kDiskFull; EROFS → kReadOnly; ENOENT → kNotFound; anything else keeps `code`.
std::unexpected<Error> failErrno(int err, std::string what, std::string remedy = {}, ErrorCode code = ErrorCode::kIo);

}  // namespace agentos

// AGENTOS_TRY(auto fd, openFile(…)): the value, or return the error. AGENTOS_CHECK(expr): the same for Result<void>.
// The CO_ forms are for coroutines.
#define AGENTOS_CAT2(a, b) a##b
#define AGENTOS_CAT(a, b) AGENTOS_CAT2(a, b)
#define AGENTOS_TRY_IMPL(ret, tmp, decl, ...)                            \
  auto tmp = (__VA_ARGS__);                                              \
  if (!tmp) ret std::unexpected<agentos::Error>(std::move(tmp).error()); \
  decl = *std::move(tmp)
#define AGENTOS_TRY(decl, ...) AGENTOS_TRY_IMPL(return, AGENTOS_CAT(agentosTry_, __LINE__), decl, __VA_ARGS__)
#define AGENTOS_CO_TRY(decl, ...) AGENTOS_TRY_IMPL(co_return, AGENTOS_CAT(agentosTry_, __LINE__), decl, __VA_ARGS__)
#define AGENTOS_CHECK_IMPL(ret, tmp, ...)                                  \
  do {                                                                     \
    auto tmp = (__VA_ARGS__);                                              \
    if (!tmp) ret std::unexpected<agentos::Error>(std::move(tmp).error()); \
  } while (false)
#define AGENTOS_CHECK(...) AGENTOS_CHECK_IMPL(return, AGENTOS_CAT(agentosCheck_, __LINE__), __VA_ARGS__)
#define AGENTOS_CO_CHECK(...) AGENTOS_CHECK_IMPL(co_return, AGENTOS_CAT(agentosCheck_, __LINE__), __VA_ARGS__)
