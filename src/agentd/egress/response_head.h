// SPDX-License-Identifier: Apache-2.0
// The head of a server's answer, and chunked bodies of either side. Read as strictly as requests: a server is not
// trusted to say where its answer ends in two ways. Pure.
#pragma once

#include <string>
#include <string_view>

#include "agentd/egress/request_head.h"

namespace agentos::agentd::egress {

struct ResponseHead {
  int status = 0;
  std::string reason;
  HeaderFields headers;  // without what is between two hops
  Framing framing = Framing::kUntilEnd;
  std::uint64_t length = 0;
  bool interim() const { return status < 200; }
};

inline constexpr std::size_t kLongestAnswerHead = 64 << 10;

Allowed<ResponseHead> parseResponseHead(std::string_view head, std::string_view method);
// What the agent is sent. A chunked body is chunked again, unless the client speaks HTTP/1.0.
std::string forwardedHead(const ResponseHead& head, bool http10);

// Takes a chunked body apart (RFC 9112, 7.1): extensions and trailers are dropped, so that what is framed again means
// one thing.
class ChunkReader {
 public:
  // Takes bytes until the body's end; what they carry is added to `payload`. How many were taken; nothing when they
  // are not chunked as they should be.
  std::optional<std::size_t> feed(std::string_view bytes, std::string& payload);
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State : std::uint8_t {
    kSize,
    kExtension,
    kSizeEnd,
    kData,
    kDataEnd,
    kDataEnd2,
    kTrailer,
    kTrailerEnd,
    kDone
  };
  bool step(char c);
  bool sizeDigit(char c);
  bool trailer(char c);
  State state_ = State::kSize;
  std::uint64_t left_ = 0;
  std::size_t digits_ = 0, skipped_ = 0, line_ = 0;
};

std::string chunkOf(std::string_view payload);  // "5\r\nhello\r\n"
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace agentos::agentd::egress
