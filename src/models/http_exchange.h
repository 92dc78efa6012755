// SPDX-License-Identifier: Apache-2.0
// One POST over a CurlLoop, read piece by piece with deadlines. What the reader has not taken is held up to a bound,
// and then the sender is made to wait. Going out of scope ends the transfer.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "models/curl_loop.h"

namespace agentos::models {

struct HttpPost {
  std::string url, body;
  std::vector<std::string> headers;  // "Name: value"
  Nanoseconds connectTimeout = std::chrono::seconds(10);
};

struct HttpHead {
  int status = 0;
  std::string contentType;
  std::optional<std::chrono::seconds> retryAfter;
};

class HttpExchange {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  HttpExchange(CurlLoop& loop, HttpPost post);
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  Result<void> start();
  // Status and headers. kUnreachable: no connection, nothing was sent; kModelUpstream: it broke; kTimedOut.
  boost::asio::awaitable<Result<HttpHead>> head(Deadline deadline);
  // The next bytes of the body; empty at its end.
  boost::asio::awaitable<Result<std::string>> read(Deadline deadline);
  // The whole request went out, so the other side may have worked on it.
  bool sent() const;

 private:
  static std::size_t onHeader(char* bytes, std::size_t size, std::size_t count, void* self);
  static std::size_t onBody(char* bytes, std::size_t size, std::size_t count, void* self);
  void wake() { signal_.cancel(); }
  boost::asio::awaitable<void> wait(Deadline deadline);
  Error brokenBy(CURLcode code) const;
  HttpHead readHead() const;

  CurlLoop& loop_;
  HttpPost post_;
  CURL* easy_;
  curl_slist* headers_ = nullptr;
  boost::asio::steady_timer signal_;
  std::string buffer_, detail_;
  std::size_t headerBytes_ = 0;
  bool headDone_ = false, paused_ = false;
  std::optional<CURLcode> ended_;
};

}  // namespace agentos::models
