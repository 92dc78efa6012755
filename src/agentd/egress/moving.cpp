// SPDX-License-Identifier: Apache-2.0
// What a session does once it is connected: a tunnel, or one request and its answer.
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "agentd/egress/session.h"
#include "agentd/spawn_task.h"

namespace agentos::agentd::egress {
namespace asio = boost::asio;
namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kMostInterim = 8;

bool isPassing(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

bool Session::count(Way way, std::uint64_t bytes) {
  if (door_->allowance(*rule_, bytes) < bytes) return false;
  (way == Way::kUp ? tally_->up : tally_->down) += bytes;
  return true;
}

asio::awaitable<std::optional<std::string_view>> Session::take(Socket& from, Way way, std::size_t most) {
  auto& scratch = door_->shared().scratch;
  while (!isEnded()) {
    const auto [error] = co_await from.async_wait(Socket::wait_read, kTuple);
    if (error || isEnded()) break;
    const auto size = door_->allowance(*rule_, std::min(most, scratch.size()));
    if (size == 0) {
      refuseLate(refuse("max_bytes",
                        "the bytes that the contract allows to " + head_.target() + " in one run are used up",
                        "a larger max_bytes in the contract", rule_->name)
                     .error());
      break;
    }
    const auto count = ::recv(from.native_handle(), scratch.data(), size, MSG_DONTWAIT);
    if (count < 0 && isPassing(errno)) continue;
    if (count < 0) break;
    const auto bytes = static_cast<std::size_t>(count);
    (way == Way::kUp ? tally_->up : tally_->down) += bytes;
    if (const auto pause = door_->moved(bytes); pause.count() > 0) {
      const std::string kept(scratch.data(), bytes);  // the buffer is others' while this one waits
      pace_.expires_after(pause);
      co_await pace_.async_wait(kTuple);
      if (isEnded()) break;
      std::ranges::copy(kept, scratch.begin());
    }
    touch();
    co_return std::string_view(scratch.data(), bytes);
  }
  co_return std::nullopt;
}

// Most writes never wait: the socket takes them at once.
asio::awaitable<bool> Session::put(Socket& to, std::string_view bytes) {
  if (isEnded()) co_return false;
  const auto sent = ::send(to.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && !isPassing(errno)) co_return false;
  const auto taken = sent < 0 ? 0 : static_cast<std::size_t>(sent);
  if (taken == bytes.size()) co_return true;
  co_return co_await putRest(to, std::string(bytes.substr(taken)));
}

asio::awaitable<bool> Session::putRest(Socket& to, std::string rest) {
  std::string_view left = rest;
  while (!left.empty()) {
    const auto [error] = co_await to.async_wait(Socket::wait_write, kTuple);
    if (error || isEnded()) co_return false;
    const auto sent = ::send(to.native_handle(), left.data(), left.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && !isPassing(errno)) co_return false;
    if (sent <= 0) continue;
    left.remove_prefix(static_cast<std::size_t>(sent));
    if (tally_ != nullptr) touch();
  }
  co_return true;
}

asio::awaitable<bool> Session::moveAll(Socket& from, Socket& to, Way way) {
  while (true) {
    const auto bytes = co_await take(from, way, std::string::npos);
    if (!bytes) co_return false;
    if (bytes->empty()) break;
    if (!co_await put(to, *bytes)) co_return false;
  }
  boost::system::error_code ignored;
  to.shutdown(Socket::shutdown_send, ignored);
  halfOpen_ = true;
  touch();
  co_return true;
}

asio::awaitable<bool> Session::moveSome(Socket& from, Socket& to, Way way, std::uint64_t length) {
  while (length > 0) {
    const auto bytes = co_await take(from, way, static_cast<std::size_t>(std::min<std::uint64_t>(length, 1 << 20)));
    if (!bytes || bytes->empty()) co_return false;
    length -= bytes->size();
    if (!co_await put(to, *bytes)) co_return false;
  }
  co_return true;
}

asio::awaitable<void> Session::tunnel() {
  allow(door_->shared().parts.timing.head);
  if (!co_await put(client_, "HTTP/1.1 200 Connection established\r\n\r\n")) co_return cut();
  if (rule_->tls && !co_await checkHello()) co_return cut();
  touch();
  if (!count(Way::kUp, ahead_.size()) || !co_await put(server_, std::exchange(ahead_, {}))) co_return cut();
  auto up = [](std::shared_ptr<Session> self) -> asio::awaitable<void> {
    if (!co_await self->moveAll(self->client_, self->server_, Way::kUp)) self->cut();
    self->otherDone_ = true;
    self->joined_.cancel();
  };
  spawnTask(client_.get_executor(), "egress up", up(shared_from_this()));
  if (!co_await moveAll(server_, client_, Way::kDown)) cut();
  while (!otherDone_ && !gone_) co_await joined_.async_wait(kTuple);
  cut();
}

// Reads until the client has said whom it asks for; what was read goes to the server after it.
asio::awaitable<bool> Session::checkHello() {
  using State = ClientHello::State;
  auto hello = readClientHello(ahead_);
  while (hello.state == State::kMore) {
    const auto [error] = co_await client_.async_wait(Socket::wait_read, kTuple);
    if (error || isEnded()) co_return false;
    auto& scratch = door_->shared().scratch;
    const auto got = ::recv(client_.native_handle(), scratch.data(), scratch.size(), MSG_DONTWAIT);
    if (got < 0 && isPassing(errno)) continue;
    if (got <= 0) co_return false;
    ahead_.append(scratch.data(), static_cast<std::size_t>(got));
    hello = readClientHello(ahead_);
  }
  Allowed<void> judged;
  if (hello.state == State::kWhole) {
    judged = judgeServerName(*rule_, head_, hello.name);
  } else {
    judged = refuse("not_tls", "a tunnel to " + head_.target() + " that carries something other than TLS",
                    "TLS, or `tunnel: any` in the rule", rule_->name);
  }
  if (judged) co_return true;
  if (hello.state == State::kWhole) co_await put(client_, kUnrecognizedName);
  door_->tellRefusal(judged.error(), head_.target(), head_.method);
  co_return false;
}

asio::awaitable<Session::Done> Session::exchange() {
  allow(door_->shared().parts.timing.idle);
  const std::string request = forwardedHead(head_);
  const bool sent = count(Way::kUp, request.size()) && co_await put(server_, request);
  if (!sent && gone_) co_return Done{};
  if (sent) {
    if (head_.expectsContinue && head_.framing != Framing::kNone && ahead_.empty())
      co_await put(client_, "HTTP/1.1 100 Continue\r\n\r\n");
    auto body = [](std::shared_ptr<Session> self) -> asio::awaitable<void> {
      co_await self->sendBody();
      self->otherDone_ = true;
    };
    spawnTask(client_.get_executor(), "egress body", body(shared_from_this()));
  }
  auto head = co_await readAnswerHead();
  if (gone_) co_return Done{};
  if (!head) co_return std::unexpected(std::move(head).error());
  const std::string told = forwardedHead(*head, head_.http10);
  if (!co_await put(client_, told) || !co_await moveAnswer(*std::move(head))) cut();
  co_return Done{};
}

// A body that breaks off or is not what it says ends the call: the server is sent no end of it.
asio::awaitable<void> Session::sendBody() {
  bool whole = true;
  if (head_.framing == Framing::kLength) whole = co_await sendLength();
  if (head_.framing == Framing::kChunked) whole = co_await sendChunks();
  if (!whole && !gone_ && server_.is_open()) {
    // The server may have answered already, and read no further.
    boost::system::error_code ignored;
    server_.shutdown(Socket::shutdown_send, ignored);
    co_return;
  }
  if (whole) co_await watchClient();
}

asio::awaitable<bool> Session::sendLength() {
  const auto now = std::min<std::uint64_t>(ahead_.size(), head_.length);
  const std::string first = ahead_.substr(0, now);  // what comes after is nobody's
  ahead_.clear();
  if (!count(Way::kUp, first.size()) || !co_await put(server_, first)) co_return false;
  co_return co_await moveSome(client_, server_, Way::kUp, head_.length - now);
}

asio::awaitable<bool> Session::sendChunks() {
  ChunkReader reader;
  std::string bytes = std::exchange(ahead_, {}), payload;
  if (!count(Way::kUp, bytes.size())) co_return false;
  while (true) {
    payload.clear();
    if (!reader.feed(bytes, payload)) {
      refuseLate(malformed("a chunked body that is none", "chunks as RFC 9112 says").error());
      co_return false;
    }
    if (!payload.empty() && !co_await put(server_, chunkOf(payload))) co_return false;
    if (reader.done()) break;
    const auto more = co_await take(client_, Way::kUp, std::string::npos);
    if (!more || more->empty()) co_return false;
    bytes = *more;
  }
  co_return co_await put(server_, kLastChunk);
}

// While the answer comes: a client that is gone ends the call; one that only has no more to say does not.
asio::awaitable<void> Session::watchClient() {
  while (!isEnded()) {
    const auto [error] = co_await client_.async_wait(Socket::wait_read, kTuple);
    if (error || isEnded()) co_return;
    char byte = 0;
    const auto got = ::recv(client_.native_handle(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    if (got < 0 && isPassing(errno)) continue;
    if (got < 0) co_return cut();
    if (got == 0) {
      halfOpen_ = true;
      touch();
    }
    co_return;  // a second request is not read: the connection ends with this answer
  }
}

asio::awaitable<Allowed<ResponseHead>> Session::readAnswerHead() {
  auto gone = [this](const std::string& why) -> Allowed<ResponseHead> {
    return std::unexpected(Refusal{timedOut_ ? 504 : 502,
                                   "unreachable",
                                   {timedOut_ ? ErrorCode::kTimedOut : ErrorCode::kUnreachable,
                                    head_.target() + " " + why,
                                    "try again later",
                                    0,
                                    {}},
                                   {}});
  };
  std::string bytes;
  for (std::size_t interim = 0; interim < kMostInterim;) {
    const auto end = bytes.find("\r\n\r\n");
    if (std::min(end, bytes.size()) > kLongestAnswerHead) co_return gone("answered with a head of more than 64 KiB");
    if (end != std::string::npos) {
      auto head = parseResponseHead(std::string_view(bytes).substr(0, end + 4), head_.method);
      bytes.erase(0, end + 4);
      if (head && head->interim()) {
        ++interim;
        continue;
      }
      serverAhead_ = std::move(bytes);
      co_return head;
    }
    const auto more = co_await take(server_, Way::kDown, 16 << 10);
    if (!more) co_return gone(timedOut_ ? "did not answer in time" : "broke off before it answered");
    if (more->empty()) co_return gone("ended before it answered");
    bytes += *more;
  }
  co_return gone("sends no answer but interim ones");
}

asio::awaitable<bool> Session::moveAnswer(ResponseHead head) {
  std::string bytes = std::exchange(serverAhead_, {}), payload;
  if (head.framing == Framing::kNone) co_return true;
  if (head.framing == Framing::kLength) {
    bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), head.length)));
    co_return co_await put(client_, bytes) &&
        co_await moveSome(server_, client_, Way::kDown, head.length - bytes.size());
  }
  if (head.framing == Framing::kUntilEnd)
    co_return co_await put(client_, bytes) && co_await moveAll(server_, client_, Way::kDown);
  ChunkReader reader;
  while (true) {
    payload.clear();
    if (!reader.feed(bytes, payload)) co_return false;
    if (!payload.empty() && !co_await put(client_, head_.http10 ? payload : chunkOf(payload))) co_return false;
    if (reader.done()) break;
    const auto more = co_await take(server_, Way::kDown, std::string::npos);
    if (!more || more->empty()) co_return false;
    bytes = *more;
  }
  co_return head_.http10 || co_await put(client_, kLastChunk);
}

}  // namespace agentos::agentd::egress
