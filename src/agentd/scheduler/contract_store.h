// SPDX-License-Identifier: Apache-2.0
// The contracts in force, by agent name, read from root's directories and from the company. A file that becomes broken
// leaves the contract that was read before it in force, and says so until it is mended.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/yaml.h"
#include "contract/contract.h"

namespace agentos::agentd {

struct StoredContract {
  std::shared_ptr<const contract::Contract> contract;
  std::string path;
  bool fromCompany = false;           // bounded by root's policy
  std::vector<std::string> problems;  // of the file as it is now, when it is broken: this contract is an older one
};

// What one reload changed. `problems` are whole lines, "file:line:column: path: what; remedy".
struct ReloadReport {
  std::vector<AgentName> added, changed, removed;
  std::vector<std::string> problems;
};

class ContractStore {
 public:
  // Earlier directories win a clash of names; the company's (empty: none) is the last. A directory that is not there is
  // empty.
  ContractStore(std::vector<std::string> directories, std::string companyDirectory);
  ReloadReport reload();
  // Null when there is none.
  const StoredContract* find(const AgentName& name) const;
  const std::map<AgentName, StoredContract>& all() const { return contracts_; }

 private:
  struct Reading;
  void readDirectory(const std::string& directory, bool fromCompany, Reading& reading) const;
  void readOne(const std::string& path, bool fromCompany, Reading& reading) const;

  std::vector<std::string> directories_;
  std::string companyDirectory_;
  std::map<AgentName, StoredContract> contracts_;
};

}  // namespace agentos::agentd
