// SPDX-License-Identifier: Apache-2.0
// Why something does not leave a room: what the agent reads, what the event says.
#pragma once

#include <expected>
#include <string>

#include "base/error.h"

namespace agentos::agentd::egress {

struct Refusal {
  int status = 403;
  std::string word;  // stable: "not_listed", "private_address", "server_name", …; error of Proxy-Status beside it
  Error error;       // what, and what would be right
  std::string rule;  // whose limit it is: "network.egress[0]"; empty: no rule's
};

template <class T>
using Allowed = std::expected<T, Refusal>;

inline std::unexpected<Refusal> refuse(std::string word, std::string what, std::string remedy, std::string rule = {}) {
  return std::unexpected(
      Refusal{403, std::move(word), {ErrorCode::kDenied, std::move(what), std::move(remedy), 0, {}}, std::move(rule)});
}

// A request that no proxy can carry, whatever the contract says.
inline std::unexpected<Refusal> malformed(std::string what, std::string remedy, int status = 400) {
  return std::unexpected(
      Refusal{status, "malformed", {ErrorCode::kInvalidArgument, std::move(what), std::move(remedy), 0, {}}, {}});
}

}  // namespace agentos::agentd::egress
