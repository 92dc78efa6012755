// SPDX-License-Identifier: Apache-2.0
// A small HTTP server that a test tells what to answer: whole or in pieces, late, half, or lies. A thread a connection;
// requests are read by Beast, answers are the raw bytes that the test writes.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace agentos {

struct FakeRequest {
  std::string method, target, body;
  std::vector<std::pair<std::string, std::string>> headers;
  int connection = 0;  // counted from 1
  std::string header(std::string_view name) const;
};

class FakeConnection {
 public:
  virtual ~FakeConnection() = default;
  virtual bool write(std::string_view bytes) = 0;  // false: the client is gone
  virtual bool clientGone() = 0;
  virtual void close() = 0;  // no further request is read
  // Waits, but not past the server's end.
  virtual void sleep(std::chrono::milliseconds time) = 0;

  void answer(int status, std::string_view body, std::string_view extraHeaders = {},
              std::string_view type = "application/json");
  // A chunked event stream: begin, then events, then end.
  void beginStream();
  bool event(std::string_view data);
  bool chunk(std::string_view bytes);
  void endStream();
};

class FakeEndpoint {
 public:
  using Handler = std::function<void(const FakeRequest&, FakeConnection&)>;
  explicit FakeEndpoint(Handler handler);
  ~FakeEndpoint();
  FakeEndpoint(const FakeEndpoint&) = delete;
  FakeEndpoint& operator=(const FakeEndpoint&) = delete;

  int port() const;
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port()); }
  std::vector<FakeRequest> requests() const;
  int connections() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace agentos
