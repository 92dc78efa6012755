// SPDX-License-Identifier: Apache-2.0
// What agentd asks of the spawner: a room and the program to run in it. Values only; protocol.h puts them on the wire,
// and the spawner holds every field against root's policy before it acts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/units.h"

namespace agentos::sandbox {

struct RoomMount {
  std::string source;  // absolute host path
  std::string target;  // absolute path in the room
  bool writable = false;
  // The host owner that shows as the agent's own uid and gid inside (an idmapped mount); false: owners show unmapped
  // (nobody), which serves for world-readable trees such as a runtime side.
  bool idmapped = true;
  // Left out silently when the source is not there.
  bool optional = false;
  // Not empty: an overlay. `source` is the lower layer, which stays as it is; this directory, of the host too, holds
  // `upper` (what the room changed) and `work` (the kernel's), both empty at first. Only an idmapped mount has one, and
  // `writable` is about the source, so false.
  std::string layers{};
  bool operator==(const RoomMount&) const = default;
};

// Of each disk that holds files of the room, in a second.
struct IoMax {
  std::optional<Bytes> read, write;
  std::optional<std::int64_t> readOps, writeOps;
  bool any() const { return read || write || readOps || writeOps; }
  bool operator==(const IoMax&) const = default;
};

// Absent: no limit asked for.
struct Limits {
  std::optional<MilliCpu> cpu;
  std::optional<Bytes> memory, memoryHigh, swap;
  std::optional<std::int64_t> pids, cpuWeight, ioWeight;
  IoMax ioMax;
  std::optional<std::int64_t> cpus;  // processors that the room's programs see and run on
  std::optional<Bytes> scratchQuota;
  bool scratchEncrypted = false;  // and of this run alone; needs a quota
  bool operator==(const Limits&) const = default;
};

// SCHED_DEADLINE of a room's main thread: class HRT.
struct Reservation {
  std::int64_t runtimeNs = 0, deadlineNs = 0, periodNs = 0;
  bool operator==(const Reservation&) const = default;
};
std::string formatReservation(const Reservation& one);  // "2000/10000/10000 us": runtime, deadline, period

struct RoomPlan {
  InstanceId id;
  std::vector<std::string> command;  // argv; argv[0] an absolute path in the room
  std::vector<std::pair<std::string, std::string>> env;
  std::string workDir = "/home/agent";
  std::string hostName;
  std::vector<RoomMount> mounts;           // scratch (/home/agent), /company…, /runtime, /context, /workspace…
  std::vector<std::uint16_t> listenPorts;  // bound on 127.0.0.1 inside, descriptors passed up in this order: 4242, 4243
  Limits limits;
  Bytes logRotateAt{16 << 20};
  std::int64_t logKeep = 4;  // rotated files kept beside the live one
  bool nestedUserns = false;
  std::optional<Reservation> realTime;
  bool batch = false;        // SCHED_BATCH: class DT. Held, as realTime is: the room's filter lets nobody change it
  bool cpuBurst = false;     // what limits.cpu left unused in a period may be used in the next: class SRT
  std::string launchRecord;  // one line of JSON, agentd's: first line of launch.jsonl, durable before exec
  bool operator==(const RoomPlan&) const = default;
};

// Which limits the kernel holds, as the spawner read them back, and what stands in for those it does not.
struct Enforcement {
  std::vector<std::string> enforced;     // "memory.max=4294967296"
  std::vector<std::string> substituted;  // "pids by RLIMIT_NPROC=512"
  std::vector<std::string> missing;      // "memory (no memory controller in cgroup v2)"
  bool operator==(const Enforcement&) const = default;
};

// Who a process is across a restart of agentd: pid alone may be reused, pid and start time are not.
struct ProcessIdentity {
  std::int32_t pid = 0;          // of agent-init, in the host's pid namespace
  std::uint64_t startTicks = 0;  // field 22 of /proc/pid/stat
  std::string bootId;
  std::uint64_t cgroupInode = 0;  // of <keeper>/<instance>
  std::uint32_t slot = 0;         // uid range: policy.uidFirst + slot * 65536
  bool operator==(const ProcessIdentity&) const = default;
};

// exit.json, agent-init's: how the payload ended.
struct ExitRecord {
  std::optional<int> code;    // exit status, or
  std::optional<int> signal;  // the signal that ended it
  bool coreDumped = false;
  bool execFailed = false;  // the program could not be started; `detail` says why
  std::string detail;
  std::int64_t startedNs = 0, endedNs = 0;                  // CLOCK_REALTIME
  std::int64_t ranNs = 0;                                   // CLOCK_BOOTTIME difference
  std::uint64_t cpuUsec = 0, memoryPeak = 0, oomKills = 0;  // what the pay group said, 0 where it cannot
  // How often it was held up: slowed down at memory.high, refused a process at pids.max, and for how long at cpu.max.
  std::uint64_t memoryHigh = 0, pidsRefused = 0, throttledUsec = 0;
  bool operator==(const ExitRecord&) const = default;
};

// A room that was found alive under the keeper.
struct LiveRoom {
  InstanceId id;
  std::int32_t initPid = 0;  // 0: no process left in sup/
  bool frozen = false;
  std::int64_t processes = 0;
  bool operator==(const LiveRoom&) const = default;
};

// The end of the audit log, as root's file keeps it.
struct LogHead {
  std::uint64_t sequence = 0;
  std::string hash;  // SHA-256, 64 lower-case hex digits
  bool operator==(const LogHead&) const = default;
};

// How long tasks stood still in two seconds, in microseconds, before somebody is woken.
struct PressureAsk {
  std::int64_t memoryUs = 0, cpuUs = 0;
  bool operator==(const PressureAsk&) const = default;
};

struct RealTimeReport {
  std::int64_t cpus = 0;      // 0: SCHED_DEADLINE cannot be had, and `why`
  std::int64_t sharePpm = 0;  // of each processor, at most: the kernel's bound or root's, the smaller
  std::string why;
  bool operator==(const RealTimeReport&) const = default;
};

// What this machine can enforce; said at start, in `system info` and used by admission.
struct PlatformReport {
  std::string cgroupMode;                // "unified", "hybrid", "legacy"
  std::string cgroupRoot;                // where the keeper's tree is
  std::vector<std::string> controllers;  // enabled for instances
  int landlockAbi = 0;
  bool idmappedMounts = false;
  std::string kernel;
  std::vector<std::string> warnings;  // one sentence each
  std::string noVolumes = "not asked",
              noEncryption = "not asked";  // why a scratch cannot be bounded, encrypted; empty: it can
  RealTimeReport realTime;
  bool overlayMounts = false;
  bool operator==(const PlatformReport&) const = default;
};

}  // namespace agentos::sandbox
