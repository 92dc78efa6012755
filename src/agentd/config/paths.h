// SPDX-License-Identifier: Apache-2.0
// Where things lie below the root prefix (empty for the system's own agentd).
#pragma once

#include <string>

#include "base/ids.h"

namespace agentos::agentd {

struct Paths {
  std::string prefix;

  std::string etc() const { return prefix + "/etc/agentd"; }
  std::string configFile() const { return etc() + "/agentd.yaml"; }
  std::string rootContracts() const { return prefix + "/etc/agents"; }
  std::string state() const { return prefix + "/var/lib/agentd"; }
  std::string database() const { return state() + "/agentd.db"; }
  std::string instances() const { return state() + "/instances"; }
  std::string instance(const InstanceId& id) const { return instances() + "/" + id.str(); }
  std::string audit() const { return state() + "/audit"; }
  std::string artifacts() const { return state() + "/artifacts"; }
  std::string scratch() const { return state() + "/scratch"; }
  // What runs changed in trees of mode overlay; no agent's name begins with a dot.
  std::string overlays() const { return scratch() + "/.overlays"; }
  // Root's own, beside the state and out of the daemon's reach: the audit anchor, and the runtime that ships with
  // agentd, which root copies there and could be led astray in a directory of the daemon's.
  std::string rootState() const { return prefix + "/var/lib/agentd-root"; }
  std::string runtime() const { return rootState() + "/runtime"; }
  std::string auditAnchor() const { return rootState() + "/audit.anchor"; }
  std::string log() const { return prefix + "/var/log/agentd"; }
  std::string instanceLog(const InstanceId& id) const { return log() + "/" + id.str(); }
  std::string run() const { return prefix + "/run/agentd"; }
  std::string socket() const { return run() + "/agentd.sock"; }
  // Where the keeper writes which control group is its own, for the spawner.
  std::string cgroupFile() const { return run() + "/cgroup"; }
  std::string stopJobFile() const { return run() + "/stop-job"; }  // agentd.service's ExecStop= writes it
  std::string spawnerSocket() const { return run() + "/spawner.sock"; }
};

// An absolute path without a slash at its end, made from the current directory when relative; "" and "/" give "".
std::string absolutePrefix(const std::string& prefix);
// Absolute, relative to `base` when relative; "" stays "".
std::string absolutePath(const std::string& path, const std::string& base);
// The same with its symbolic links followed as far as it exists: the spawner follows none.
std::string withoutLinks(const std::string& path);
std::string currentDirectory();
// The directory that this program was started from.
std::string programDirectory();
// Where the programs lie that agentd starts, and the runtime that ships with it: beside it in a build, in ../lib/agentd
// once it is installed.
std::string helperDirectory();

}  // namespace agentos::agentd
