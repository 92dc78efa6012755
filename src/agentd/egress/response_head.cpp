// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/response_head.h"

#include <algorithm>

#include "base/text.h"

namespace agentos::agentd::egress {
namespace {

constexpr std::size_t kMostDigits = 15;        // of a chunk's size
constexpr std::size_t kMostSkipped = 8 << 10;  // extensions and trailers of one body
constexpr std::size_t kMostAnswerHeaders = 200;

std::unexpected<Refusal> badAnswer(std::string what) {
  return std::unexpected(Refusal{502,
                                 "bad_answer",
                                 {ErrorCode::kUnreachable,
                                  "the server answered with " + std::move(what),
                                  "an answer that means one thing: the server is to be mended",
                                  0,
                                  {}},
                                 {}});
}

bool isDigit(char c) { return c >= '0' && c <= '9'; }

// "HTTP/1.1 200 OK".
bool readStatus(ResponseHead& head, std::string_view line) {
  const bool known = line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ");
  if (!known || line.size() < 12 || !std::ranges::all_of(line.substr(9, 3), isDigit)) return false;
  if (line.size() > 12 && line[12] != ' ') return false;
  head.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  head.reason = std::string(line.substr(std::min<std::size_t>(13, line.size())));
  auto printable = [](char c) { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F); };
  return head.status >= 100 && head.status < 600 && std::ranges::all_of(head.reason, printable);
}

Allowed<void> readFraming(ResponseHead& head, std::string_view method) {
  const auto lengths = valuesOf(head.headers, "content-length"), codings = valuesOf(head.headers, "transfer-encoding");
  if (lengths.size() > 1 || codings.size() > 1 || (!lengths.empty() && !codings.empty()))
    return badAnswer("more than one length");
  if (!codings.empty() && lower(codings.front()) != "chunked")
    return badAnswer("a transfer coding that is not chunked");
  if (!lengths.empty()) {
    const auto length = lengthOf(lengths.front());
    if (!length) return badAnswer("a Content-Length that is no number");
    head.length = *length;
    head.framing = Framing::kLength;
  } else if (!codings.empty()) {
    head.framing = Framing::kChunked;
  }
  if (method == "HEAD" || head.interim() || head.status == 204 || head.status == 304) head.framing = Framing::kNone;
  return {};
}

int hexOf(char c) {
  if (isDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

Allowed<ResponseHead> parseResponseHead(std::string_view text, std::string_view method) {
  const auto lines = linesOf(text);
  ResponseHead head;
  if (!lines || lines->empty() || lines->size() > kMostAnswerHeaders || !readStatus(head, lines->front()))
    return badAnswer("a head that is not HTTP/1.1");
  for (const auto line : std::span(*lines).subspan(1)) {
    auto field = headerOf(line);
    if (!field) return badAnswer("a header line that is none");
    head.headers.push_back(*std::move(field));
  }
  if (head.status == 101) return badAnswer("another protocol, which was not asked for");
  if (auto done = readFraming(head, method); !done) return std::unexpected(std::move(done).error());
  dropHopByHop(head.headers);
  // Of an answer without a body it is a matter of information, and kept; else it is written again.
  if (head.framing != Framing::kNone)
    std::erase_if(head.headers, [](const auto& field) { return lower(field.first) == "content-length"; });
  return head;
}

std::string forwardedHead(const ResponseHead& head, bool http10) {
  std::string out = "HTTP/1.1 " + std::to_string(head.status) + " " + head.reason + "\r\n";
  for (const auto& [name, value] : head.headers) {
    out += name;
    out += ": " + value + "\r\n";
  }
  if (head.framing == Framing::kLength) out += "Content-Length: " + std::to_string(head.length) + "\r\n";
  if (head.framing == Framing::kChunked && !http10) out += "Transfer-Encoding: chunked\r\n";
  return out + "Connection: close\r\n\r\n";
}

bool ChunkReader::sizeDigit(char c) {
  const int digit = hexOf(c);
  if (digit >= 0) {
    if (++digits_ > kMostDigits) return false;
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return true;
  }
  if (digits_ == 0) return false;
  if (c == '\r') state_ = State::kSizeEnd;
  if (c == ';') state_ = State::kExtension;
  return c == '\r' || c == ';';
}

bool ChunkReader::trailer(char c) {
  if (++skipped_ > kMostSkipped) return false;
  if (c == '\r') {
    state_ = State::kTrailerEnd;
    return true;
  }
  ++line_;
  return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
}

// Everything but the payload itself.
bool ChunkReader::step(char c) {
  switch (state_) {
    case State::kSize:
      return sizeDigit(c);
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeEnd;
        return true;
      }
      return ++skipped_ <= kMostSkipped && (c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F));
    case State::kSizeEnd:
      state_ = left_ == 0 ? State::kTrailer : State::kData;
      line_ = 0;
      return c == '\n';
    case State::kDataEnd:
      state_ = State::kDataEnd2;
      return c == '\r';
    case State::kDataEnd2:
      state_ = State::kSize;
      digits_ = 0;
      return c == '\n';
    case State::kTrailer:
      return trailer(c);
    case State::kTrailerEnd:
      state_ = line_ == 0 ? State::kDone : State::kTrailer;
      line_ = 0;
      return c == '\n';
    case State::kData:
    case State::kDone:
      break;
  }
  return false;
}

std::optional<std::size_t> ChunkReader::feed(std::string_view bytes, std::string& payload) {
  std::size_t at = 0;
  while (at < bytes.size() && !done()) {
    if (state_ == State::kData) {
      const auto count = std::min<std::uint64_t>(left_, bytes.size() - at);
      payload.append(bytes.substr(at, count));
      at += count;
      left_ -= count;
      if (left_ == 0) state_ = State::kDataEnd;
    } else if (!step(bytes[at++])) {
      return std::nullopt;
    }
  }
  return at;
}

std::string chunkOf(std::string_view payload) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string size;
  for (auto left = payload.size(); left > 0; left /= 16) size.insert(size.begin(), kDigits[left % 16]);
  return size + "\r\n" + std::string(payload) + "\r\n";
}

}  // namespace agentos::agentd::egress
