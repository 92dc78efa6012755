// SPDX-License-Identifier: Apache-2.0
// The records of an instance, as text: exit.json, which agent-init leaves, and the spawner's line of launch.jsonl. Both
// are one line of JSON with a version; a key that a newer release added is passed over, one that is missing is an
// error.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "sandbox/room.h"

namespace agentos::sandbox {

// kSyntax when it is no JSON, kInvalidArgument with the key's name when a value is not what it should be: half a
// record, or one with both an exit code and a signal, is none.
Result<ExitRecord> parseExitRecord(std::string_view text);
Json exitRecordJson(const ExitRecord& record);  // the same form that agent-init writes

// The second line of launch.jsonl.
struct LaunchFacts {
  ProcessIdentity identity;
  Enforcement enforcement;
  bool operator==(const LaunchFacts&) const = default;
};
Result<LaunchFacts> parseLaunchFacts(std::string_view line);
std::string formatLaunchFacts(const LaunchFacts& facts);  // without a line break

}  // namespace agentos::sandbox
