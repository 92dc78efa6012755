// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/launch_record.h"

#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
#include "contract/loader.h"
#include "sandbox/exit_record.h"

namespace agentos::agentd {
namespace {

constexpr int kFormat = 1;

}  // namespace

// The contract as it was in force at the launch; the digest is the record's, since the text is not the file's.
Result<std::shared_ptr<const contract::Contract>> contractOfRecord(const Json& json) {
  auto found = json.find("contract");
  if (found == json.end()) return fail(ErrorCode::kNotFound, "the launch record holds no contract");
  auto loaded = contract::loadContract(dumpJson(*found), "launch.jsonl");
  if (!loaded) return fail(ErrorCode::kSyntax, loaded.error().front().message());
  auto contract = std::make_shared<contract::Contract>(*std::move(loaded));
  contract->digest = json.value("contract_digest", contract->digest);
  // The text spells every default out, and a default is no demand: a run that is started again from it is not to be
  // refused, or timed out, for what nobody wrote.
  if (auto demands = json.find("contract_demands"); demands != json.end() && demands->is_array()) {
    contract->demands.clear();
    for (const Json& path : *demands)
      if (path.is_string()) contract->demands.insert(path.get<std::string>());
  }
  return contract;
}

std::string launchLine(const Instance& instance) {
  Json json = {{"format", kFormat},
               {"id", instance.id().str()},
               {"agent", instance.view.agent.str()},
               {"mode", instance.view.mode},
               {"source", instance.view.source},
               {"trace", instance.view.trace},
               {"created", formatUtc(instance.view.created)},
               {"contract_digest", instance.view.contractDigest},
               {"contract", contract::toJson(*instance.contract)},
               {"contract_demands", instance.contract->demands}};
  if (instance.claim) json["claim"] = {{"task", instance.claim->task.str()}, {"epoch", instance.claim->epoch}};
  return dumpJson(json);
}

Result<LaunchRecord> readLaunchRecord(int instancesDir, const InstanceId& id) {
  AGENTOS_TRY(const std::string text, readFile(instancesDir, id.str() + "/launch.jsonl"));
  const auto lines = split(text, '\n');
  if (lines.size() < 2)
    return fail(ErrorCode::kSyntax, id.str() + "/launch.jsonl has " + std::to_string(lines.size()) + " lines");
  AGENTOS_TRY(const Json ours, parseJson(lines[0]));
  AGENTOS_TRY(auto facts, sandbox::parseLaunchFacts(lines[1]));
  LaunchRecord record{nullptr, std::move(facts.identity), std::move(facts.enforcement)};
  if (auto contract = contractOfRecord(ours)) record.contract = *contract;
  return record;
}

}  // namespace agentos::agentd
