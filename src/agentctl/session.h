// SPDX-License-Identifier: Apache-2.0
// What a command's handler works with: the connection, the output, and the options that all commands have.
#pragma once

#include <string>

#include "agentctl/output.h"
#include "base/clock.h"
#include "client/client.h"

namespace agentos::agentctl {

struct GlobalOptions {
  std::string socket, prefix, format = "table", requestTimeout = "30s";
  bool noColour = false, quiet = false;
};

// --socket, then --prefix, then AGENTD_SOCKET, then the default: what is written on the line is meant for this call.
std::string findSocket(const GlobalOptions& options);
Format formatOf(const std::string& word);
// On a terminal, unless NO_COLOR (https://no-color.org) or --no-color says otherwise.
bool mayColour(const GlobalOptions& options);

class Session {
 public:
  Session(const GlobalOptions& options, Nanoseconds timeout);

  client::Client& client() { return client_; }
  Output& out() { return out_; }
  const std::string& prefix() const { return prefix_; }  // as --prefix says, absolute; "" for the system's own

  Result<Json> get(const std::string& path, std::vector<std::pair<std::string, std::string>> query = {});
  Result<Json> post(const std::string& path, Json body = Json::object());
  Result<Json> list(const std::string& path, std::vector<std::pair<std::string, std::string>> query = {});
  // For a request that is known to take so much longer.
  void extendTimeout(Nanoseconds by) { timeout_ += by; }

 private:
  client::Client client_;
  Output out_;
  Nanoseconds timeout_;
  std::string prefix_;
};

// Work and mail may be for an agent that is yet to come; a name mistyped looks the same. What to say when no contract
// in force is called so (or, as tasks may have it, begins so: "agent-000" of agent-000-steward); empty otherwise.
std::string warningOfNobody(Session& session, const std::string& agent);

}  // namespace agentos::agentctl
