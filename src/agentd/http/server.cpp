// SPDX-License-Identifier: Apache-2.0
#include "agentd/http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <vector>

#include "agentd/http/connection.h"
#include "agentd/spawn_task.h"

namespace agentos::agentd::http {
namespace asio = boost::asio;
namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr auto kOutOfDescriptors = std::chrono::milliseconds(100);
using Listener = asio::posix::stream_descriptor;
using StatePtr = std::shared_ptr<Server::State>;

bool isShortage(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

bool isWaiting(int listener) {
  int before = errno;
  pollfd asked{listener, POLLIN, 0};
  bool waiting = ::poll(&asked, 1, 0) > 0;
  errno = before;
  return waiting;
}

asio::generic::stream_protocol protocolOf(int socket) {
  int domain = AF_UNIX;
  socklen_t size = sizeof domain;
  ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  return {domain, 0};
}

void take(const StatePtr& state, Fd accepted) {
  if (state->connections.size() >= state->options.maxConnections && !state->evictOne()) {
    constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
    [[maybe_unused]] auto told = ::send(accepted.get(), kFull.data(), kFull.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  int on = 1;
  auto protocol = protocolOf(accepted.get());
  if (protocol.family() != AF_UNIX) ::setsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  boost::system::error_code error;
  Connection::Socket socket(state->io);
  socket.assign(protocol, accepted.get(), error);
  if (error) return;
  [[maybe_unused]] int owned = accepted.release();
  auto connection = std::make_shared<Connection>(state, std::move(socket));
  spawnTask(state->io.get_executor(), state->options.name, connection->run());
}

// Takes what waits, at most a bunch so that running requests get their turn; the errno that stopped it, or 0.
int acceptSome(const StatePtr& state, int listener) {
  for (int taken = 0; taken < 64; ++taken) {
    Fd accepted(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (accepted) {
      take(state, std::move(accepted));
    } else if (errno == EAGAIN) {
      return 0;
    } else if (isShortage(errno) && !isWaiting(listener)) {
      return 0;  // the kernel takes a descriptor before it looks whether anybody is there
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return errno;
    }
  }
  return 0;
}

asio::awaitable<void> acceptLoop(StatePtr state, std::shared_ptr<Listener> listener) {
  asio::steady_timer pause(state->io);
  bool said = false;
  while (!state->closing) {
    auto [error] = co_await listener->async_wait(Listener::wait_read, kTuple);
    if (error || state->closing) break;
    int failed = acceptSome(state, listener->native_handle());
    if (failed == 0) {
      said = false;
      continue;
    }
    if (!isShortage(failed)) {
      spdlog::error("{}: accept: {}; this listener is given up", state->options.name, std::strerror(failed));
      break;
    }
    if (!std::exchange(said, true))
      spdlog::warn("{}: accept: {}; dropping idle connections", state->options.name, std::strerror(failed));
    state->evictOne();
    pause.expires_after(kOutOfDescriptors);
    co_await pause.async_wait(kTuple);
  }
  state->listeners.erase(listener.get());
}

}  // namespace

void Server::State::closeListeners() {
  boost::system::error_code ignored;
  for (Listener* listener : listeners) listener->close(ignored);
}

bool Server::State::evictOne() {
  Connection* choice = nullptr;
  for (Connection* one : connections) {
    if (one->isGone() || one->phase() == Connection::Phase::kServing) continue;
    if (choice == nullptr || one->phase() < choice->phase() ||
        (one->phase() == choice->phase() && one->since() < choice->since())) {
      choice = one;
    }
  }
  if (choice == nullptr) return false;
  choice->cut();
  return true;
}

Server::Server(asio::io_context& io, Application& application, ServerOptions options)
    : state_(std::make_shared<State>(io, application, std::move(options))) {}

Server::~Server() {
  state_->closing = true;
  state_->closeListeners();
  for (Connection* connection : std::vector(state_->connections.begin(), state_->connections.end())) connection->cut();
}

void Server::listen(Fd listener) {
  auto adopted = std::make_shared<Listener>(state_->io, listener.release());
  adopted->non_blocking(true);
  state_->listeners.insert(adopted.get());
  spawnTask(state_->io.get_executor(), state_->options.name + " accept", acceptLoop(state_, std::move(adopted)));
}

asio::awaitable<void> Server::close(std::chrono::milliseconds grace) {
  auto state = state_;
  state->closing = true;
  state->closeListeners();
  auto all = [&state] { return std::vector(state->connections.begin(), state->connections.end()); };
  for (Connection* connection : all()) connection->finish();
  auto end = std::chrono::steady_clock::now() + grace;
  bool cut = false;
  while (!state->connections.empty()) {
    if (!cut && std::chrono::steady_clock::now() >= end) {
      cut = true;
      for (Connection* connection : all()) connection->cut();
    }
    state->changed.expires_at(cut ? asio::steady_timer::time_point::max() : end);
    co_await state->changed.async_wait(kTuple);
  }
}

std::size_t Server::connections() const { return state_->connections.size(); }

}  // namespace agentos::agentd::http
