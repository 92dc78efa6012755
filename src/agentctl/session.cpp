// SPDX-License-Identifier: Apache-2.0
#include "agentctl/session.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "agentctl/fields.h"
#include "base/text.h"

namespace agentos::agentctl {

std::string findSocket(const GlobalOptions& options) {
  if (!options.socket.empty()) return options.socket;
  const char* named = std::getenv("AGENTD_SOCKET");
  if (options.prefix.empty() && named != nullptr && *named != '\0') return named;
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
      timeout_(timeout),
      prefix_(options.prefix.empty() ? "" : std::filesystem::absolute(options.prefix).lexically_normal().string()) {
  while (prefix_.ends_with('/')) prefix_.pop_back();
}

Result<Json> Session::get(const std::string& path, std::vector<std::pair<std::string, std::string>> query) {
  return client_.call({.path = path, .query = std::move(query), .timeout = timeout_});
}

Result<Json> Session::post(const std::string& path, Json body) {
  return client_.call({.method = "POST", .path = path, .body = std::move(body), .timeout = timeout_});
}

Result<Json> Session::list(const std::string& path, std::vector<std::pair<std::string, std::string>> query) {
  return client_.list({.path = path, .query = std::move(query), .timeout = timeout_});
}

std::string warningOfNobody(Session& session, const std::string& agent) {
  auto contracts = session.list("/v1/contracts");
  if (!contracts) return {};  // ignoring: this only helps, and the command itself will say what is wrong
  std::vector<std::string> names;
  for (const auto& contract : *contracts) names.push_back(textOf(contract, "name"));
  if (std::ranges::any_of(names, [&](const auto& name) { return name == agent || name.starts_with(agent + "-"); }))
    return {};
  std::vector<std::string_view> views(names.begin(), names.end());
  auto meant = didYouMean(agent, views);
  return "no agent is called " + agent + ": it waits until one is" +
         (meant ? "; did you mean \"" + *meant + "\"?" : "");
}

}  // namespace agentos::agentctl
