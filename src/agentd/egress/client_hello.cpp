// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/client_hello.h"

namespace agentos::agentd::egress {
namespace {

constexpr std::uint8_t kHandshake = 22, kHelloType = 1, kHostName = 0;
constexpr std::size_t kRecordHead = 5, kMessageHead = 4, kLongestRecord = (16 << 10) + 256;

// Reads numbers and blocks from the front; once it has run over the end it stays broken.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool empty() const { return rest_.empty(); }
  std::size_t number(std::size_t size) {
    std::size_t value = 0;
    for (char c : take(size)) value = value * 256 + static_cast<unsigned char>(c);
    return value;
  }
  std::string_view block(std::size_t sizeBytes) { return take(number(sizeBytes)); }
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) ok_ = false;
    if (!ok_) return {};
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// The handshake bytes of the records, as far as they have come; nothing when a record is not one of a handshake.
std::optional<std::string> handshakeOf(std::string_view bytes) {
  std::string out;
  while (bytes.size() >= kRecordHead) {
    Cursor head(bytes);
    const auto type = head.number(1), version = head.number(2), length = head.number(2);
    if (type != kHandshake || version >> 8 != 3 || length == 0 || length > kLongestRecord) return std::nullopt;
    const auto body = bytes.substr(kRecordHead, length);
    out += body;
    if (body.size() < length) break;
    bytes.remove_prefix(kRecordHead + length);
    if (out.size() >= kMessageHead && out.size() >= kMessageHead + Cursor(std::string_view(out).substr(1)).number(3))
      break;
  }
  return out;
}

// One name, of the one type there is.
bool readNames(std::string_view extension, ClientHello& hello) {
  Cursor cursor(extension);
  Cursor list(cursor.block(2));
  if (!cursor.ok() || !cursor.empty() || list.number(1) != kHostName) return false;
  hello.name = std::string(list.block(2));
  return list.ok() && list.empty();
}

bool readExtensions(std::string_view bytes, ClientHello& hello) {
  Cursor list(bytes);
  bool named = false;
  while (list.ok() && !list.empty()) {
    const auto type = list.number(2);
    const auto body = list.block(2);
    if (!list.ok()) return false;
    if (type != 0) continue;
    if (named || !readNames(body, hello)) return false;
    named = true;
  }
  return list.ok();
}

bool readMessage(std::string_view message, ClientHello& hello) {
  Cursor cursor(message);
  cursor.take(2 + 32);  // version, random
  cursor.block(1);      // session id
  cursor.block(2);      // cipher suites
  cursor.block(1);      // compression methods
  if (!cursor.ok()) return false;
  if (cursor.empty()) return true;  // a client without extensions
  const auto extensions = cursor.block(2);
  return cursor.ok() && cursor.empty() && readExtensions(extensions, hello);
}

ClientHello stateOnly(ClientHello::State state) { return {state, std::nullopt}; }

}  // namespace

ClientHello readClientHello(std::string_view bytes) {
  using State = ClientHello::State;
  if (bytes.empty()) return stateOnly(State::kMore);
  if (static_cast<unsigned char>(bytes[0]) != kHandshake || (bytes.size() > 1 && bytes[1] != 3))
    return stateOnly(State::kNotTls);
  const auto handshake = handshakeOf(bytes);
  if (!handshake || (!handshake->empty() && handshake->front() != kHelloType)) return stateOnly(State::kBad);
  const auto tooLong = bytes.size() > kLongestHello;
  if (handshake->size() < kMessageHead) return stateOnly(tooLong ? State::kBad : State::kMore);
  const auto length = Cursor(std::string_view(*handshake).substr(1)).number(3);
  if (length > kLongestHello) return stateOnly(State::kBad);
  if (handshake->size() < kMessageHead + length) return stateOnly(tooLong ? State::kBad : State::kMore);
  ClientHello hello;
  hello.state = State::kWhole;
  if (!readMessage(std::string_view(*handshake).substr(kMessageHead, length), hello)) return stateOnly(State::kBad);
  return hello;
}

}  // namespace agentos::agentd::egress
