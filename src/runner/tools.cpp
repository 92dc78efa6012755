// SPDX-License-Identifier: Apache-2.0
#include "runner/tools.h"

#include <algorithm>

#include "base/text.h"

namespace agentos::runner {
namespace {

constexpr std::size_t kMostDiary = 60;

std::string withUnderscores(std::string_view name) {
  std::string wire(name);
  std::ranges::replace(wire, '.', '_');
  return wire;
}

std::unexpected<Error> wrong(const char* name, const std::string& right) {
  return fail(ErrorCode::kInvalidArgument, std::string("argument '") + name + "'", right);
}

std::string lines(const std::vector<std::string>& all) {
  std::string text;
  const std::size_t skipped = all.size() > kMostDiary ? all.size() - kMostDiary : 0;
  if (skipped > 0) text = "(" + std::to_string(skipped) + " earlier)\n";
  for (std::size_t i = skipped; i < all.size(); ++i) text += all[i] + "\n";
  return text;
}

}  // namespace

void Diary::noteChanged(const std::string& path) {
  if (std::ranges::find(changed, path) == changed.end()) changed.push_back(path);
}

Json Diary::handoff() const {
  return {{"attempted", lines(did)},
          {"changed", lines(changed)},
          {"remains", "the run was ended before its verdict; see next"},
          {"failed", lastError},
          {"next", lastWords}};
}

const std::vector<Tool>& allTools() {
  static const std::vector<Tool> all = [] {
    std::vector<Tool> tools = fileTools();
    std::ranges::move(shellTools(), std::back_inserter(tools));
    std::ranges::move(taskTools(), std::back_inserter(tools));
    return tools;
  }();
  return all;
}

// Without a task there is nothing to give a verdict on.
Toolbox::Toolbox(const Identity& self, bool hasTask) {
  for (const Tool& tool : allTools())
    if (self.mayUse(tool.name) && (hasTask || !tool.name.starts_with("task."))) tools_.push_back(&tool);
}

Json Toolbox::offered() const {
  Json list = Json::array();
  for (const Tool* tool : tools_)
    list.push_back({{"type", "function"},
                    {"function",
                     {{"name", withUnderscores(tool->name)},
                      {"description", tool->description},
                      {"parameters", tool->parameters}}}});
  return list;
}

const Tool* Toolbox::find(std::string_view name) const {
  const auto found = std::ranges::find_if(
      tools_, [&](const Tool* tool) { return tool->name == name || withUnderscores(tool->name) == name; });
  return found == tools_.end() ? nullptr : *found;
}

std::string Toolbox::names() const {
  std::vector<std::string> all;
  for (const Tool* tool : tools_) all.push_back(tool->name);
  return join(all, ", ");
}

Result<Json> parseArguments(const Tool& tool, const std::string& text) {
  auto arguments = parseJson(trim(text).empty() ? "{}" : text);
  const std::string expected = "arguments of " + tool.name + " are " + dumpJson(tool.parameters);
  if (!arguments)
    return fail(ErrorCode::kInvalidArgument, "the arguments are no JSON: " + arguments.error().what, expected);
  if (!arguments->is_object()) return fail(ErrorCode::kInvalidArgument, "the arguments are no JSON object", expected);
  for (const auto& [name, value] : arguments->items())
    if (!tool.parameters["properties"].contains(name))
      return fail(ErrorCode::kInvalidArgument, "unknown argument '" + name + "'", expected);
  return *std::move(arguments);
}

Result<std::string> stringArgument(const Json& arguments, const char* name) {
  const auto found = arguments.find(name);
  if (found == arguments.end()) return wrong(name, "is missing; give a string");
  if (!found->is_string()) return wrong(name, "must be a string");
  return found->get<std::string>();
}

Result<std::string> stringArgument(const Json& arguments, const char* name, std::string fallback) {
  return arguments.contains(name) ? stringArgument(arguments, name) : fallback;
}

Result<std::int64_t> intArgument(const Json& arguments, const char* name, std::int64_t fallback, std::int64_t from,
                                 std::int64_t to) {
  const auto found = arguments.find(name);
  if (found == arguments.end()) return fallback;
  if (!found->is_number_integer() || *found < from || *found > to)
    return wrong(name, "must be a whole number from " + std::to_string(from) + " to " + std::to_string(to));
  return found->get<std::int64_t>();
}

Result<bool> boolArgument(const Json& arguments, const char* name, bool fallback) {
  const auto found = arguments.find(name);
  if (found == arguments.end()) return fallback;
  if (!found->is_boolean()) return wrong(name, "must be true or false");
  return found->get<bool>();
}

}  // namespace agentos::runner
