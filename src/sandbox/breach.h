// SPDX-License-Identifier: Apache-2.0
// Walls that a test leaves out, by name, so that its hostile program gets through and the test can fail. What is
// shipped has no such thing: there the question is a constant and its branches are not compiled. Only the copies of the
// spawner and agent-init that tests/integration/escapes builds for itself define AGENTOS_BREACHES; each place that asks
// names its wall, and docs/security.md lists which program each holds.
#pragma once

#include <string_view>

#ifdef AGENTOS_BREACHES
#include <unistd.h>
#include <cstdlib>
#endif

namespace agentos::sandbox {

#ifdef AGENTOS_BREACHES

inline constexpr std::string_view kBreachVariable = "AGENTOS_BREACH=";
// Tells such a copy from what is shipped, however much of the variable's name the compiler has taken apart.
[[gnu::used, gnu::retain]] inline constexpr char kBreachMark[] = "AGENTOS_BREACH leaves walls out of this program";

// The whole "AGENTOS_BREACH=seccomp,user"; null when every wall stands.
inline char* breachVariable() {
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (std::string_view(*entry).starts_with(kBreachVariable)) return *entry;
  }
  return nullptr;
}

// Takes no memory and no lock: it is asked between clone and exec too.
inline bool isDown(std::string_view wall) {
  const char* text = breachVariable();
  if (text == nullptr) return false;
  std::string_view rest = std::string_view(text).substr(kBreachVariable.size());
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    if (rest.substr(0, comma) == wall) return true;
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return false;
}

#else

constexpr char* breachVariable() { return nullptr; }
constexpr bool isDown(std::string_view) { return false; }

#endif

}  // namespace agentos::sandbox
