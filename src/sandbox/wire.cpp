// SPDX-License-Identifier: Apache-2.0
#include "sandbox/wire.h"

namespace agentos::sandbox {

void Writer::integer(std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i, value >>= 8) bytes_.push_back(static_cast<char>(value & 0xff));
}

void Writer::string(std::string_view value) {
  u32(static_cast<std::uint32_t>(value.size()));
  bytes_.append(value);
}

std::uint64_t Reader::integer(std::size_t width) {
  if (!ok()) return 0;
  if (rest_.size() < width) {
    refuse("it ends where a number of " + std::to_string(width) + " bytes should be");
    return 0;
  }
  std::uint64_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(rest_[i]);
  rest_.remove_prefix(width);
  return value;
}

bool Reader::boolean() {
  std::uint8_t value = u8();
  if (value > 1) refuse("a boolean of " + std::to_string(value));
  return value == 1;
}

std::string Reader::string() {
  std::uint32_t length = u32();
  if (length > rest_.size()) refuse("a string of " + std::to_string(length) + " bytes");
  if (!ok()) return {};
  std::string value(rest_.substr(0, length));
  rest_.remove_prefix(length);
  return value;
}

void Reader::refuse(std::string why) {
  if (!ok()) return;
  failedAt_ = size_ - rest_.size();
  problem_ = std::move(why);
  rest_ = {};
}

Result<void> Reader::finish(std::string_view message) const {
  std::string where = "malformed " + std::string(message) + " of " + std::to_string(size_) + " bytes: at byte ";
  constexpr const char* kRemedy = "both ends must be of the same release";
  if (!ok()) return fail(ErrorCode::kSandboxProtocol, where + std::to_string(failedAt_) + ", " + problem_, kRemedy);
  if (!rest_.empty()) {
    return fail(ErrorCode::kSandboxProtocol,
                where + std::to_string(size_ - rest_.size()) + ", " + std::to_string(rest_.size()) + " bytes too many",
                kRemedy);
  }
  return {};
}

}  // namespace agentos::sandbox
