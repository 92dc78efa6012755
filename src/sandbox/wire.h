// SPDX-License-Identifier: Apache-2.0
// The codec of the messages between agentd, the spawner and agent-init: little-endian integers, strings and lists with
// a length of 32 bits before them, no padding, nothing optional. Both ends come from one build or are versioned by
// their messages, so the form needs no tags. A reader is fed by whoever can write to the socket, and believes nothing:
// every length is held against what is really there before memory is taken, and bytes left over are an error.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace agentos::sandbox {

// The largest message on a socket; what is larger travels as a memfd.
inline constexpr std::size_t kMaxMessage = std::size_t{64} << 10;

class Writer {
 public:
  void u8(std::uint8_t value) { integer(value, 1); }
  void u16(std::uint16_t value) { integer(value, 2); }
  void u32(std::uint32_t value) { integer(value, 4); }
  void u64(std::uint64_t value) { integer(value, 8); }
  void i32(std::int32_t value) { integer(static_cast<std::uint32_t>(value), 4); }
  void i64(std::int64_t value) { integer(static_cast<std::uint64_t>(value), 8); }
  void boolean(bool value) { u8(value ? 1 : 0); }
  void string(std::string_view value);
  // put(item) writes one.
  template <class Items, class Put>
  void list(const Items& items, Put put) {
    u32(static_cast<std::uint32_t>(items.size()));
    for (const auto& item : items) put(item);
  }
  void strings(const std::vector<std::string>& items) {
    list(items, [this](const std::string& item) { string(item); });
  }

  std::size_t size() const { return bytes_.size(); }
  std::string take() { return std::move(bytes_); }

 private:
  void integer(std::uint64_t value, int width);
  std::string bytes_;
};

// Reads in order. The first read that does not fit makes it fail for good: from then on every read gives zero or
// nothing, so a decoder reads all its fields and asks finish() once. `bytes` must outlive the reader.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes), size_(bytes.size()) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t u64() { return integer(8); }
  std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
  std::int64_t i64() { return static_cast<std::int64_t>(u64()); }
  bool boolean();  // 0 or 1, nothing else
  std::string string();
  // get() reads one. More than maxItems, or more than there are bytes left, is refused before the first is read.
  template <class Get>
  auto list(std::uint32_t maxItems, Get get) -> std::vector<decltype(get())> {
    std::vector<decltype(get())> items;
    std::uint32_t count = u32();
    if (count > maxItems || count > rest_.size()) {
      refuse("a list of " + std::to_string(count) + " items");
      return items;
    }
    for (std::uint32_t i = 0; i < count && ok(); ++i) items.push_back(get());
    return items;
  }
  std::vector<std::string> strings(std::uint32_t maxItems = 4096) {
    return list(maxItems, [this] { return string(); });
  }
  // What a decoder finds wrong beyond the form.
  void refuse(std::string why);

  bool ok() const { return problem_.empty(); }
  // For what a newer version has put at the end of a message: absent in an older one's.
  bool more() const { return ok() && !rest_.empty(); }
  // kSandboxProtocol with `message` (the message's name), the place and the reason, when a read failed or bytes are
  // left.
  Result<void> finish(std::string_view message) const;

 private:
  std::uint64_t integer(std::size_t width);
  std::string_view rest_;
  std::size_t size_;
  std::size_t failedAt_ = 0;
  std::string problem_;
};

}  // namespace agentos::sandbox
