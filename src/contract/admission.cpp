// SPDX-License-Identifier: Apache-2.0
#include "contract/admission.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "contract/admission_rules.h"
#include "contract/loader.h"
#include "contract/schema.h"
#include "contract/words.h"

namespace agentos::contract {
namespace {

std::string plain(const Json& value) { return value.is_string() ? value.get<std::string>() : dumpJson(value); }

// A value that asks for nothing: an empty list or map, false, or the word none.
bool asksNothing(const Json& value) {
  return value.is_null() || value == false || value == "none" ||
         ((value.is_array() || value.is_object()) && value.empty());
}

bool isWithin(std::string_view path, std::string_view place) {
  return path == place || (path.starts_with(place) && (place.ends_with('/') || path[place.size()] == '/'));
}

// "local/llama-3" is served as "local/llama-3.1": the same name, with a version after it.
bool isNewerOf(std::string_view wanted, std::string_view served) {
  if (!served.starts_with(wanted) || served.size() < wanted.size() + 2) return false;
  const char next = served[wanted.size()], after = served[wanted.size() + 1];
  return std::string_view("-.:@").contains(next) && ((after >= '0' && after <= '9') || after == 'v');
}

class Judge {
 public:
  Judge(const Contract& contract, const Machine& machine) : contract_(contract), machine_(machine) {}

  Admission judgeAll() {
    for (const Field& field : fields()) {
      if (field.set == nullptr || field.path.contains("[]")) continue;
      const std::string path(field.path);
      if (contract_.isDemanded(path)) judgeField(field);
    }
    noteWishes();
    return std::move(answer_);
  }

 private:
  void met(std::string path, std::string demand, std::string by) {
    answer_.rows.push_back({std::move(path), std::move(demand), AdmissionVerdict::kMet, std::move(by), "", ""});
  }
  // Unmet, or substituted where that is allowed and there is something to put in its place.
  void lacking(std::string path, std::string demand, std::string why, std::string remedy, std::string substitute,
               bool allowed = true) {
    const bool may =
        contract_.binding == Binding::kFlexible && machine_.allowSubstitution && allowed && !substitute.empty();
    answer_.rows.push_back({std::move(path), std::move(demand),
                            may ? AdmissionVerdict::kSubstituted : AdmissionVerdict::kUnmet,
                            may ? std::move(substitute) : "", std::move(why), std::move(remedy)});
  }
  void note(std::string path, std::string demand, std::string why, std::string remedy) {
    answer_.notes.push_back(
        {std::move(path), std::move(demand), AdmissionVerdict::kUnmet, "", std::move(why), std::move(remedy)});
  }
  std::string whyNot(Feature feature, std::string otherwise) const {
    auto found = machine_.whyNot.find(feature);
    return found == machine_.whyNot.end() ? std::move(otherwise) : found->second;
  }
  bool has(Feature feature) const { return machine_.features.contains(feature); }
  bool holds(const char* controller) const { return machine_.controllers.contains(controller); }

  void judgeField(const Field& field) {
    const std::string path(field.path);
    const Json value = field.get(contract_);
    const AdmissionRule* rule = findRule(path);
    if (rule == nullptr)
      return lacking(path, plain(value), "no rule of this version knows the key", "an agentd that knows it", "");
    if (rule->kind == RuleKind::kLabel || asksNothing(value)) return;
    if (rule->kind == RuleKind::kGiven) return met(path, plain(value), std::string(rule->by));
    if (rule->kind == RuleKind::kFeature) return judgeFeature(*rule, plain(value));
    judgeValue(path, plain(value));
  }

  void judgeFeature(const AdmissionRule& rule, std::string demand) {
    if (has(*rule.feature)) return met(std::string(rule.path), std::move(demand), std::string(rule.by));
    lacking(std::string(rule.path), std::move(demand),
            whyNot(*rule.feature, "this agentd, on this machine, does not give it"), std::string(rule.remedy),
            std::string(rule.substitute));
  }

