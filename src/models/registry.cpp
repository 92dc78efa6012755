// SPDX-License-Identifier: Apache-2.0
#include "models/registry.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/text.h"
#include "models/upstream.h"

namespace agentos::models {
namespace {

std::string_view lastPart(std::string_view name) { return name.substr(name.find('/') + 1); }

std::string listOf(std::vector<std::string> words) { return words.empty() ? "none" : join(words, ", "); }

}  // namespace

Result<void> ModelRegistry::add(std::unique_ptr<ModelDriver> driver, std::vector<ModelSpec> specs) {
  const std::shared_ptr<ModelDriver> shared = std::move(driver);
  const std::vector<std::string> served = shared->models();
  for (ModelSpec& spec : specs) {
    if (std::ranges::find(served, spec.name) == served.end())
      return fail(ErrorCode::kConfig, "model '" + spec.name + "' is not served by its driver",
                  "it serves " + listOf(served));
    if (std::ranges::any_of(entries_, [&](const auto& entry) { return entry->spec.name == spec.name; }))
      return fail(ErrorCode::kExists, "model '" + spec.name + "' is configured twice",
                  "give each model a name of its own");
    if (spec.upstream.empty()) spec.upstream = lastPart(spec.name);
    entries_.push_back(std::make_unique<Entry>(Entry{shared, std::move(spec)}));
  }
  return {};
}

std::vector<const ModelRegistry::Entry*> ModelRegistry::reachable(std::span<const std::string> allow) const {
  std::vector<const Entry*> found;
  for (const std::string& pattern : allow)
    for (const auto& entry : entries_)
      if (matchesPattern(pattern, entry->spec.name) && std::ranges::find(found, entry.get()) == found.end())
        found.push_back(entry.get());
  return found;
}

Result<ModelChoice> ModelRegistry::resolve(std::span<const std::string> allow, std::string_view requested) const {
  const auto within = reachable(allow);
  const auto choose = [](const Entry* entry) { return ModelChoice{entry->driver.get(), entry->spec, entry->driver}; };
  if (within.empty()) return refuse(allow, requested, within);
  if (requested.empty() || requested == "auto") return choose(within.front());
  std::vector<const Entry*> byLastPart;
  for (const Entry* entry : within) {
    if (entry->spec.name == requested) return choose(entry);
    if (lastPart(entry->spec.name) == requested) byLastPart.push_back(entry);
  }
  if (byLastPart.size() == 1) return choose(byLastPart.front());
  return refuse(allow, requested, within);
}

std::unexpected<Error> ModelRegistry::refuse(std::span<const std::string> allow, std::string_view requested,
                                             const std::vector<const Entry*>& within) const {
  const std::string name = requested.empty() ? "auto" : cleanText(requested, 100);
  if (within.empty()) {
    std::vector<std::string> configured;
    for (const ModelSpec& spec : all()) configured.push_back(spec.name);
    return fail(ErrorCode::kModelUnknown,
                fmt::format("model '{}': no driver serves what modelPolicy.allow names ({})", name,
                            listOf({allow.begin(), allow.end()})),
                fmt::format("allow one of the configured models: {}", listOf(configured)));
  }
  std::vector<std::string> names;
  for (const Entry* entry : within) names.push_back(entry->spec.name);
  return fail(ErrorCode::kModelUnknown, fmt::format("model '{}' is not one that the contract allows", name),
              fmt::format("use auto or one of: {}", listOf(names)));
}

std::vector<ModelSpec> ModelRegistry::allowed(std::span<const std::string> allow) const {
  std::vector<ModelSpec> specs;
  for (const Entry* entry : reachable(allow)) specs.push_back(entry->spec);
  return specs;
}

std::vector<ModelSpec> ModelRegistry::all() const {
  std::vector<ModelSpec> specs;
  for (const auto& entry : entries_) specs.push_back(entry->spec);
  return specs;
}

}  // namespace agentos::models
