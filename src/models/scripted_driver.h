// SPDX-License-Identifier: Apache-2.0
// A model that answers from a script: for tests, demonstrations and smoke runs. The same conversation of the same agent
// always gets the same answer; the one thing remembered is how often an error with `attempts` was given to a run.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "models/driver.h"
#include "models/script.h"

namespace agentos::models {

class ScriptedDriver final : public ModelDriver {
 public:
  explicit ScriptedDriver(Script script) : script_(std::move(script)) {}
  // kConfig with every problem of the file, one a line.
  static Result<std::unique_ptr<ScriptedDriver>> load(const std::string& path);
  static Result<std::unique_ptr<ScriptedDriver>> fromText(std::string_view text, const std::string& file);

  std::vector<std::string> models() const override { return script_.models; }
  boost::asio::awaitable<Result<ChatAnswer>> complete(ChatRequest request, ChunkSink sink, Usage& usedSoFar) override;

 private:
  bool attemptsSpent(const ScriptRule& rule, const std::string& who);

  Script script_;
  std::map<std::string, std::int64_t> attempts_;  // by run, rule and conversation; emptied when it grows past a bound
};

}  // namespace agentos::models
