// SPDX-License-Identifier: Apache-2.0
#include "base/fault.h"

#include <csignal>
#include <cstdlib>
#include <string_view>

namespace agentos {
namespace {

struct Armed {
  std::string_view name;
  long passagesLeft = 1;
};

Armed parseArmed(const char* text) {
  if (text == nullptr) return {};
  std::string_view spec = text;
  auto colon = spec.find(':');
  if (colon == std::string_view::npos) return {spec, 1};
  return {spec.substr(0, colon), std::atol(spec.data() + colon + 1)};
}

Armed& armedFault() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): read once; nothing here sets the environment
  static Armed armed = parseArmed(std::getenv("AGENTOS_FAULT"));
  return armed;
}

}  // namespace

void armFault(const char* spec) { armedFault() = parseArmed(spec); }

void faultPoint(const char* name) {
  Armed& armed = armedFault();
  if (armed.name.empty() || armed.name != name) [[likely]]
    return;
  if (--armed.passagesLeft <= 0) std::raise(SIGKILL);
}

bool faultFails(const char* name) {
  Armed& armed = armedFault();
  if (armed.name.empty() || armed.name != name) [[likely]]
    return false;
  return --armed.passagesLeft == 0;
}

}  // namespace agentos