  void judgeValue(const std::string& path, const std::string& demand) {
    using Method = void (Judge::*)(const std::string&, const std::string&);
    static constexpr std::array<std::pair<std::string_view, Method>, 25> kMethods = {
        {{"class.latency", &Judge::latency},
         {"class.slo.onset_ms", &Judge::slo},
         {"class.slo.jitter_p95_pct", &Judge::slo},
         {"class.slo.runtime_us", &Judge::slo},
         {"class.slo.deadline_us", &Judge::slo},
         {"class.slo.period_us", &Judge::slo},
         {"capabilities", &Judge::capabilities},
         {"compute.cpu", &Judge::cpu},
         {"compute.mem", &Judge::memory},
         {"compute.mem_high", &Judge::memoryHigh},
         {"compute.cpu_weight", &Judge::cpuWeight},
         {"compute.pids", &Judge::pids},
         {"compute.io_max.read", &Judge::ioMax},
         {"compute.io_max.write", &Judge::ioMax},
         {"compute.io_max.read_ops", &Judge::ioMax},
         {"compute.io_max.write_ops", &Judge::ioMax},
         {"compute.io_weight", &Judge::ioWeight},
         {"compute.disk", &Judge::disk},
         {"compute.swap", &Judge::swap},
         {"modelPolicy.allow", &Judge::models},
         {"modelPolicy.placement", &Judge::placement},
         {"security.consent_for", &Judge::consent},
         {"run.secrets", &Judge::secrets},
         {"schedule.on", &Judge::wakeOn},
         {"workspace.mounts", &Judge::mounts}}};
    const auto method = std::ranges::find(kMethods, path, [](const auto& entry) { return entry.first; });
    if (path == "workspace.scratch") return disk(path, demand);
    if (method == kMethods.end())
      return lacking(path, demand, "no rule of this version judges the key", "an agentd that does", "");
    (this->*method->second)(path, demand);
  }

  void latency(const std::string& path, const std::string& demand) {
    if (contract_.latency == LatencyClass::kDt) return met(path, demand, "the scheduler");
    if (contract_.latency == LatencyClass::kSrt) {
      if (machine_.controllers.contains("cpu")) return met(path, demand, "cpu.weight");
      return lacking(path, demand, "no cpu controller to give it weight with",
                     "a cgroup v2 tree with the cpu controller, or DT", "the order of model calls alone");
    }
    hardRealTime(path, demand);
  }

  // Never a weaker class in its place, whatever the binding: who asks for HRT and gets less would not know when.
  void hardRealTime(const std::string& path, const std::string& demand) {
    if (contract_.run.command.empty()) {
      return lacking(path, demand, "there is no run.command, and a language model's word is never in real time",
                     "a program of its own, or SRT", "");
    }
    if (machine_.realTime.cpus == 0) {
      const std::string& why = machine_.realTime.why;
      return lacking(path, demand, "no SCHED_DEADLINE here" + (why.empty() ? "" : ": " + why),
                     "a machine that gives it (agentctl system info says why this one does not), or SRT", "");
    }
    const Reservation wanted = reservationOf(contract_);
    const EdfTest test = testEdf(machine_.realTime, wanted);
    const std::string words = formatReservation(wanted) + "; " + test.quote();
    if (test.fits()) return met(path, demand, "SCHED_DEADLINE, " + words);
    lacking(path, demand, "more real time than is left: " + words,
            "less class.slo.runtime_us, a longer deadline, or stop another HRT agent", "");
  }

  // What makes an HRT agent's reservation is held with it; of the others nobody measures it.
  void slo(const std::string& path, const std::string& demand) {
    const bool hard = contract_.latency == LatencyClass::kHrt;
    if (hard && machine_.realTime.cpus > 0)
      return met(path, demand, "SCHED_DEADLINE, " + formatReservation(reservationOf(contract_)));
    if (!hard && has(Feature::kSloWatch)) return met(path, demand, "measured");
    lacking(path, demand, hard ? "no SCHED_DEADLINE here" : "this agentd, on this machine, does not measure it",
            hard ? "as for class.latency" : "remove class.slo", hard ? "" : "it is not measured");
  }

