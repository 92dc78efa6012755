// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/changes.h"

#include <functional>

#include "agentd/config/models.h"
#include "base/digest.h"
#include "base/files.h"

namespace agentos::agentd {
namespace {

struct Row {
  std::string key;
  bool live;
  std::function<bool(const Config&, const Config&)> same;
  std::function<void(Config&, const Config&)> take;
};

// `get` gives a reference into the Config it is given.
template <class Get>
Row row(std::string key, bool live, Get get) {
  return {std::move(key), live, [get](const Config& a, const Config& b) { return get(a) == get(b); },
          [get](Config& into, const Config& from) { get(into) = get(from); }};
}

template <class T>
Row row(std::string key, bool live, T Config::* member) {
  return row(std::move(key), live, [member](auto& config) -> auto& { return config.*member; });
}

template <class T>
Row policyRow(std::string key, T PolicyConfig::* member) {
  return row(std::move(key), true, [member](auto& config) -> auto& { return config.policy.*member; });
}

constexpr bool kLive = true, kAtStart = false;

std::vector<Row> makeTable() {
  return {row("user", kAtStart, &Config::user),
          row("company", kAtStart, &Config::company),
          row("contracts", kAtStart, &Config::contracts),
          row("runtime", kLive, &Config::runtime),
          row("socket.mode", kAtStart, &Config::socketMode),
          row("socket.group", kAtStart, &Config::socketGroup),
          row("socket.admin_group", kAtStart, &Config::adminGroup),
          row("log.format", kAtStart, &Config::logFormat),
          row("log.level", kLive, &Config::logLevel),
          row("stop.agents", kLive, &Config::stopAgents),
          row("stop.grace", kLive, &Config::stopGrace),
          row("limits.concurrent_cycles", kLive, &Config::concurrentCycles),
          row("limits.model_calls", kAtStart, &Config::modelCalls),
          row("limits.records_kept", kLive, &Config::recordsKept),
          row("limits.log_rotate_at", kLive, &Config::logRotateAt),
          row("limits.log_keep", kLive, &Config::logKeep),
          row("services.start", kLive, &Config::startServices),
          row("preempt.enabled", kAtStart, &Config::preempt),
          row("preempt.memory", kAtStart, &Config::preemptMemory),
          row("preempt.cpu", kAtStart, &Config::preemptCpu),
          row("preempt.calm", kAtStart, &Config::preemptCalm),
          row("preempt.longest", kAtStart, &Config::preemptLongest),
          row("models", kLive, &Config::models),
          row("prices", kLive, &Config::prices),
          policyRow("policy.allow_unlimited_without_controllers", &PolicyConfig::allowUnlimitedWithoutControllers),
          policyRow("policy.overcommit_cpu", &PolicyConfig::overcommitCpu),
          policyRow("policy.overcommit_mem", &PolicyConfig::overcommitMem),
          policyRow("policy.programs", &PolicyConfig::programs),
          policyRow("policy.mounts", &PolicyConfig::mounts),
          policyRow("policy.egress", &PolicyConfig::egress),
          policyRow("policy.egress_private", &PolicyConfig::egressPrivate),
          policyRow("policy.secrets", &PolicyConfig::secrets)};
}

const std::vector<Row>& table() {
  static const std::vector<Row> kTable = makeTable();
  return kTable;
}

}  // namespace

std::vector<ConfigChange> changesBetween(const Config& now, const Config& fresh) {
  std::vector<ConfigChange> changes;
  for (const auto& one : table()) {
    if (!one.same(now, fresh)) changes.push_back({one.key, one.live});
  }
  return changes;
}

Config withLiveChanges(Config now, const Config& fresh) {
  for (const auto& one : table()) {
    if (one.live) one.take(now, fresh);
  }
  return now;
}

std::vector<std::string> judgedKeys() {
  std::vector<std::string> keys = {"spawner"};
  for (const auto& one : table()) keys.push_back(one.key);
  return keys;
}

std::string modelFilesDigest(const Config& config) {
  std::string all;
  for (const auto& source : config.models) {
    for (const auto& path : {source.script, keyPath(source.keyFile).value_or("")}) {
      all += path + "\n" + (path.empty() ? "" : sha256(readPath(path).value_or("")));
    }
  }
  return sha256(all);
}

}  // namespace agentos::agentd
