// SPDX-License-Identifier: Apache-2.0
// An Agent Contract, as parsed: values only, immutable once loaded, comparable. docs/contract.md says what each field
// means; the loader (loader.h) is the only maker of a Contract from text.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/units.h"

namespace agentos::contract {

enum class LatencyClass : std::uint8_t { kHrt, kSrt, kDt };
enum class Binding : std::uint8_t { kStrict, kSmooth, kFlexible };
enum class RunMode : std::uint8_t { kCycle, kService, kJob };
enum class Verdict : std::uint8_t { kExit, kApi };
enum class CatchUp : std::uint8_t { kOnce, kSkip };
enum class RestartPolicy : std::uint8_t { kNo, kOnFailure, kAlways };
enum class MountMode : std::uint8_t { kReadOnly, kReadWrite, kOverlay };
enum class SuperviseStrategy : std::uint8_t { kOneForOne, kOneForAll, kRestForOne };
enum class WakeOn : std::uint8_t { kTask, kMessage };

// What an agent gets where the machine can give it and its contract says nothing.
inline constexpr std::int64_t kWishedPids = 512;
inline constexpr std::int64_t kWishedIoWeight = 100;

struct Slo {
  std::optional<std::int64_t> onsetMs, turnMs, jitterP95Pct;
  std::optional<std::int64_t> runtimeUs{}, deadlineUs{}, periodUs{};  // HRT; what is unset: contract/real_time.h
  bool operator==(const Slo&) const = default;
};

// Most of the disk's work at once; unset: as much as there is.
struct IoMax {
  std::optional<Bytes> read, write;               // in a second
  std::optional<std::int64_t> readOps, writeOps;  // in a second
  bool operator==(const IoMax&) const = default;
};

struct Compute {
  std::optional<MilliCpu> cpu;
  std::optional<Bytes> mem, memHigh, gpuMem, disk, swap;
  std::optional<std::int64_t> cpuWeight;  // 1 … 10000; unset: by the latency class
  IoMax ioMax;
  std::optional<std::int64_t> pids;      // 1 … 4194304; unset: kWishedPids
  std::optional<std::int64_t> ioWeight;  // 1 … 10000; unset: kWishedIoWeight
  bool operator==(const Compute&) const = default;
};

struct ModelPolicy {
  std::vector<std::string> allow;  // patterns, first that can serve is used; empty: no model
  std::optional<std::int64_t> maxContextTokens;
  std::vector<std::string> placement;
  bool operator==(const ModelPolicy&) const = default;
};

struct Memory {
  std::string nameSpace;
  std::optional<std::int64_t> retentionDays;
  std::optional<std::int64_t> ragTopK;
  bool ragRequireGrounding = false;
  std::int64_t workingTokens = 2000;
  std::int64_t soulTokens = 500;
  bool operator==(const Memory&) const = default;
};

struct Security {
  std::vector<std::string> consentFor, dataScopes;
  bool nestedUserns = false;  // the agent may make user namespaces of its own (a browser's or a coding agent's sandbox)
  bool operator==(const Security&) const = default;
};

struct Observability {
  std::string tracing;
  std::vector<std::string> logFields;
  bool operator==(const Observability&) const = default;
};

struct Stop {
  int signal = 15;
  Nanoseconds grace = std::chrono::seconds(10);
  bool operator==(const Stop&) const = default;
};

struct Run {
  RunMode mode = RunMode::kCycle;
  std::vector<std::string> command;  // empty: agent-runner serves the contract
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<std::string> secrets;
  Nanoseconds timeout = std::chrono::minutes(30);
  std::optional<Nanoseconds> noProgress;  // no call, message, log line or output for so long: it hangs
  Verdict verdict = Verdict::kApi;        // kExit by default when a command is given
  Stop stop;
  bool operator==(const Run&) const = default;
};

struct Hours {  // local minutes from midnight, [from, to); to < from passes midnight
  int from = 0, to = 24 * 60;
  bool operator==(const Hours&) const = default;
};

struct Schedule {
  std::optional<Nanoseconds> every;
  std::string cron;  // checked, as written; company/schedule computes with it
  std::set<WakeOn> on;
  std::optional<Hours> hours;
  Nanoseconds jitter{0};
  CatchUp catchUp = CatchUp::kOnce;
  bool operator==(const Schedule&) const = default;
};

struct Restart {
  RestartPolicy policy = RestartPolicy::kOnFailure;
  Nanoseconds backoffMin = std::chrono::seconds(1), backoffMax = std::chrono::seconds(60);
  std::int64_t max = 5;
  Nanoseconds within = std::chrono::minutes(5);
  bool operator==(const Restart&) const = default;
};

struct Health {
  std::optional<Nanoseconds> heartbeat;
  std::int64_t misses = 3;
  std::vector<std::string> exec;
  std::string http;
  bool operator==(const Health&) const = default;
};

struct WorkspaceMount {
  std::string source;  // relative: beneath the company directory; absolute: a host path that root's policy allows
  std::string target;  // absolute, inside the room
  MountMode mode = MountMode::kReadOnly;
  bool operator==(const WorkspaceMount&) const = default;
};

struct Workspace {
  std::optional<Bytes> scratch;
  std::vector<WorkspaceMount> mounts;
  bool encrypted = false;
  bool operator==(const Workspace&) const = default;
};

// One place that the proxy connects to. With methods or paths it is for plain HTTP alone: what is in a tunnel is not
// seen.
struct EgressRule {
  std::string host;  // as written: a host, or "*." and a name
  std::int64_t port = 0;
  std::vector<std::string> methods, paths;  // patterns of paths; empty: any
  std::vector<std::string> addresses;       // ranges besides the public internet that the name may lead to
  bool tls = true;                          // tunnel: a tunnel carries TLS to that very name; else anything
  std::optional<Bytes> maxBytes;            // in one run, both ways
  bool operator==(const EgressRule&) const = default;
};
std::string textOf(const EgressRule& rule);  // "api.github.com:443"

struct Network {
  std::vector<EgressRule> egress;  // empty: no way out
  bool unrestricted = false;
  std::string reason;             // required with unrestricted
  bool dnsByProxy = true;         // dns: proxy | none
  std::optional<Bytes> maxBytes;  // in one run, to everywhere, both ways
  std::optional<Bytes> rate;      // a second, both ways
  bool operator==(const Network&) const = default;
};

struct Budget {
  std::optional<MicroUsd> perRun, perDay, perWeek, perMonth;
  std::optional<std::int64_t> maxTurns, tokensPerRun;
  bool operator==(const Budget&) const = default;
};

struct Identity {
  std::string soul, drives, role;  // soul, drives: paths beneath the agent's state directory or the company
  bool operator==(const Identity&) const = default;
};

struct Supervise {
  std::string parent;
  SuperviseStrategy strategy = SuperviseStrategy::kOneForOne;
  bool operator==(const Supervise&) const = default;
};

struct Review {
  bool required = false;
  std::vector<std::string> by, checks;
  bool operator==(const Review&) const = default;
};

struct SpawnGrant {
  std::vector<std::string> allow;  // name patterns
  std::int64_t maxChildren = 0;
  bool operator==(const SpawnGrant&) const = default;
};

struct Contract {
  std::string apiVersion;  // "agentos/v0.2"
  AgentName name;
  std::int64_t version = 1;
  std::string owner;
  LatencyClass latency = LatencyClass::kDt;
  Slo slo;
  std::vector<std::string> capabilities;  // the tool allow list
  Compute compute;
  ModelPolicy modelPolicy;
  Memory memory;
  Security security;
  Observability observability;
  Binding binding = Binding::kStrict;
  Run run;
  Schedule schedule;
  Restart restart;
  Health health;
  Workspace workspace;
  Network network;
  Budget budget;
  Identity identity;
  Supervise supervise;
  Review review;
  SpawnGrant spawn;
  std::vector<std::string> reserved;

  std::string digest;  // SHA-256 of the canonical JSON of what the file says (keys written, units as written)
  std::set<std::string> demands;  // dotted paths of the keys that are written: "compute.mem"; the rest are wishes

  bool isDemanded(const std::string& path) const { return demands.contains(path); }
  bool operator==(const Contract&) const = default;
};

}  // namespace agentos::contract