  void capabilities(const std::string& path, const std::string&) {
    for (const std::string& wanted : contract_.capabilities) {
      const auto found =
          std::ranges::find_if(machine_.tools, [&](const std::string& tool) { return matchesPattern(wanted, tool); });
      if (found != machine_.tools.end()) {
        met(path, wanted, *found == wanted ? "the tool registry" : *found);
        continue;
      }
      const std::vector<std::string_view> tools(machine_.tools.begin(), machine_.tools.end());
      const auto near = didYouMean(wanted, tools);
      lacking(path, wanted, "no such tool is registered",
              near ? "did you mean " + *near + "?" : "register it, or remove it", "without it");
    }
  }

  // A limit that a cgroup controller holds, another limit stands in for, or nothing does.
  void limit(const std::string& path, const std::string& demand, const std::string& controller,
             const std::string& file) {
    if (machine_.controllers.contains(controller)) return met(path, demand, file);
    const std::string why = "no " + controller + " controller in cgroup v2 here";
    const std::string remedy = "mount cgroup v2 with the " + controller + " controller, or binding: flexible";
    if (const auto other = machine_.standIns.find(controller); other != machine_.standIns.end()) {
      return lacking(path, demand, why, remedy, other->second);
    }
    lacking(path, demand, why, remedy + " and root's policy.allow_unlimited_without_controllers: true in agentd.yaml",
            "no limit", machine_.allowUnlimited);
  }

  void cpu(const std::string& path, const std::string& demand) {
    if (contract_.compute.cpu > machine_.cpu) {
      return lacking(path, demand, "this machine has " + formatCpu(machine_.cpu), "at most that, or a larger machine",
                     "");
    }
    // Where no controller holds a limit, none is promised.
    if (holds("cpu") && contract_.compute.cpu->count > machine_.cpuToPromise.count - machine_.cpuPromised.count) {
      return lacking(path, demand,
                     formatCpu(machine_.cpuPromised) + " of " + formatCpu(machine_.cpuToPromise) +
                         " cores that may be promised are promised to the agents that run",
                     "less, stop another agent, or more in root's policy.overcommit_cpu", "");
    }
    limit(path, demand, "cpu", "cpu.max");
  }
  void memory(const std::string& path, const std::string& demand) {
    if (contract_.compute.mem > machine_.memory) {
      return lacking(path, demand, "this machine has " + formatBytes(machine_.memory),
                     "at most that, or a larger machine", "");
    }
    const std::uint64_t left =
        machine_.memoryToPromise.count - std::min(machine_.memoryToPromise.count, machine_.memoryPromised.count);
    if (holds("memory") && contract_.compute.mem->count > left) {
      return lacking(path, demand,
                     formatBytes(machine_.memoryPromised) + " of " + formatBytes(machine_.memoryToPromise) +
                         " that may be promised are promised to the agents that run",
                     "less, stop another agent, or more in root's policy.overcommit_mem", "");
    }
    limit(path, demand, "memory", "memory.max");
  }
  void memoryHigh(const std::string& path, const std::string& demand) { limit(path, demand, "memory", "memory.high"); }
  void cpuWeight(const std::string& path, const std::string& demand) { limit(path, demand, "cpu", "cpu.weight"); }
  void ioMax(const std::string& path, const std::string& demand) { limit(path, demand, "io", "io.max"); }
  void pids(const std::string& path, const std::string& demand) { limit(path, demand, "pids", "pids.max"); }
  void ioWeight(const std::string& path, const std::string& demand) { limit(path, demand, "io", "io.weight"); }
  void swap(const std::string& path, const std::string& demand) {
    if (machine_.controllers.contains("memory") && !machine_.swapAccounting) {
      return lacking(path, demand, "the kernel does not account swap", "swapaccount=1, or remove compute.swap",
                     "no limit", machine_.allowUnlimited);
    }
    limit(path, demand, "memory", "memory.swap.max");
  }
  void disk(const std::string& path, const std::string& demand) {
    // Of what it writes in mounts that others use as well nobody keeps count.
    auto shared = [](const WorkspaceMount& mount) { return mount.mode != MountMode::kReadOnly; };
    if (path == "compute.disk" && !has(Feature::kMountQuota) &&
        std::ranges::any_of(contract_.workspace.mounts, shared)) {
      return lacking(path, demand, "what it writes in a workspace mount is not bounded",
                     "workspace.scratch in its place, or read-only mounts", "no limit", machine_.allowUnlimited);
    }
    if (has(Feature::kDiskQuota)) return met(path, demand, "a file system of that size");
    lacking(path, demand, whyNot(Feature::kDiskQuota, "no bound on disk space holds here"),
            "a machine that gives it, or remove " + path, "no limit", machine_.allowUnlimited);
  }

