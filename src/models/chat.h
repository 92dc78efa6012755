// SPDX-License-Identifier: Apache-2.0
// The shapes of Chat Completions: checking a request, reading a usage object, and putting a message together from its
// chunks. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "models/driver.h"

namespace agentos::models {

// kModelRequest unless the body is a request that can be metered: an object with a non-empty list of messages, each
// with a role; `n` 1…16, max_tokens and max_completion_tokens positive, `stream` a boolean, `model` a string.
Result<void> checkChatRequest(const Json& body);

// prompt_tokens, completion_tokens, prompt_tokens_details.cached_tokens. None when absent or not believable (negative,
// or above 10^9).
std::optional<Usage> readUsage(const Json& answer);
Json writeUsage(const Usage& usage);

// Bytes of everything that a model wrote in a message or a delta: text, refusal, reasoning, tool names and arguments.
std::size_t writtenBytes(const Json& messageOrDelta);

// Puts chat.completion.chunks together into the chat.completion that the same call would have answered without a
// stream.
class ChatAssembler {
 public:
  explicit ChatAssembler(std::size_t maxBytes) : maxBytes_(maxBytes) {}

  // kModelUpstream for something that is no chunk, and past maxBytes.
  Result<void> add(const Json& chunk);
  Json message() const;
  bool finished() const;  // every choice seen has its finish_reason, and there is one at least
  std::size_t written() const { return written_; }
  const std::optional<Usage>& usage() const { return usage_; }

 private:
  struct Choice {
    std::string role = "assistant", content, refusal, reasoning, finish;
    std::map<std::int64_t, Json> calls;
  };
  Result<void> addChoice(const Json& choice);
  void addCalls(Choice& into, const Json& delta);

  std::size_t maxBytes_;
  std::size_t written_ = 0;
  Json head_ = Json::object();  // id, created, model, system_fingerprint of the first chunk
  std::map<std::int64_t, Choice> choices_;
  std::optional<Usage> usage_;
};

}  // namespace agentos::models
