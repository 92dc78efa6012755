// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/room_plan.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/digest.h"
#include "contract/real_time.h"

namespace agentos::agentd {
namespace {

// Of an encrypted scratch without a size: it is made for the run, and takes no more of the disk than is written.
constexpr Bytes kEncryptedScratch{1ULL << 30};

const std::string kGateway = "http://127.0.0.1:" + std::to_string(kGatewayPort);
const std::string kProxy = "http://127.0.0.1:" + std::to_string(kProxyPort);

// The program for contracts that name none of their own.
const std::vector<std::string> kRunner = {"/runtime/bin/agent-runner"};

// What a contract may set otherwise.
std::map<std::string, std::string> defaults() {
  return {{"HOME", "/home/agent"},
          {"USER", "agent"},
          {"LOGNAME", "agent"},
          {"SHELL", "/bin/sh"},
          {"LANG", "C.UTF-8"},
          {"TERM", "dumb"},
          {"PATH", "/runtime/bin:/usr/local/bin:/usr/bin:/bin"},
          {"OPENAI_BASE_URL", kGateway + "/v1"},
          {"OPENAI_API_KEY", "agentd-holds-the-key"},
          {"ANTHROPIC_BASE_URL", kGateway},
          {"ANTHROPIC_API_KEY", "agentd-holds-the-key"},
          {"OLLAMA_HOST", kGateway},
          {"MCP_SERVER_URL", kGateway + "/mcp"},
          {"OTEL_EXPORTER_OTLP_ENDPOINT", kGateway}};
}

// What says who the agent is, and the only way out: no contract changes these.
void setOwn(const RoomInput& input, std::map<std::string, std::string>& env) {
  env["AGENT_ID"] = env["AGENT_RUN_ID"] = input.id.str();
  env["AGENT_NAME"] = input.contract.name.str();
  env["AGENT_TASK"] = input.claim ? input.claim->task.str() : "";
  env["TRACEPARENT"] = traceParent(input.trace, input.id);
  for (const char* name : {"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"}) env[name] = kProxy;
  for (const char* name : {"NO_PROXY", "no_proxy"}) env[name] = "127.0.0.1,localhost";
  env["NODE_USE_ENV_PROXY"] = "1";
}

bool isTraceId(const std::string& text) {
  return text.size() == 32 && text != std::string(32, '0') &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) || (c >= 'a' && c <= 'f'); });
}

// Where the work is, when the contract mounts it there.
std::string workDirOf(const contract::Contract& contract) {
  const bool workspace =
      std::ranges::any_of(contract.workspace.mounts, [](const auto& m) { return m.target == "/workspace"; });
  return workspace ? "/workspace" : "/home/agent";
}

std::string hostNameOf(const AgentName& agent) {
  std::string name = agent.str();
  std::ranges::replace(name, '_', '-');
  return name;
}

std::int64_t cpuWeightOf(contract::LatencyClass latency) {
  return latency == contract::LatencyClass::kDt ? 50 : latency == contract::LatencyClass::kSrt ? 200 : 400;
}

}  // namespace

std::string traceParent(const std::string& trace, const InstanceId& id) {
  const std::string whole = isTraceId(trace) ? trace : sha256(trace.empty() ? id.str() : trace).substr(0, 32);
  return "00-" + whole + "-" + sha256(id.str()).substr(0, 16) + "-01";
}

std::vector<std::pair<std::string, std::string>> makeEnvironment(const RoomInput& input) {
  auto env = defaults();
  for (const auto& [name, value] : input.contract.run.env) env[name] = value;
  setOwn(input, env);
  return {env.begin(), env.end()};
}

sandbox::Limits limitsOf(const contract::Contract& contract) {
  sandbox::Limits limits;
  limits.cpu = contract.compute.cpu;
  limits.memory = contract.compute.mem;
  limits.swap = contract.compute.swap;
  limits.memoryHigh = contract.compute.memHigh;
  limits.pids = contract.compute.pids.value_or(512);
  limits.ioWeight = contract.compute.ioWeight;
  limits.cpuWeight = contract.compute.cpuWeight.value_or(cpuWeightOf(contract.latency));
  const contract::IoMax& io = contract.compute.ioMax;
  limits.ioMax = {io.read, io.write, io.readOps, io.writeOps};
  // As many as its share fills: what sizes a pool of threads by the processors that it sees gets one that fits.
  if (contract.compute.cpu && contract.latency != contract::LatencyClass::kHrt)
    limits.cpus = (contract.compute.cpu->count + 999) / 1000;
  // All that it writes of its own is its scratch; where that has no size of its own, it is as big as the disk may be.
  limits.scratchQuota = contract.workspace.scratch ? contract.workspace.scratch : contract.compute.disk;
  limits.scratchEncrypted = contract.workspace.encrypted;
  if (limits.scratchEncrypted && !limits.scratchQuota) limits.scratchQuota = kEncryptedScratch;
  return limits;
}

void setClass(sandbox::RoomPlan& plan, const contract::Contract& contract) {
  plan.batch = contract.latency == contract::LatencyClass::kDt;
  plan.cpuBurst = contract.latency == contract::LatencyClass::kSrt;
  if (contract.latency != contract::LatencyClass::kHrt) return;
  const auto asked = contract::reservationOf(contract);
  plan.realTime = sandbox::Reservation{asked.runtime.count(), asked.deadline.count(), asked.period.count()};
}

Result<sandbox::RoomPlan> makeRoomPlan(const RoomInput& input) {
  sandbox::RoomPlan plan;
  plan.id = input.id;
  plan.command = input.contract.run.command.empty() ? kRunner : input.contract.run.command;
  if (input.contract.run.command.empty() && input.runtime.empty()) {
    return fail(ErrorCode::kRefused, "the contract names no program, and there is no runtime to run it",
                "write run.command, or give the company a runtime link (company init makes one)");
  }
  plan.env = makeEnvironment(input);
  plan.workDir = workDirOf(input.contract);
  plan.hostName = hostNameOf(input.contract.name);
  AGENTOS_TRY(plan.mounts, makeMounts(input));
  plan.listenPorts = {kGatewayPort, kProxyPort};
  plan.limits = limitsOf(input.contract);
  plan.logRotateAt = input.logRotateAt;
  plan.logKeep = input.logKeep;
  plan.nestedUserns = input.contract.security.nestedUserns;
  setClass(plan, input.contract);
  plan.launchRecord = input.launchRecord;
  return plan;
}

}  // namespace agentos::agentd
