// SPDX-License-Identifier: Apache-2.0
// The built-in tools. A tool that fails answers the model with what is wrong and what would be right; nothing a model
// writes ends the runner.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "runner/gateway_client.h"
#include "runner/identity.h"
#include "runner/room_files.h"
#include "runner/settings.h"

namespace agentos::runner {

// What a run did, for its handoff when it must stop before its verdict.
struct Diary {
  std::vector<std::string> changed;  // files, in the order they were first written
  std::vector<std::string> did;      // "fs.write /workspace/a.md"
  std::string lastError, lastWords;
  void noteChanged(const std::string& path);
  Json handoff() const;
};

struct ToolContext {
  const Settings& settings;
  const RoomFiles& files;
  GatewayClient& gateway;
  Diary& diary;
};

struct ToolAnswer {
  std::string text;
  bool verdict = false;  // the run's word was given and taken
};

struct Tool {
  std::string name, description;
  Json parameters;  // JSON Schema of the arguments
  std::function<Result<ToolAnswer>(const ToolContext&, const Json& arguments)> run;
};

// All of them, in the order they are offered.
const std::vector<Tool>& allTools();

// The tools that one run may use.
class Toolbox {
 public:
  Toolbox(const Identity& self, bool hasTask);
  Json offered() const;  // the request's `tools`; dots become underscores, which OpenAI's own API insists on
  // By either spelling; null when there is none or it is not granted.
  const Tool* find(std::string_view name) const;
  bool canEnd() const { return find("task.complete") || find("task.submit"); }
  std::string names() const;

 private:
  std::vector<const Tool*> tools_;
};

// Arguments as the model wrote them; the error says what the tool expects.
Result<Json> parseArguments(const Tool& tool, const std::string& text);

// Reading arguments: kInvalidArgument says the name and the type.
Result<std::string> stringArgument(const Json& arguments, const char* name);
Result<std::string> stringArgument(const Json& arguments, const char* name, std::string fallback);
Result<std::int64_t> intArgument(const Json& arguments, const char* name, std::int64_t fallback, std::int64_t from,
                                 std::int64_t to);
Result<bool> boolArgument(const Json& arguments, const char* name, bool fallback);

std::vector<Tool> fileTools();
std::vector<Tool> shellTools();
std::vector<Tool> taskTools();

}  // namespace agentos::runner
