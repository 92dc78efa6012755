// SPDX-License-Identifier: Apache-2.0
#include "agentd/launcher/check.h"

#include <iostream>

#include "agentd/config/models.h"
#include "agentd/scheduler/contract_store.h"
#include "base/files.h"
#include "company/layout.h"

#include <boost/asio/io_context.hpp>

namespace agentos::agentd {
namespace {

// company.yaml as text: opening the company would make what is missing, and a check changes nothing.
void checkCompany(const std::string& path, std::vector<std::string>& problems) {
  if (path.empty()) return;
  const std::string file = path + "/company.yaml";
  auto text = readPath(file);
  if (!text) {
    problems.push_back(text.error().message());
  } else if (auto settings = company::parseCompanySettings(*text, file); !settings) {
    for (const auto& problem : settings.error()) problems.push_back(problem.message());
  }
}

}  // namespace

int runCheck(const Options& options) {
  std::vector<std::string> problems;
  auto config = configFor(options);
  if (!config) {
    std::cerr << config.error().message() << '\n';
    return 2;
  }
  checkCompany(config->company, problems);
  ContractStore store(config->contracts, config->company.empty() ? "" : config->company + "/agents/contracts");
  for (auto& line : store.reload().problems) problems.push_back(std::move(line));
  boost::asio::io_context io;
  models::ModelRegistry registry;
  if (auto opened = openModels(*config, io.get_executor(), registry); !opened)
    problems.push_back(opened.error().message());
  for (const auto& line : problems) std::cerr << line << '\n';
  if (!problems.empty()) return 2;
  std::cout << "valid: " << store.all().size() << " contracts, " << registry.all().size() << " models, company "
            << (config->company.empty() ? "none" : config->company) << '\n';
  return 0;
}

}  // namespace agentos::agentd
