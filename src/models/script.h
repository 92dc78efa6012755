// SPDX-License-Identifier: Apache-2.0
// A script for the scripted model: rules, the first that fits a conversation answers it. docs/models.md shows the form.
// What a rule decides depends on the conversation alone: how often a rule was used is counted by walking the
// conversation again, not remembered.
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/yaml.h"
#include "models/driver.h"
#include "models/pattern.h"

namespace agentos::models {

struct TextMatch {  // all that is set must hold
  std::vector<std::string> contains, without;
  std::optional<Pattern> regex;
};

struct TurnRange {  // the first answer of a conversation is turn 1
  std::int64_t from = 1, to = INT64_MAX;
};

struct ScriptedError {
  enum class Kind : std::uint8_t { kStatus, kTimeout, kDisconnect };
  Kind kind = Kind::kStatus;
  int status = 500;
  std::string message;
  std::optional<std::int64_t> retryAfterSeconds;
  std::int64_t afterChunks = 0;          // of a stream: that many are sent first
  std::optional<std::int64_t> attempts;  // only the first so many tries of the same request by one run fail
};

struct ScriptedCall {
  std::string name, argumentsText;  // argumentsText: sent as it is, when set: for malformed arguments
  Json arguments = Json::object();
};

struct ScriptRule {
  std::string name, agent = "*", model = "*", tool = "*";
  std::map<std::string, TextMatch> matches;  // by "system", "user", "tool_result", "any"
  TurnRange turn;
  std::optional<std::int64_t> times;  // answers at most so often in one conversation

  std::string text, finish;
  std::vector<ScriptedCall> calls;
  std::optional<Usage> usage;
  std::optional<ScriptedError> error;
  Nanoseconds delay{0}, chunkDelay{0};
  std::int64_t chunkBytes = 16;
};

struct Script {
  std::vector<std::string> models;
  std::vector<ScriptRule> rules;
};

std::expected<Script, std::vector<YamlProblem>> parseScript(std::string_view text, const std::string& file);

struct ScriptedTurn {
  const ScriptRule* rule = nullptr;  // null: none fits
  std::int64_t turn = 1;
  std::map<std::string, std::string> values;  // "user.1", "agent", …: what ${…} stands for
};

// Which rule answers the request. `attemptsSpent(rule)` says that its error has been given as often as it may.
ScriptedTurn decide(const Script& script, const ChatRequest& request,
                    const std::function<bool(const ScriptRule&)>& attemptsSpent);

// Text with its ${…} filled in; unknown ones are left as they are, "$${" is "${".
std::string fillIn(std::string_view text, const std::map<std::string, std::string>& values);
Json fillInJson(const Json& value, const std::map<std::string, std::string>& values);

}  // namespace agentos::models
