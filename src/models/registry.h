// SPDX-License-Identifier: Apache-2.0
// Which driver serves which model, at what price. Contracts name models by patterns ("local/*"); the order of the
// patterns is the order of preference.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "models/driver.h"
#include "models/ledger.h"

namespace agentos::models {

// One model, as the configuration describes it.
struct ModelSpec {
  std::string name;      // as contracts write it: "local/llama-3.1-8B"
  std::string upstream;  // as the endpoint knows it; empty: the part of `name` after the first '/'
  Price price;
  std::int64_t maxOutputTokens = 4096;  // what a request that names no max_tokens gets, and the most it may ask for
  bool operator==(const ModelSpec&) const = default;
};

// Holds its driver: one that was replaced meanwhile lives until the last call on it has ended.
struct ModelChoice {
  ModelDriver* driver = nullptr;
  ModelSpec spec;
  std::shared_ptr<ModelDriver> held;
};

class ModelRegistry {
 public:
  // Takes the driver with its models, each of which it must serve; a name that is taken is kExists, one that the
  // driver does not serve kConfig.
  Result<void> add(std::unique_ptr<ModelDriver> driver, std::vector<ModelSpec> specs);

  // The model that serves `requested` within `allow`. "" and "auto": the first that serves the first pattern that any
  // serves. A name without '/' may be the last part of one allowed model's name. Else kModelUnknown, saying what is
  // allowed.
  Result<ModelChoice> resolve(std::span<const std::string> allow, std::string_view requested) const;

  // Every model that `allow` reaches, in order of preference.
  std::vector<ModelSpec> allowed(std::span<const std::string> allow) const;
  std::vector<ModelSpec> all() const;

 private:
  struct Entry {
    std::shared_ptr<ModelDriver> driver;
    ModelSpec spec;
  };
  std::vector<const Entry*> reachable(std::span<const std::string> allow) const;
  std::unexpected<Error> refuse(std::span<const std::string> allow, std::string_view requested,
                                const std::vector<const Entry*>& within) const;

  std::vector<std::unique_ptr<Entry>> entries_;  // in the order of the configuration
};

}  // namespace agentos::models
