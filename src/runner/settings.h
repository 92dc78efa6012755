// SPDX-License-Identifier: Apache-2.0
// A runtime slot: runtime.yaml, bin/agent-runner, prompts/*.md, config/runner.yaml (runtime/README.md). What is in it
// is read once, at the start, and checked whole.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"

namespace agentos::runner {

// How a run ended, as deploy's monitor reads it.
enum ExitStatus : int {
  kVerdictGiven = 0,
  kUnhandled = 70,   // an exception nobody caught
  kCannotLoad = 71,  // runtime.yaml or a prompt is missing or of a form this program does not know
  kNoVerdict = 75,   // the gateway could not be reached, or would not take the verdict
  kBadConfig = 78,   // config/runner.yaml
};

struct Settings {
  std::string model = "auto";
  std::int64_t maxTurns = 50;             // where the contract names none
  std::int64_t maxContextTokens = 32000;  // likewise
  std::int64_t maxOutputTokens = 2048;
  std::int64_t retries = 5;
  Nanoseconds backoff = std::chrono::seconds(1), longestWait = std::chrono::seconds(30);
  Nanoseconds callTimeout = std::chrono::minutes(10), heartbeat = std::chrono::seconds(10);
  Nanoseconds leaveBeforeDeadline = std::chrono::seconds(10);
  std::int64_t nudges = 2;         // words to a model that neither calls a tool nor gives its verdict
  std::int64_t sameCalls = 3;      // identical calls in a row before it is told, and twice as many before it is ended
  std::int64_t errorsInARow = 10;  // tool errors
  std::vector<std::string> roots = {"/workspace", "/home/agent", "/company", "/context", "/tmp"};
  Bytes maxFile{1 << 20}, maxResult{32 << 10};
  Nanoseconds shellTimeout = std::chrono::minutes(1), shellMost = std::chrono::minutes(10);
};

struct Runtime {
  std::string name;
  Settings settings;
  std::map<std::string, std::string> prompts;  // "system", "nudge", "last_turns"
};

// kConfig for config/runner.yaml (exit 78), any other code for the rest (exit 71). Every problem of a file is named.
Result<Runtime> loadRuntime(const std::string& slot);

// "{{name}}" becomes the value; unknown names stay.
std::string fillPrompt(std::string text, const std::map<std::string, std::string>& values);

}  // namespace agentos::runner
