// SPDX-License-Identifier: Apache-2.0
#include "agentctl/session.h"

#include <unistd.h>

#include <cstdlib>

namespace agentos::agentctl {

std::string findSocket(const GlobalOptions& options) {
  if (!options.socket.empty()) return options.socket;
  const char* named = std::getenv("AGENTD_SOCKET");
  if (named != nullptr && *named != '\0') return named;
  return options.prefix + "/run/agentd/agentd.sock";
}

Format formatOf(const std::string& word) {
  if (word == "json") return Format::kJson;
  if (word == "yaml") return Format::kYaml;
  if (word == "wide") return Format::kWide;
  return word == "name" ? Format::kName : Format::kTable;
}

bool mayColour(const GlobalOptions& options) {
  const char* noColor = std::getenv("NO_COLOR");
  return !options.noColour && (noColor == nullptr || *noColor == '\0') && ::isatty(STDOUT_FILENO) == 1;
}

Session::Session(const GlobalOptions& options, Nanoseconds timeout)
    : client_(findSocket(options)),
      out_(formatOf(options.format), mayColour(options), options.quiet),
      timeout_(timeout) {}

Result<Json> Session::get(const std::string& path, std::vector<std::pair<std::string, std::string>> query) {
  return client_.call({.path = path, .query = std::move(query), .timeout = timeout_});
}

Result<Json> Session::post(const std::string& path, Json body) {
  return client_.call({.method = "POST", .path = path, .body = std::move(body), .timeout = timeout_});
}

Result<Json> Session::list(const std::string& path, std::vector<std::pair<std::string, std::string>> query) {
  return client_.list({.path = path, .query = std::move(query), .timeout = timeout_});
}

}  // namespace agentos::agentctl