  bool isPlaced(const ServedModel& model) const {
    const auto& placement = contract_.modelPolicy.placement;
    return placement.empty() || std::ranges::find(placement, model.placement) != placement.end();
  }

  void models(const std::string& path, const std::string& demand) {
    for (const std::string& pattern : contract_.modelPolicy.allow) {
      auto serves = [&](const ServedModel& model) { return matchesPattern(pattern, model.name) && isPlaced(model); };
      const auto found = std::ranges::find_if(machine_.models, serves);
      if (found != machine_.models.end()) return met(path, demand, found->name);
      note(path, pattern, "no driver serves it now", "configure a driver for it");
    }
    const std::string remedy = "configure a driver that serves one of them, or allow one that is served";
    if (const ServedModel* newer = findNewer();
        newer != nullptr && contract_.binding == Binding::kSmooth && has(Feature::kCanary)) {
      answer_.rows.push_back({path, demand, AdmissionVerdict::kSubstituted, newer->name + ", as a canary",
                              "none of them is served", remedy});
      return;
    }
    lacking(path, demand, "no driver serves any of them", remedy, "");
  }

  const ServedModel* findNewer() const {
    for (const std::string& pattern : contract_.modelPolicy.allow) {
      const auto found = std::ranges::find_if(
          machine_.models, [&](const ServedModel& model) { return isNewerOf(pattern, model.name) && isPlaced(model); });
      if (found != machine_.models.end()) return &*found;
    }
    return nullptr;
  }

  void placement(const std::string& path, const std::string& demand) {
    const auto found = std::ranges::find_if(machine_.models, [&](const ServedModel& model) {
      return isPlaced(model) && std::ranges::any_of(contract_.modelPolicy.allow, [&](const std::string& pattern) {
               return matchesPattern(pattern, model.name);
             });
    });
    if (found != machine_.models.end()) return met(path, demand, found->name + " (" + found->placement + ")");
    lacking(path, demand, "no allowed model is known to run there", "say the placement of a model in agentd.yaml", "");
  }

  // Consent for a tool that the contract does not let it call anyway asks for nothing.
  void consent(const std::string& path, const std::string&) {
    for (const std::string& tool : contract_.security.consentFor) {
      const bool callable = std::ranges::any_of(contract_.capabilities, [&](const std::string& capability) {
        return matchesPattern(capability, tool) || matchesPattern(tool, capability);
      });
      if (!callable) {
        met(path, tool, "capabilities: it cannot be called at all");
      } else if (has(Feature::kConsentGates)) {
        met(path, tool, "a consent gate");
      } else {
        lacking(path, tool, "this agentd has no consent gates", "remove it from capabilities", "");
      }
    }
  }

  void secrets(const std::string& path, const std::string&) {
    for (const std::string& secret : contract_.run.secrets) {
      if (has(Feature::kSecrets) && machine_.secrets.contains(secret)) {
        met(path, secret, "a systemd credential");
      } else {
        lacking(path, secret,
                has(Feature::kSecrets) ? "there is no credential of that name" : "this agentd gives no secrets",
                "LoadCredential=" + secret + ":… in agentd.service, or remove it", "");
      }
    }
  }

  void wakeOn(const std::string& path, const std::string&) {
    for (const WakeOn wake : contract_.schedule.on) {
      const std::string word(wordFor(wake));
      if (wake == WakeOn::kTask || has(Feature::kWakeOnMessage)) {
        met(path, word, "the scheduler");
      } else {
        lacking(path, word, "this agentd wakes nobody for a message", "schedule.every, or remove it",
                "the clock alone");
      }
    }
  }

