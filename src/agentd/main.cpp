// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "agentd/config/options.h"
#include "agentd/config/reference.h"
#include "agentd/launcher/check.h"
#include "agentd/launcher/launcher.h"
#include "agentd/launcher/serve.h"

int main(int argc, char** argv) {
  using agentos::agentd::Options;
  auto options = agentos::agentd::parseOptions(argc, argv);
  if (!options) {
    std::cerr << "agentd: " << options.error().message() << '\n';
    return 2;
  }
  switch (options->act) {
    case Options::Act::kRun:
      return agentos::agentd::runLauncher(*options);
    case Options::Act::kServe:
      return agentos::agentd::runServe(*options);
    case Options::Act::kPrepare:
      return agentos::agentd::runPrepare(*options);
    case Options::Act::kCheck:
      return agentos::agentd::runCheck(*options);
    case Options::Act::kVersion:
      std::cout << "agentd " << agentos::agentd::versionText() << '\n';
      return 0;
    case Options::Act::kReference:
      std::cout << agentos::agentd::configReferenceAs(options->referenceFormat).value_or("");
      return 0;
    case Options::Act::kHelp:
      std::cout << options->help;
      return 0;
  }
  return 1;
}
