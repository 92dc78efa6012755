// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace agentos {
namespace {

constexpr std::array kCodes = {
#define AGENTOS_ERROR(enumerator, name, exit, http, doc) ErrorCodeInfo{ErrorCode::enumerator, name, exit, http, doc},
#include "base/error_codes.def"
#undef AGENTOS_ERROR
};

}  // namespace

const ErrorCodeInfo& infoOf(ErrorCode code) { return kCodes.at(std::to_underlying(code)); }

std::span<const ErrorCodeInfo> allErrorCodes() { return kCodes; }

const ErrorCodeInfo* findErrorCode(std::string_view name) {
  auto found = std::ranges::find(kCodes, name, &ErrorCodeInfo::name);
  return found == kCodes.end() ? nullptr : &*found;
}

std::string Error::message() const {
  std::string line;
  for (auto where = context.rbegin(); where != context.rend(); ++where) line += *where + ": ";
  line += what;
  if (sysErrno != 0) line += ": " + std::generic_category().message(sysErrno);
  if (!remedy.empty()) line += "; " + remedy;
  return line;
}

Error Error::within(std::string where) && {
  context.push_back(std::move(where));
  return std::move(*this);
}

std::unexpected<Error> fail(ErrorCode code, std::string what, std::string remedy) {
  return std::unexpected(Error{code, std::move(what), std::move(remedy), 0, {}});
}

std::unexpected<Error> failErrno(int err, std::string what, std::string remedy, ErrorCode code) {
  if (err == ENOSPC || err == EDQUOT) {
    code = ErrorCode::kDiskFull;
  } else if (err == EROFS) {
    code = ErrorCode::kReadOnly;
  } else if (err == ENOENT && code == ErrorCode::kIo) {
    code = ErrorCode::kNotFound;
  }
  return std::unexpected(Error{code, std::move(what), std::move(remedy), err, {}});
}

}  // namespace agentos
