// SPDX-License-Identifier: Apache-2.0
// Admission: a contract held against a machine and root's policy before anything starts. Pure; the answer is a table
// with a row for each demand (a key written in the file). Fails closed: a demand that no rule knows to be met is unmet.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "contract/contract.h"
#include "contract/real_time.h"

namespace agentos::contract {

// What a version of agentd, or a machine, may be without. A Machine lists those that are there.
enum class Feature : std::uint8_t {
  kSloWatch,           // class.slo is measured
  kGpu,                // compute.gpu_mem
  kDiskQuota,          // compute.disk, workspace.scratch as bounds that hold
  kMountQuota,         // compute.disk for what is written in workspace mounts, too
  kOverlayMounts,      // workspace.mounts with mode overlay
  kEncryptedScratch,   // workspace.encrypted
  kEgressProxy,        // network.egress with entries
  kOpenNetwork,        // network.unrestricted
  kSecrets,            // run.secrets
  kNestedUserns,       // nested_userns
  kHeartbeat,          // health.heartbeat
  kHealthProbes,       // health.exec, health.http
  kWakeOnMessage,      // schedule.on: message
  kContextLimit,       // modelPolicy.max_context_tokens is held by the gateway
  kCanary,             // binding smooth: a newer model or tool, watched and rolled back
  kRetrieval,          // memory.namespace, memory.rag
  kRetention,          // memory.retention_days
  kConsentGates,       // security.consent_for
  kDataScopes,         // security.data_scopes
  kTracing,            // observability.tracing
  kLogFields,          // observability.log_fields
  kSupervisionTree,    // supervise
  kChildren,           // spawn
  kReview,             // review
  kReservedDecisions,  // reserved
};

struct ServedModel {
  std::string name;                   // "local/llama-3.1-8B"
  std::string placement;              // "on-prem", "edge", "cloud"; empty: not known, which meets no placement demand
  std::int64_t maxContextTokens = 0;  // 0: not known
};

// What is there, and what root allows. Everything absent by default.
struct Machine {
  std::set<Feature> features;
  std::map<Feature, std::string> whyNot;  // of those that are not there, where more is known than that

  std::set<std::string>
      controllers;  // cgroup v2 controllers that limits can be set with: "cpu", "memory", "pids", "io"
  std::map<std::string, std::string>
      standIns;                 // controller → the weaker limit that takes its place: "pids" → "RLIMIT_NPROC"
  bool swapAccounting = false;  // memory.swap.max is there
  MilliCpu cpu;                 // of the whole machine: no contract can have more
  MilliCpu cpuPromised;         // to the agents that live, of cpuToPromise
  MilliCpu cpuToPromise;        // the machine's cores times root's policy.overcommit_cpu
  Bytes memory;                 // of the whole machine
  Bytes memoryPromised;         // likewise
  Bytes memoryToPromise;
  RealTime realTime;    // class.latency HRT
  int landlockAbi = 0;  // 0: no Landlock (a further wall; its absence is a note)

  std::vector<ServedModel> models;
  std::set<std::string> tools;    // registered names
  std::set<std::string> secrets;  // names that can be given

  // Root's policy.
  bool allowSubstitution = false;         // binding flexible may put another thing in place of what is demanded
  bool allowUnlimited = false;            // … also "no limit at all" for a missing controller
  std::vector<std::string> mountSources;  // host directories that absolute mount sources must lie beneath
};

enum class AdmissionVerdict : std::uint8_t { kMet, kSubstituted, kUnmet };

struct AdmissionRow {
  std::string path;    // "compute.mem"
  std::string demand;  // "4GiB"
  AdmissionVerdict verdict = AdmissionVerdict::kUnmet;
  std::string by;      // what meets it, or stands in for it
  std::string why;     // why it is not met as written
  std::string remedy;  // what would meet it
  bool operator==(const AdmissionRow&) const = default;
};

struct Admission {
  std::vector<AdmissionRow> rows;   // one for each demand, in the order of docs/contract.md
  std::vector<AdmissionRow> notes;  // wishes (defaults) that this machine does not give; they refuse nothing
  bool admitted() const;            // no row is unmet
  bool operator==(const Admission&) const = default;
};

Admission admit(const Contract& contract, const Machine& machine);

// The refusal for a log or a caller: kContractUnmet naming every unmet row and its remedy. Only when !admitted().
Error refusalOf(const Contract& contract, const Admission& admission);

std::string_view wordOf(AdmissionVerdict verdict);  // "met", "substituted", "unmet"
Json toJson(const Admission& admission);            // {"admitted":…,"rows":[…],"notes":[…]}

}  // namespace agentos::contract
