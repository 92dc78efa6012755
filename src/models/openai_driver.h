// SPDX-License-Identifier: Apache-2.0
// Any endpoint that speaks OpenAI's Chat Completions: POST <base_url>/chat/completions over HTTP/1.1 with kept
// connections. The key is read from a file, sent to that endpoint alone, and struck out of every message.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "models/curl_loop.h"
#include "models/driver.h"

namespace agentos::models {

struct OpenAiConfig {
  std::string name;                                          // what messages call the endpoint
  std::string baseUrl;                                       // "http://127.0.0.1:8000/v1"
  std::string apiKeyFile;                                    // empty: no key is sent
  std::vector<std::string> models;                           // the names it serves, as contracts write them
  std::vector<std::pair<std::string, std::string>> headers;  // further ones, "OpenAI-Organization"
  bool maxCompletionTokens = false;                          // the endpoint wants the newer name of max_tokens
  Nanoseconds connectTimeout = std::chrono::seconds(10);
  Nanoseconds firstByteTimeout =
      std::chrono::minutes(2);  // of a stream; the rest of a whole answer may take request.timeout
  Nanoseconds idleTimeout = std::chrono::minutes(1);  // between two pieces of an answer
  int retries = 3;  // on 429, 5xx and a refused connection, before the first byte only
  Nanoseconds backoff =
      std::chrono::milliseconds(500);  // the first wait; doubles, with jitter, at most 30 s; Retry-After wins
  std::size_t maxAnswerBytes = 16 << 20;
};

class OpenAiDriver final : public ModelDriver {
 public:
  // kConfig: a base_url that is no http(s) URL, a key file that cannot be read or holds no one-line key.
  static Result<std::unique_ptr<OpenAiDriver>> open(boost::asio::any_io_executor executor, OpenAiConfig config);

  std::vector<std::string> models() const override { return config_.models; }
  boost::asio::awaitable<Result<ChatAnswer>> complete(ChatRequest request, ChunkSink sink, Usage& usedSoFar) override;

 private:
  class Call;
  OpenAiDriver(boost::asio::any_io_executor executor, OpenAiConfig config, std::string key);
  Nanoseconds waitBefore(int retry, const Error& error);
  Error redacted(Error error) const;

  OpenAiConfig config_;
  std::string key_;
  CurlLoop loop_;
  std::minstd_rand jitter_{std::random_device{}()};
};

}  // namespace agentos::models
