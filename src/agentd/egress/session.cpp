// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "agentd/egress/socket_address.h"
#include "agentd/http/problem.h"
#include "base/host_name.h"

namespace agentos::agentd::egress {
namespace asio = boost::asio;
namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kMostAddresses = 4;
constexpr auto kLinger = std::chrono::seconds(1);
constexpr std::size_t kMostLingered = 1 << 20;
using Steady = std::chrono::steady_clock;

std::unexpected<Refusal> unreachable(const std::string& target, const std::string& why, bool late) {
  return std::unexpected(Refusal{late ? 504 : 502,
                                 "unreachable",
                                 {late ? ErrorCode::kTimedOut : ErrorCode::kUnreachable,
                                  target + " cannot be reached: " + why,
                                  "try again later; the contract allows it",
                                  0,
                                  {}},
                                 {}});
}

// RFC 9209's word for it.
std::string_view proxyStatusOf(const Refusal& refusal) {
  if (refusal.word == "private_address") return "destination_ip_prohibited";
  if (refusal.word == "unresolved") return "dns_error";
  if (refusal.word == "bad_answer") return "http_protocol_error";
  if (refusal.status == 504) return "connection_timeout";
  if (refusal.status == 502) return "destination_unavailable";
  return refusal.status == 403 ? "http_request_denied" : "http_request_error";
}

std::string answerOf(const Refusal& refusal, bool withBody) {
  Json document = http::problemJson(refusal.error);
  document["status"] = refusal.status;
  document["refused"] = refusal.word;
  if (!refusal.rule.empty()) document["rule"] = refusal.rule;
  const std::string body = dumpJson(document) + "\n";
  const std::string_view reason = refusal.status == 403  ? "Forbidden"
                                  : refusal.status < 500 ? "Bad Request"
                                                         : "Bad Gateway";
  std::string head =
      "HTTP/1.1 " + std::to_string(refusal.status) + " " + std::string(reason) +
      "\r\nServer: agentd\r\nContent-Type: application/problem+json\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\nProxy-Status: agentd; error=" + std::string(proxyStatusOf(refusal)) + "; details=\"" + refusal.word +
      "\"\r\nConnection: close\r\n\r\n";
  return withBody ? head + body : head;
}

void noDelay(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

int domainOf(int socket) {
  int domain = AF_UNIX;
  socklen_t size = sizeof domain;
  ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  return domain;
}

}  // namespace

std::shared_ptr<Session> Session::make(std::shared_ptr<Door> door, Fd accepted) {
  auto session = std::make_shared<Session>(std::move(door));
  const int domain = domainOf(accepted.get());
  if (domain != AF_UNIX) noDelay(accepted.get());
  boost::system::error_code error;
  session->client_.assign({domain, 0}, accepted.get(), error);
  if (error) return nullptr;
  [[maybe_unused]] int owned = accepted.release();
  return session;
}

Session::Session(std::shared_ptr<Door> door)
    : door_(std::move(door)),
      client_(door_->shared().parts.io),
      server_(door_->shared().parts.io),
      timer_(door_->shared().parts.io),
      pace_(door_->shared().parts.io),
      joined_(door_->shared().parts.io, Steady::time_point::max()) {
  door_->enter(this);
}

Session::~Session() { door_->leave(this); }

void Session::cut() {
  gone_ = true;
  boost::system::error_code ignored;
  client_.close(ignored);
  server_.close(ignored);
  pace_.cancel();
  timer_.cancel();
  joined_.cancel();
}

void Session::allow(std::chrono::milliseconds limit) {
  timedOut_ = false;
  deadline_ = Steady::now() + limit;
  if (!armed_ || timer_.expiry() > deadline_) arm();
}

// Bytes have moved. The timer is left as it is: when it fires too early it is set again.
void Session::touch() {
  const Timing& timing = door_->shared().parts.timing;
  deadline_ = Steady::now() + (halfOpen_ ? timing.halfOpen : timing.idle);
  if (halfOpen_ && timer_.expiry() > deadline_) arm();
}

void Session::arm() {
  armed_ = true;
  timer_.expires_at(deadline_);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    auto self = weak.lock();
    if (error || !self || self->gone_) return;
    self->armed_ = false;
    Steady::now() >= self->deadline_ ? self->expire() : self->arm();
  });
}

void Session::expire() {
  timedOut_ = true;
  boost::system::error_code ignored;
  client_.cancel(ignored);
  server_.cancel(ignored);
  pace_.cancel();
}

asio::awaitable<void> Session::run() {
  auto self = shared_from_this();
  auto done = co_await serve();
  if (gone_) co_return;
  if (!done) co_await answer(std::move(done).error());
  boost::system::error_code ignored;
  server_.close(ignored);
  co_await linger();
  cut();
}

asio::awaitable<Session::Done> Session::serve() {
  auto head = co_await readHead();
  if (!head) co_return std::unexpected(std::move(head).error());
  head_ = *std::move(head);
  const auto allowed = judgeRequest(door_->book(), head_);
  if (!allowed) co_return std::unexpected(allowed.error());
  rule_ = &door_->book().rules[*allowed];
  if (door_->allowance(*rule_, 1) == 0)
    co_return refuse("max_bytes", "the bytes that the contract allows to " + head_.target() + " in one run are used up",
                     "a larger max_bytes in the contract", rule_->name);
  auto addresses = co_await findAddresses();
  if (gone_) co_return Done{};
  if (!addresses) co_return std::unexpected(std::move(addresses).error());
  if (auto connected = co_await connect(*std::move(addresses)); !connected || gone_) co_return connected;
  tally_ = &door_->tally(head_.target(), rule_->name);
  ++tally_->connections;
  if (!head_.tunnel) co_return co_await exchange();
  co_await tunnel();
  co_return Done{};
}

