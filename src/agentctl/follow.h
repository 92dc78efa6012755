// SPDX-License-Identifier: Apache-2.0
// Streams that outlive the daemon: what is followed goes on after agentd was restarted, without a gap or a repetition.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agentctl/session.h"

namespace agentos::agentctl {

using Query = std::vector<std::pair<std::string, std::string>>;

// The daemon does not answer, or not yet: asking again makes sense, after a moment.
bool isAway(const Error& error);
inline constexpr auto kRetry = std::chrono::milliseconds(250);

// Calls `connect` again and again while the daemon is away, which is a failure only before `connected` has become true.
// Any other failure ends it; so does an end that the daemon gave, when `mayEnd`.
struct Following {
  const bool& connected;
  bool mayEnd = false;
};
Result<int> keepFollowing(Session& session, const std::function<Result<void>()>& connect, const Following& following);

// An event of the audit log as one line for people.
std::string eventLine(const Json& event, bool wide);

// The newest `count` events that match, and with `follow` every later one, until interrupted.
struct EventsWanted {
  Query filter;
  std::int64_t count = 20;
  bool follow = false;
};
Result<int> showEvents(Session& session, const EventsWanted& wanted);

}  // namespace agentos::agentctl
