// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/door.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <vector>

#include "agentd/egress/session.h"
#include "agentd/spawn_task.h"

namespace agentos::agentd::egress {
namespace asio = boost::asio;
namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr auto kOutOfDescriptors = std::chrono::milliseconds(100);
constexpr auto kBurst = std::chrono::milliseconds(50);  // what a rate lets through at once
constexpr std::size_t kAlways = 8;                      // calls of a room that find a place when all are taken
constexpr std::size_t kMostTold = 64;                   // different refusals of one run that are events
using Listener = asio::posix::stream_descriptor;
using Steady = std::chrono::steady_clock;

bool isShortage(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

void begin(const std::shared_ptr<Door>& door, Fd accepted) {
  if (door->isFull()) {
    constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
    [[maybe_unused]] auto told = ::send(accepted.get(), kFull.data(), kFull.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  auto session = Session::make(door, std::move(accepted));
  if (!session) return;
  spawnTask(door->shared().parts.io.get_executor(), "egress of " + door->id().str(), session->run());
}

// The errno that stopped it, or 0.
int acceptSome(const std::shared_ptr<Door>& door, int listener) {
  for (int taken = 0; taken < 32; ++taken) {
    Fd accepted(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (accepted) {
      begin(door, std::move(accepted));
    } else if (errno == EAGAIN) {
      return 0;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return errno;
    }
  }
  return 0;
}

asio::awaitable<void> acceptLoop(std::shared_ptr<Door> door, std::shared_ptr<Listener> listener) {
  asio::steady_timer pause(listener->get_executor());
  while (!door->closed()) {
    auto [error] = co_await listener->async_wait(Listener::wait_read, kTuple);
    if (error || door->closed()) break;
    const int failed = acceptSome(door, listener->native_handle());
    if (failed == 0) continue;
    if (!isShortage(failed)) {
      spdlog::error("egress of {}: accept: {}; its way out is closed", door->id().str(), std::strerror(failed));
      break;
    }
    pause.expires_after(kOutOfDescriptors);
    co_await pause.async_wait(kTuple);
  }
}

}  // namespace

Door::Door(std::shared_ptr<Proxy::Shared> shared, InstanceId id, std::shared_ptr<const contract::Contract> contract,
           std::string trace)
    : shared_(std::move(shared)),
      id_(std::move(id)),
      contract_(std::move(contract)),
      trace_(std::move(trace)),
      book_(rulesOf(*contract_)),
      saver_(shared_->parts.io) {
  load();
}

void Door::load() {
  auto account = shared_->parts.books.load(id_);
  if (account) {
    account_ = *std::move(account);
  } else {
    spdlog::error("egress of {}: {}; it is counted from nothing", id_.str(), account.error().message());
  }
  if (book_.open() && account_.fresh) tell("egress.unrestricted", {{"reason", book_.openReason}}, true);
}

void Door::listen(Fd listener) {
  listener_ = std::make_shared<Listener>(shared_->parts.io, listener.release());
  listener_->non_blocking(true);
  spawnTask(shared_->parts.io.get_executor(), "egress accept of " + id_.str(),
            acceptLoop(shared_from_this(), listener_));
}

void Door::close(bool ended) {
  if (std::exchange(closed_, true)) return;
  boost::system::error_code ignored;
  if (listener_) listener_->close(ignored);
  for (Session* session : std::vector(sessions_.begin(), sessions_.end())) session->cut();
  saver_.cancel();
  if (account_.empty()) return;
  save();
  if (ended) tell("egress.summary", {{"bytes", account_.bytes()}, {"used", toJson(account_)}}, false);
}

void Door::enter(Session* session) {
  sessions_.insert(session);
  ++shared_->connections;
}

void Door::leave(Session* session) {
  sessions_.erase(session);
  --shared_->connections;
}

bool Door::isFull() const {
  if (sessions_.size() < kAlways) return false;  // other rooms' calls keep nobody out
  return sessions_.size() >= shared_->parts.connectionsPerRoom || shared_->connections >= shared_->parts.connections;
}

std::size_t Door::allowance(const Rule& rule, std::size_t most) const {
  auto under = [&](std::optional<Bytes> cap, std::uint64_t used) {
    if (cap) most = static_cast<std::size_t>(std::min<std::uint64_t>(most, cap->count - std::min(cap->count, used)));
  };
  if (rule.maxBytes) under(rule.maxBytes, account_.bytesOf(rule.name));
  if (book_.maxBytes) under(book_.maxBytes, account_.bytes());
  return most;
}

Steady::duration Door::moved(std::uint64_t bytes) {
  saveSoon();
  if (!book_.rate || book_.rate->count == 0) return {};
  const auto now = Steady::now();
  const std::chrono::duration<double> cost(static_cast<double>(bytes) / static_cast<double>(book_.rate->count));
  free_ = std::max(free_, now) + std::chrono::duration_cast<Steady::duration>(cost);
  return free_ - now > kBurst ? free_ - now - kBurst : Steady::duration{};
}

void Door::tellRefusal(const Refusal& refusal, const std::string& destination, const std::string& method) {
  ++account_.of(destination, refusal.rule).refused;
  saveSoon();
  if (told_.size() >= kMostTold || !told_.insert(refusal.word + " " + destination).second) return;
  tell("egress.refused",
       {{"destination", destination},
        {"method", method.empty() ? Json(nullptr) : Json(method)},
        {"refused", refusal.word},
        {"rule", refusal.rule.empty() ? Json(nullptr) : Json(refusal.rule)},
        {"why", refusal.error.what},
        {"remedy", refusal.error.remedy}},
       false);
}

void Door::saveSoon() {
  if (closed_ || std::exchange(saving_, true)) return;
  saver_.expires_after(shared_->parts.timing.save);
  saver_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    auto self = weak.lock();
    if (error || !self) return;
    self->saving_ = false;
    self->save();
  });
}

void Door::save() {
  if (auto saved = shared_->parts.books.save(id_, account_); !saved)
    spdlog::error("egress of {}: its books: {}", id_.str(), saved.error().message());
}

void Door::tell(std::string kind, Json data, bool durable) {
  govern::AuditEvent event{.kind = std::move(kind),
                           .actor = "agent:" + id_.str(),
                           .agent = std::string(agentOf(id_)),
                           .instance = id_.str(),
                           .task = {},
                           .contract = contract_->digest,
                           .trace = trace_,
                           .data = std::move(data)};
  auto& events = shared_->parts.events;
  auto kept = durable ? events.record(std::move(event)) : events.note(std::move(event));
  if (!kept) spdlog::error("egress of {}: audit: {}", id_.str(), kept.error().message());
}

Json Door::view() const {
  Json rules = Json::array();
  for (const Rule& rule : book_.rules) rules.push_back(rule.text);
  return {{"unrestricted", book_.open() ? Json(book_.openReason) : Json(nullptr)},
          {"rules", std::move(rules)},
          {"connections", sessions_.size()},
          {"used", toJson(account_)}};
}

}  // namespace agentos::agentd::egress