asio::awaitable<Allowed<RequestHead>> Session::readHead() {
  allow(door_->shared().parts.timing.head);
  std::string bytes;
  while (true) {
    const auto [error] = co_await client_.async_wait(Socket::wait_read, kTuple);
    if (gone_) break;
    if (timedOut_) co_return malformed("no whole request within 10 s", "send its head at once", 408);
    if (error) break;
    auto& scratch = door_->shared().scratch;
    const auto before = bytes.size();
    const auto count = ::recv(client_.native_handle(), scratch.data(), kLongestHead, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) break;
    bytes.append(scratch.data(), static_cast<std::size_t>(count));
    const auto end = bytes.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end != std::string::npos && end + 4 <= kLongestHead) {
      ahead_ = bytes.substr(end + 4);
      bytes.resize(end + 4);
      co_return parseRequestHead(bytes);
    }
    if (bytes.size() > kLongestHead) co_return malformed("a head of more than 16 KiB", "at most 16 KiB", 431);
    // A line that ends otherwise is told at once, and not after ten seconds.
    if (bytes.find("\n\n") != std::string::npos) co_return parseRequestHead(bytes);
  }
  cut();  // nobody is there to be told
  co_return malformed("a client that left", "");
}

asio::awaitable<Allowed<std::vector<IpAddress>>> Session::findAddresses() {
  std::vector<IpAddress> found;
  if (const auto literal = IpAddress::parse(head_.host)) {
    found.push_back(*literal);
  } else {
    auto resolved = co_await door_->shared().parts.resolver.resolve(head_.host);
    if (gone_) co_return found;
    if (!resolved) {
      const bool late = resolved.error().code == ErrorCode::kTimedOut;
      co_return std::unexpected(Refusal{late ? 504 : 502, "unresolved", std::move(resolved).error(), {}});
    }
    found = *std::move(resolved);
  }
  std::vector<IpAddress> good;
  std::optional<Refusal> refused;
  const auto permitted = door_->shared().parts.permitted();
  for (const IpAddress& address : found) {
    auto judged = judgeAddress(*rule_, head_, address, permitted);
    if (judged && !specialUse(address) && isOwnAddress(address)) {
      judged = refuse("private_address", head_.host + " is this machine itself (" + address.text() + ")",
                      "a server elsewhere; what runs here is reached by a private address that root's policy permits",
                      rule_->name);
    }
    if (judged && good.size() < kMostAddresses) good.push_back(address);
    if (!judged) refused = std::move(judged).error();
  }
  if (good.empty() && refused) co_return std::unexpected(*std::move(refused));
  co_return good;
}

asio::awaitable<Session::Done> Session::connect(std::vector<IpAddress> addresses) {
  const auto end = Steady::now() + door_->shared().parts.timing.connect;
  bool late = false;
  for (std::size_t at = 0; at < addresses.size(); ++at) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Steady::now());
    if (left.count() <= 0) break;
    const bool last = at + 1 == addresses.size();
    const bool connected =
        co_await connectTo(addresses[at], last ? left : std::max(left / 2, std::chrono::milliseconds(1)));
    if (gone_ || connected) co_return Done{};
    late = timedOut_;
  }
  co_return unreachable(head_.target(), late ? "no answer in time" : "it refuses, or no way leads there", late);
}

asio::awaitable<bool> Session::connectTo(IpAddress address, std::chrono::milliseconds patience) {
  const SocketAddress to(address, head_.port);
  Fd made(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) co_return false;
  noDelay(made.get());
  if (::connect(made.get(), to.get(), to.size()) != 0 && errno != EINPROGRESS) co_return false;
  boost::system::error_code failed;
  server_.close(failed);
  server_.assign({to.family(), 0}, made.get(), failed);
  if (failed) co_return false;
  [[maybe_unused]] int owned = made.release();
  allow(patience);
  const auto [error] = co_await server_.async_wait(Socket::wait_write, kTuple);
  if (gone_ || error) co_return false;
  int result = 0;
  socklen_t size = sizeof result;
  ::getsockopt(server_.native_handle(), SOL_SOCKET, SO_ERROR, &result, &size);
  co_return result == 0;
}

asio::awaitable<void> Session::answer(Refusal refusal) {
  if (refusal.status < 500) {
    door_->tellRefusal(refusal, head_.host.empty() ? "malformed" : head_.target(), head_.method);
  } else if (rule_ != nullptr) {
    ++door_->tally(head_.target(), rule_->name).refused;
  }
  allow(kLinger);
  co_await put(client_, answerOf(refusal, head_.method != "HEAD"));
}

void Session::refuseLate(Refusal refusal) {
  door_->tellRefusal(refusal, head_.target(), head_.method);
  cut();
}

// A socket that is closed with unread bytes in it resets, and the client may lose the answer that says why.
asio::awaitable<void> Session::linger() {
  boost::system::error_code ignored;
  client_.shutdown(Socket::shutdown_send, ignored);
  allow(kLinger);
  for (std::size_t total = 0; total < kMostLingered && !isEnded();) {
    const auto [error] = co_await client_.async_wait(Socket::wait_read, kTuple);
    if (error || isEnded()) break;
    auto& scratch = door_->shared().scratch;
    const auto count = ::recv(client_.native_handle(), scratch.data(), scratch.size(), MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) break;
    total += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
}

}  // namespace agentos::agentd::egress
