// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/poll.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/fd.h"

namespace agentos::agentd {
namespace asio = boost::asio;

void Bell::ring() {
  rung_ = true;
  timer_.cancel();
}

asio::awaitable<bool> Bell::wait(std::shared_ptr<Bell> self, std::chrono::milliseconds atMost) {
  if (!self->rung_) {
    self->timer_.expires_after(atMost);
    co_await self->timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_return std::exchange(self->rung_, false);
}

struct DirectoryWatch::State {
  State(asio::io_context& io, std::shared_ptr<Bell> rings) : inotify(io), bell(std::move(rings)) {}

  static void listen(const std::shared_ptr<State>& self) {
    self->inotify.async_wait(asio::posix::stream_descriptor::wait_read, [self](boost::system::error_code error) {
      if (error) return;
      std::array<char, 4096> events{};
      while (::read(self->inotify.native_handle(), events.data(), events.size()) > 0) {
      }
      self->bell->ring();
      listen(self);
    });
  }
  asio::posix::stream_descriptor inotify;
  std::shared_ptr<Bell> bell;
};

DirectoryWatch::DirectoryWatch(asio::io_context& io, const std::string& directory, std::shared_ptr<Bell> bell) {
  Fd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd || ::inotify_add_watch(fd.get(), directory.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) return;
  state_ = std::make_shared<State>(io, std::move(bell));
  state_->inotify.assign(fd.release());
  State::listen(state_);
}

DirectoryWatch::~DirectoryWatch() {
  boost::system::error_code ignored;  // it is closed all the same
  if (state_) state_->inotify.close(ignored);
}

asio::awaitable<Result<void>> pump(http::Stream& stream, std::shared_ptr<Bell> bell, Pace pace, NextPortion next) {
  while (true) {
    AGENTOS_CO_TRY(auto portion, co_await next());
    const bool silent = portion.bytes.empty();
    if (!silent && !co_await stream.write(std::move(portion.bytes))) co_return Result<void>();
    if (portion.over) co_return Result<void>();
    if (!silent || co_await Bell::wait(bell, pace.idle) || pace.keepAlive.empty()) continue;
    if (!co_await stream.write(pace.keepAlive)) co_return Result<void>();
  }
}

}  // namespace agentos::agentd
