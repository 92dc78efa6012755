// SPDX-License-Identifier: Apache-2.0
#include "agentd/scheduler/contract_store.h"

#include <algorithm>
#include <utility>

#include "base/files.h"
#include "contract/loader.h"

namespace agentos::agentd {
namespace {

bool isContractFile(const std::string& name) {
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"));
}

std::vector<std::string> linesOf(const std::vector<YamlProblem>& problems) {
  std::vector<std::string> lines;
  for (const auto& problem : problems) lines.push_back(problem.message());
  return lines;
}

}  // namespace

// What one pass over the directories found.
struct ContractStore::Reading {
  std::map<AgentName, StoredContract> good;
  std::map<std::string, std::vector<std::string>> broken;  // by path
  std::vector<std::string> problems;
};

ContractStore::ContractStore(std::vector<std::string> directories, std::string companyDirectory)
    : directories_(std::move(directories)), companyDirectory_(std::move(companyDirectory)) {}

void ContractStore::readOne(const std::string& path, bool fromCompany, Reading& reading) const {
  auto loaded = contract::loadContractFile(path);
  if (!loaded) {
    reading.broken[path] = linesOf(loaded.error());
    std::ranges::copy(reading.broken[path], std::back_inserter(reading.problems));
    return;
  }
  auto contract = std::make_shared<const contract::Contract>(*std::move(loaded));
  const AgentName name = contract->name;
  auto [place, fresh] = reading.good.try_emplace(name, StoredContract{std::move(contract), path, fromCompany, {}});
  if (!fresh) {
    reading.problems.push_back(path + ": name: the agent \"" + name.str() + "\" has a contract in " +
                               place->second.path + " already, which stays in force; rename or remove one of the two");
  }
}

void ContractStore::readDirectory(const std::string& directory, bool fromCompany, Reading& reading) const {
  auto opened = openDirectory(directory);
  if (!opened && opened.error().code == ErrorCode::kNotFound) return;
  auto names = opened ? listDirectory(opened->get()) : std::unexpected(opened.error());
  if (!names) {
    reading.problems.push_back(directory + ": " + names.error().message());
    return;
  }
  for (const auto& name : *names) {
    if (isContractFile(name)) readOne(directory + "/" + name, fromCompany, reading);
  }
}

ReloadReport ContractStore::reload() {
  Reading reading;
  for (const auto& directory : directories_) readDirectory(directory, false, reading);
  if (!companyDirectory_.empty()) readDirectory(companyDirectory_, true, reading);

  ReloadReport report{{}, {}, {}, std::move(reading.problems)};
  for (auto& [name, old] : contracts_) {
    auto broken = reading.broken.find(old.path);
    if (reading.good.contains(name)) continue;
    if (broken == reading.broken.end()) {
      report.removed.push_back(name);
    } else {  // the file is broken now: what was read before stays in force
      old.problems = broken->second;
      reading.good.emplace(name, old);
      report.problems.push_back(old.path + ": the contract of \"" + name.str() +
                                "\" that was read before stays in force");
    }
  }
  for (const auto& [name, stored] : reading.good) {
    auto old = contracts_.find(name);
    if (old == contracts_.end()) {
      report.added.push_back(name);
    } else if (old->second.contract->digest != stored.contract->digest) {
      report.changed.push_back(name);
    }
  }
  contracts_ = std::move(reading.good);
  return report;
}

const StoredContract* ContractStore::find(const AgentName& name) const {
  auto found = contracts_.find(name);
  return found == contracts_.end() ? nullptr : &found->second;
}

}  // namespace agentos::agentd
