// SPDX-License-Identifier: Apache-2.0
// What is known about each key of a contract when it is held against a machine. Every key of the schema has one rule;
// a test says so, and a demand without one is unmet.
#pragma once

#include <optional>
#include <string_view>

#include "contract/admission.h"

namespace agentos::contract {

enum class RuleKind : std::uint8_t {
  kLabel,    // says who or what; asks nothing of the machine
  kGiven,    // every agentd gives it: `by` says what does
  kFeature,  // given where `feature` is there
  kJudged,   // admission.cpp decides by the value
};

struct AdmissionRule {
  std::string_view path;
  RuleKind kind;
  std::string_view by;  // what meets it
  std::optional<Feature> feature;
  // What takes its place where the binding is flexible and root's policy allows substitution. Empty: nothing may, since
  // the demand guards somebody.
  std::string_view substitute;
  std::string_view remedy;  // what would meet it, or do without it
};

const AdmissionRule* findRule(std::string_view path);

}  // namespace agentos::contract
