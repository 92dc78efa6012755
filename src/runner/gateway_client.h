// SPDX-License-Identifier: Apache-2.0
// The runner's line to agentd: plain HTTP to the gateway in its own room, one call at a time. While a call waits, the
// gateway is told that the runner lives, and a stop is heeded.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

namespace agentos::runner {

struct Reply {
  int status = 0;  // 0: no answer came; `text` says why
  std::string text;
  Json body;  // null when the answer is no JSON
  std::optional<std::chrono::seconds> retryAfter;
  bool ok() const { return status / 100 == 2; }
  // The stable name of the error: "budget.exhausted". From a problem document's type, or error.code of OpenAI's shape.
  std::string code() const;
  // What the gateway says is wrong, in one line.
  std::string message() const;
};

class GatewayClient {
 public:
  // `stop` is looked at once a second at least while a call waits.
  GatewayClient(std::string base, const std::atomic<bool>& stop, Nanoseconds heartbeat);
  ~GatewayClient();
  GatewayClient(const GatewayClient&) = delete;
  GatewayClient& operator=(const GatewayClient&) = delete;

  Reply get(const std::string& path);
  Reply post(const std::string& path, const Json& body, Nanoseconds timeout = std::chrono::seconds(30));
  // The same even when a stop was asked for: for the last word.
  Reply postAnyway(const std::string& path, const Json& body);
  // POST /self/heartbeat when it is time; to be called from everything that takes long.
  void beat();
  bool stopping() const { return stop_; }

 private:
  Reply perform(CURL* easy, const std::string& path, const std::string* body, Nanoseconds timeout, bool heedStop);
  static int onProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);

  std::string base_;
  const std::atomic<bool>& stop_;
  Nanoseconds heartbeat_;
  std::chrono::steady_clock::time_point lastBeat_ = std::chrono::steady_clock::now();
  CURL* calls_;
  CURL* beats_;
};

}  // namespace agentos::runner