  void mounts(const std::string& path, const std::string&) {
    for (std::size_t at = 0; at < contract_.workspace.mounts.size(); ++at) {
      const WorkspaceMount& mount = contract_.workspace.mounts[at];
      const std::string here = path + "[" + std::to_string(at) + "]";
      const std::string demand = mount.source + " at " + mount.target + ", " + std::string(wordFor(mount.mode));
      auto holds = [&](const std::string& place) { return isWithin(mount.source, place); };
      if (mount.source.starts_with('/') && std::ranges::none_of(machine_.mountSources, holds)) {
        lacking(here, demand, "root's policy does not open " + mount.source,
                "root's policy, or a path beneath the company", "");
      } else if (mount.mode == MountMode::kOverlay && !has(Feature::kOverlayMounts)) {
        lacking(here, demand, whyNot(Feature::kOverlayMounts, "this agentd has no overlay mounts"), "mode: ro or rw",
                "a read-only mount");
      } else {
        met(here, demand, mount.mode == MountMode::kOverlay ? "an overlay" : "a bind mount");
      }
    }
  }

  void noteWishes() {
    noteLimit("compute.pids", kWishedPids, "pids");
    noteLimit("compute.io_weight", kWishedIoWeight, "io");
    if (machine_.landlockAbi == 0)
      note("room", "Landlock", "the kernel has none", "a kernel with CONFIG_SECURITY_LANDLOCK");
    if (contract_.run.command.empty() && contract_.modelPolicy.allow.empty()) {
      note("modelPolicy.allow", "a model for agent-runner", "the contract allows none",
           "modelPolicy.allow, or run.command");
    }
  }
  void noteLimit(const std::string& path, std::int64_t wish, const std::string& controller) {
    if (contract_.isDemanded(path) || machine_.controllers.contains(controller)) return;
    const auto other = machine_.standIns.find(controller);
    note(path, std::to_string(wish), "no " + controller + " controller in cgroup v2 here",
         other == machine_.standIns.end() ? "none is set" : other->second + " is set");
  }

  const Contract& contract_;
  const Machine& machine_;
  Admission answer_;
};

Json rowJson(const AdmissionRow& row) {
  return {{"path", row.path}, {"demand", row.demand}, {"verdict", std::string(wordOf(row.verdict))},
          {"by", row.by},     {"why", row.why},       {"remedy", row.remedy}};
}

}  // namespace

bool Admission::admitted() const {
  return std::ranges::none_of(rows, [](const AdmissionRow& row) { return row.verdict == AdmissionVerdict::kUnmet; });
}

Admission admit(const Contract& contract, const Machine& machine) { return Judge(contract, machine).judgeAll(); }

Error refusalOf(const Contract& contract, const Admission& admission) {
  std::vector<std::string> what, remedies;
  for (const AdmissionRow& row : admission.rows) {
    if (row.verdict != AdmissionVerdict::kUnmet) continue;
    what.push_back(row.path + " (" + row.demand + "): " + row.why);
    remedies.push_back(row.path + ": " + row.remedy);
  }
  return Error{ErrorCode::kContractUnmet,
               "the contract of " + contract.name.str() + " cannot be met: " + join(what, "; "),
               join(remedies, "; "),
               0,
               {}};
}

std::string_view wordOf(AdmissionVerdict verdict) {
  switch (verdict) {
    case AdmissionVerdict::kMet:
      return "met";
    case AdmissionVerdict::kSubstituted:
      return "substituted";
    case AdmissionVerdict::kUnmet:
      return "unmet";
  }
  return {};
}

Json toJson(const Admission& admission) {
  Json rows = Json::array(), notes = Json::array();
  for (const AdmissionRow& row : admission.rows) rows.push_back(rowJson(row));
  for (const AdmissionRow& row : admission.notes) notes.push_back(rowJson(row));
  return {{"admitted", admission.admitted()}, {"rows", std::move(rows)}, {"notes", std::move(notes)}};
}

}  // namespace agentos::contract
