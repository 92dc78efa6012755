// SPDX-License-Identifier: Apache-2.0
// A model driver answers a chat completion. Requests and answers have the shape of the OpenAI Chat Completions API
// (JSON), which is also what the gateway serves: an answer that needs no translation is passed on as it came.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/units.h"
#include "models/offload.h"

namespace agentos::models {

struct Usage {
  std::int64_t inputTokens = 0, outputTokens = 0, cachedTokens = 0;  // cached ⊂ input
  bool operator==(const Usage&) const = default;
};

struct ChatRequest {
  std::string model;            // the name that the driver's endpoint knows
  std::string agent, instance;  // who asks: for scripts and for fairness, never sent to an endpoint
  Json body;                    // as the agent sent it; `model`, `stream` and `stream_options` are the driver's to set
  bool stream = false;
  Nanoseconds timeout = std::chrono::minutes(10);
  std::int64_t inputTokens = 0;  // estimated (estimate.h); 0: the driver estimates
  Offload offload = {};
};

struct ChatAnswer {
  Json body;    // chat.completion object; for a stream, the message put together from its chunks
  Usage usage;  // estimated (usageKnown=false) when the endpoint did not say
  bool usageKnown = false;
};

// One chat.completion.chunk, in order. An error tells the driver to stop: the client is gone.
using ChunkSink = std::function<boost::asio::awaitable<Result<void>>(const Json& chunk)>;

class ModelDriver {
 public:
  virtual ~ModelDriver() = default;
  // Names this driver serves, as contracts write them: "scripted/default", "local/llama-3.1-8B".
  virtual std::vector<std::string> models() const = 0;
  // With request.stream every chunk goes to `sink` as it arrives. What was used before a failure is in `usedSoFar`.
  virtual boost::asio::awaitable<Result<ChatAnswer>> complete(ChatRequest request, ChunkSink sink,
                                                              Usage& usedSoFar) = 0;
};

}  // namespace agentos::models
