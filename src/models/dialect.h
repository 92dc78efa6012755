// SPDX-License-Identifier: Apache-2.0
// The APIs an agent's program may speak. Drivers answer Chat Completions; a dialect turns a request of another API into
// one, and the answer, whole or in chunks, back. What an endpoint of Chat Completions has no word for (tools that the
// vendor runs itself, cache marks, reasoning of earlier turns) is left out. Pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace agentos::models {

struct StreamEvent {
  std::string name;  // empty: only data
  Json data;
};

// One answer on its way to the client. After an error or finish() nothing more is asked of it.
class DialectStream {
 public:
  virtual ~DialectStream() = default;
  // What one chat.completion.chunk becomes; kModelUpstream for something that cannot be told in this API.
  virtual Result<std::vector<StreamEvent>> add(const Json& chunk) = 0;
  virtual std::vector<StreamEvent> finish() = 0;
  // The stream breaks off: `error` is what Dialect::error() made.
  virtual StreamEvent breakOff(Json error) = 0;
};

class Dialect {
 public:
  virtual ~Dialect() = default;
  // As users know it, for messages: "Chat Completions".
  virtual std::string_view name() const = 0;
  // The request as Chat Completions; kModelRequest says what is wrong with it.
  virtual Result<Json> toChat(Json request) const = 0;
  virtual Json answer(const Json& chatCompletion) const = 0;
  virtual Json error(const Error& error, int httpStatus) const = 0;
  virtual std::unique_ptr<DialectStream> stream() const = 0;
  // What ends a stream that is whole, after finish(); empty: nothing.
  virtual std::string_view endMark() const { return {}; }
};

const Dialect& chatDialect();       // /v1/chat/completions: as it came
const Dialect& messagesDialect();   // /v1/messages (Anthropic)
const Dialect& responsesDialect();  // /v1/responses (OpenAI)

}  // namespace agentos::models
