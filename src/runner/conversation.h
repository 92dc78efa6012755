// SPDX-License-Identifier: Apache-2.0
// The messages of one run, kept within the model's context: what no longer fits is the oldest tool results, which are
// cut and named, so that the model can ask again. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace agentos::runner {

struct ToolCall {
  std::string id, name, arguments;
};

// The assistant's message as we keep and send it back (only the fields of the API), and its calls.
struct AssistantTurn {
  Json message;
  std::string text;
  std::vector<ToolCall> calls;
  bool malformed = false;  // calls that were no calls were left out
};
AssistantTurn readAssistant(const Json& choice, std::int64_t turn);

class Conversation {
 public:
  Conversation(std::string systemPrompt, std::string context);

  void addAssistant(Json message) { messages_.push_back(std::move(message)); }
  void addUser(const std::string& text) { messages_.push_back({{"role", "user"}, {"content", text}}); }
  void addResult(const ToolCall& call, const std::string& text);

  // A token is counted as four bytes, as agentd counts them.
  std::int64_t tokens() const;
  // Cuts until at most that many tokens are left; the names of what was cut now. Results of the newest turn go last.
  std::vector<std::string> cutTo(std::int64_t tokens);
  const Json& messages() const { return messages_; }

 private:
  struct Result {
    std::size_t index;
    std::string what;
    bool cut = false;
  };
  Json messages_;
  std::vector<Result> results_;
};

}  // namespace agentos::runner
