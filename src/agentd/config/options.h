// SPDX-License-Identifier: Apache-2.0
// agentd's command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agentd/config/config.h"
#include "base/error.h"

namespace agentos::agentd {

struct Options {
  enum class Act : std::uint8_t { kRun, kServe, kPrepare, kCheck, kVersion, kReference, kHelp } act = Act::kRun;
  std::string prefix, config, company, user, help;
  std::string referenceFormat;  // of kReference
  std::vector<std::string> contracts;
  // Internal, from the launcher to the daemon proper: descriptors it inherited, -1 for none.
  int socketFd = -1, readyFd = -1;
  std::vector<std::string> words;  // the command line as given, for the child
};

std::string versionText();  // "0.1.0"

// kInvalidArgument with CLI11's own words.
Result<Options> parseOptions(int argc, const char* const* argv);

// The configuration file, with what the command line says laid over it. Every problem, one line each, in the error.
Result<Config> configFor(const Options& options);

}  // namespace agentos::agentd
