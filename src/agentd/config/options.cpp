// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/options.h"

#include <CLI/CLI.hpp>

namespace agentos::agentd {
namespace {

void describe(CLI::App& app, Options& options) {
  app.add_option("--config", options.config, "configuration file (default PREFIX/etc/agentd/agentd.yaml)")
      ->type_name("FILE");
  app.add_option("--company", options.company, "the company directory")->type_name("DIR");
  app.add_option("--contracts", options.contracts, "a directory of contracts (repeatable)")
      ->type_name("DIR")
      ->take_all();
  app.add_option("--prefix", options.prefix, "puts etc, var and run under DIR: a private instance")->type_name("DIR");
  app.add_option("--user", options.user, "whom the daemon runs as (default agentd)")->type_name("NAME");
  app.add_flag_callback("--foreground", [] {}, "stay in the foreground (it always does)");
}

// Flags that choose what to do instead of running.
void describeActs(CLI::App& app, Options& options) {
  auto act = [&](const char* name, Options::Act value, const char* words) {
    return app.add_flag_callback(name, [&options, value] { options.act = value; }, words);
  };
  act("--check", Options::Act::kCheck, "validate configuration, company and contracts, and exit");
  act("--version", Options::Act::kVersion, "print the version and exit");
  app.add_option_function<std::string>(
         "--reference",
         [&options](const std::string& format) {
           options.act = Options::Act::kReference;
           options.referenceFormat = format == "true" ? "" : format;
         },
         "print every key of agentd.yaml and exit: markdown, yaml (a commented file), man (scdoc), schema or keys")
      ->type_name("FORMAT")
      ->expected(0, 1)
      ->check(CLI::IsMember({"", "true", "markdown", "yaml", "man", "schema", "keys"}).description(""));
  act("--serve", Options::Act::kServe,
      "be the daemon alone, unprivileged: what agentd.service runs, beside agentd-spawner and agentd-keeper; it takes "
      "the socket that systemd passes");
  act("--prepare", Options::Act::kPrepare,
      "as root: make agentd's directories with their owners, install the runtime that ships with it, and exit");
  app.add_option("--socket-fd", options.socketFd, "the API socket, inherited")->group("");
  app.add_option("--ready-fd", options.readyFd, "a pipe that hears of the first readiness, inherited")->group("");
}

}  // namespace

std::string versionText() { return AGENTOS_VERSION; }

Result<Options> parseOptions(int argc, const char* const* argv) {
  Options options;
  CLI::App app{"agentd runs AI agents the way systemd runs services", "agentd"};
  describe(app, options);
  describeActs(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    options.act = Options::Act::kHelp;
    options.help = app.help();
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::kInvalidArgument, error.what(), "agentd --help lists the options");
  }
  options.words.assign(argv + 1, argv + argc);
  options.prefix = absolutePrefix(options.prefix);
  return options;
}

Result<Config> configFor(const Options& options) {
  const Paths paths{options.prefix};
  const std::string file =
      options.config.empty() ? paths.configFile() : absolutePath(options.config, currentDirectory());
  auto config = loadConfigFile(file, !options.config.empty());
  if (!config) {
    std::string lines;
    for (const auto& problem : config.error()) lines += (lines.empty() ? "" : "\n") + problem.message();
    return fail(ErrorCode::kConfig, std::move(lines));
  }
  config->paths = paths;
  config->file = file;
  if (!options.company.empty()) config->company = absolutePath(options.company, currentDirectory());
  config->company = withoutLinks(config->company);
  if (!options.user.empty()) config->user = options.user;
  if (!options.contracts.empty()) config->contracts.clear();
  for (const auto& one : options.contracts) config->contracts.push_back(absolutePath(one, currentDirectory()));
  if (config->contracts.empty()) config->contracts = {paths.rootContracts()};
  return *std::move(config);
}

}  // namespace agentos::agentd
