// SPDX-License-Identifier: Apache-2.0
// An HTTP server on a unix socket, as little as a client's test needs: it answers by method and path, keeps what it was
// asked, and can misbehave as a daemon that dies does.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace agentos::testing {

struct Asked {
  std::string method, target;                  // target with its query
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body{};
};

struct Answer {
  int status = 200;
  std::string body{};
  std::string contentType = "application/json";
  std::vector<std::string> chunks{};  // instead of body: chunked, one after the other
  bool cut = false;    // hang up without the end: after the chunks, or without an answer when there are none
  int delayMs = 0;     // before the answer
  int retryAfter = 0;  // seconds; 0: the header is left out
};

class FakeServer {
 public:
  explicit FakeServer(std::string path);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  // "GET /v1/agents" (without the query). The function sees how often it was asked before.
  void on(const std::string& methodAndPath, Answer answer);
  void on(const std::string& methodAndPath, std::function<Answer(const Asked&, int)> answer);
  std::vector<Asked> asked() const;
  Asked last() const;

 private:
  void serve();
  void talk(int connection);
  Answer answerTo(const Asked& asked);

  std::string path_;
  int listener_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::map<std::string, std::function<Answer(const Asked&, int)>> answers_;
  std::map<std::string, int> counts_;
  std::vector<Asked> asked_;
  std::thread thread_;
};

// A problem document as agentd writes one.
Answer problem(int status, const std::string& code, const std::string& detail, const std::string& remedy = {});

}  // namespace agentos::testing
