// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/machine.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>

namespace agentos::agentd {
namespace {

using contract::Feature;

// Kept to what this version really holds: a feature that is missing here is refused, never silently left out.
std::set<Feature> features() {
  return {Feature::kContextLimit, Feature::kHeartbeat,   Feature::kNestedUserns,
          Feature::kEgressProxy,  Feature::kOpenNetwork, Feature::kSupervisionTree};
}

// The tools of agent-runner and of the gateway's /self, as contracts name them.
std::set<std::string> tools() {
  return {"fs.read",    "fs.write",      "fs.edit",   "fs.list",     "fs.search",
          "shell.exec", "task.complete", "task.fail", "task.submit", "message.send"};
}

void addVolumes(const sandbox::PlatformReport& platform, contract::Machine& machine) {
  const std::pair<Feature, const std::string&> all[] = {{Feature::kDiskQuota, platform.noVolumes},
                                                        {Feature::kEncryptedScratch, platform.noEncryption}};
  for (const auto& [feature, why] : all) {
    if (why.empty()) {
      machine.features.insert(feature);
    } else {
      machine.whyNot[feature] = why;
    }
  }
}

// No room gets a GPU; what is missing first is what is said. The library is the driver's own and not linked.
std::string whyNoGpu() {
  static const std::string kWhy = [] {
    void* library = ::dlopen("libnvidia-ml.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (library == nullptr) return "there is no GPU management library here (libnvidia-ml.so.1 of NVIDIA's driver)";
    ::dlclose(library);
    return "NVIDIA's management library is here, but this agentd gives no room a GPU";
  }();
  return kWhy;
}

Bytes machineMemory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), size = ::sysconf(_SC_PAGESIZE);
  return {static_cast<std::uint64_t>(std::max(0L, pages)) * static_cast<std::uint64_t>(std::max(0L, size))};
}

}  // namespace

contract::Machine machineOf(const sandbox::PlatformReport& platform, const models::ModelRegistry& models,
                            const PolicyConfig& policy) {
  contract::Machine machine;
  machine.features = features();
  if (platform.overlayMounts) {
    machine.features.insert(Feature::kOverlayMounts);
  } else {
    machine.whyNot[Feature::kOverlayMounts] =
        "no overlay can be mounted in a room here (agentctl system info says why)";
  }
  addVolumes(platform, machine);
  machine.whyNot[Feature::kGpu] = whyNoGpu();
  machine.controllers.insert(platform.controllers.begin(), platform.controllers.end());
  if (!machine.controllers.contains("pids")) machine.standIns["pids"] = "RLIMIT_NPROC";
  machine.swapAccounting = machine.controllers.contains("memory");
  machine.cpu = {::sysconf(_SC_NPROCESSORS_ONLN) * 1000};
  machine.cpuToPromise = {machine.cpu.count * policy.overcommitCpu / 100};
  machine.memory = machineMemory();
  machine.memoryToPromise = {machine.memory.count / 100 * static_cast<std::uint64_t>(policy.overcommitMem)};
  machine.realTime = {platform.realTime.cpus, platform.realTime.sharePpm, {}, platform.realTime.why};
  machine.landlockAbi = platform.landlockAbi;
  for (const auto& model : models.all()) machine.models.push_back({model.name, "", 0});
  machine.tools = tools();
  machine.allowSubstitution = true;
  machine.allowUnlimited = policy.allowUnlimitedWithoutControllers;
  machine.mountSources = policy.mounts;
  return machine;
}

void promise(contract::Machine& machine, const contract::Contract& contract) {
  machine.cpuPromised.count += contract.compute.cpu.value_or(MilliCpu{}).count;
  machine.memoryPromised.count += contract.compute.mem.value_or(Bytes{}).count;
  if (contract.latency == contract::LatencyClass::kHrt)
    machine.realTime.admitted.push_back(contract::reservationOf(contract));
}

}  // namespace agentos::agentd
