// SPDX-License-Identifier: Apache-2.0
// Streams that go on: what there is, then a wait for news, again and again. Shared by the events and the logs.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "agentd/http/message.h"
#include "base/error.h"

namespace agentos::agentd {

// Rung by whoever has news. Held by shared_ptr: who rings may come while the one who waits is being cancelled.
class Bell {
 public:
  explicit Bell(boost::asio::io_context& io) : timer_(io) {}
  void ring();
  // Until it rings, or did since the last wait: true. False: `atMost` has passed.
  static boost::asio::awaitable<bool> wait(std::shared_ptr<Bell> self, std::chrono::milliseconds atMost);

 private:
  boost::asio::steady_timer timer_;
  bool rung_ = false;
};

// Rings when a file of the directory is written, made or moved there, until it goes. Where inotify has no more watches
// to give it never rings: the wait's own end serves.
class DirectoryWatch {
 public:
  DirectoryWatch(boost::asio::io_context& io, const std::string& directory, std::shared_ptr<Bell> bell);
  ~DirectoryWatch();
  DirectoryWatch(const DirectoryWatch&) = delete;
  DirectoryWatch& operator=(const DirectoryWatch&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

struct Portion {
  std::string bytes;  // empty: nothing new
  bool over = false;
};
using NextPortion = std::function<boost::asio::awaitable<Result<Portion>>()>;

struct Pace {
  std::chrono::milliseconds idle{1000};  // looks again after this, rung or not
  std::string keepAlive{};               // sent when so long nothing was
};

// Writes what `next` gives until it is over, it fails, or the client is gone (which is no failure).
boost::asio::awaitable<Result<void>> pump(http::Stream& stream, std::shared_ptr<Bell> bell, Pace pace,
                                          NextPortion next);

}  // namespace agentos::agentd
