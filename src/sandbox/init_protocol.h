// SPDX-License-Identifier: Apache-2.0
// The border of agent-init, PID 1 of every room: what the spawner hands it at exec, how the two start the payload
// together, and what agentd may ask of it later over its control socket.
//
// The spawner's child builds the room and execs agent-init by descriptor (the program is not in the room). Open then
// are 0, 1, 2 (/dev/null), the descriptors below, and nothing else. agent-init is uid 0 of the room's user namespace.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace agentos::sandbox {

enum InitDescriptor : int {
  kInitPlanFd = 3,       // memfd: InitPlan in wire form
  kInitControlFd = 4,    // listening SOCK_SEQPACKET socket, bound at <run>/instances/<id>.sock (0600, agentd's user)
  kInitLogDirFd = 5,     // <log>/<id>, through an idmapped mount: what is made here belongs to agentd's user on disk
  kInitRecordDirFd = 6,  // <state>/instances/<id>, likewise; neither is O_PATH: directories are synced
  kInitPayProcsFd = 7,   // pay/cgroup.procs, O_WRONLY, opened by root: for a payload that cannot be born in pay/
  kInitSyncFd = 8,       // one end of a SOCK_SEQPACKET pair to the spawner
  // pay/, O_RDONLY | O_DIRECTORY, on a mount of its own (".." leads nowhere): the payload is cloned into it, which the
  // owner of its cgroup.procs and its parent's (the room's root) may; memory.peak, memory.events, cpu.stat are read at
  // the end.
  kInitPayDirFd = 9,
  kInitSeccompFd = 10,   // memfd: struct sock_filter[] (seccomp.h)
  kInitListenerFd = 11,  // the first of InitPlan::listeners, in the plan's order
  // kInitListenerFd + InitPlan::listeners: the lock on the room's uid range (slots.h). agent-init never touches it:
  // that it stays open until the end is what keeps the range taken. The payload does not get it.
};

// The sync socket: one letter a message, and after kSyncFailed the reason. In order:
//   R, to the spawner: the plan is read and the logs are open. Or F, and agent-init leaves without a trace.
//   G, from the spawner: the launch record is durable. End of file instead: agent-init leaves without a trace.
//   S, to the spawner: execve of the payload succeeded. Or F: it did not, and exit.json says so too.
// Then agent-init closes it.
enum SyncMessage : char { kSyncReady = 'R', kSyncGo = 'G', kSyncStarted = 'S', kSyncFailed = 'F' };

struct InitRlimit {
  std::uint32_t resource = 0;  // RLIMIT_NPROC, …
  std::uint64_t soft = 0, hard = 0;
  bool operator==(const InitRlimit&) const = default;
};

struct InitPlan {
  std::vector<std::string> argv;  // argv[0] an absolute path in the room
  std::vector<std::string> env;   // "NAME=value"
  std::string workDir = "/";
  std::uint32_t uid = 1000, gid = 1000;  // in the room
  // A limit beyond the hard limit that agent-init was given is lowered to it, never an error: what the kernel holds is
  // the spawner's to report.
  std::vector<InitRlimit> rlimits;
  std::uint64_t logRotateAt = 16 << 20;  // bytes; at least 4 KiB
  std::uint32_t logKeep = 4;             // rotated files kept beside output.log, at most 1000
  std::uint32_t listeners = 0;           // how many, from kInitListenerFd on; at most kMaxListeners
  bool batch = false;                    // SCHED_BATCH for the payload and all that it starts
  bool nestedUserns = false;             // the payload may make user namespaces of its own: the filter's variant
  std::vector<std::string> readable{}, writable{};  // for Landlock (landlock.h), a second time what the mounts say
  bool seccomp = true;  // false: the descriptor is not read; only a test of the wall does that
  bool operator==(const InitPlan&) const = default;
};

inline constexpr std::uint32_t kMaxListeners = 16;
inline constexpr std::size_t kMaxInitPlan = 1 << 20;

std::string encodeInitPlan(const InitPlan& plan);
// kSandboxProtocol when the form, an empty argv, a relative argv[0] or workDir, a NUL inside a string, uid or gid 0, or
// a number out of its range says that this is no plan.
Result<InitPlan> decodeInitPlan(std::string_view bytes);

// The control socket: one request, one reply, each a SOCK_SEQPACKET message. agent-init serves up to kMaxControlClients
// at once and drops the oldest beyond that; a client whose request is malformed gets kRefused and is dropped.
enum class InitRequestKind : std::uint8_t {
  kHello = 1,
  kListeners = 2,  // the reply carries duplicates of the listeners by SCM_RIGHTS, in the plan's order
  kSignal = 3,     // to the payload's main process
  kExit = 4,       // end the payload now (SIGKILL to all) and do not wait for what does not die: record, then exit
};
struct InitRequest {
  InitRequestKind kind = InitRequestKind::kHello;
  std::uint32_t signal = 0;  // kSignal only: 1..64
  bool operator==(const InitRequest&) const = default;
};

enum class PayloadState : std::uint8_t { kStarting = 0, kRunning = 1, kEnded = 2 };

enum class InitReplyKind : std::uint8_t { kHello = 1, kListeners = 2, kDone = 3, kRefused = 4 };
struct InitReply {
  InitReplyKind kind = InitReplyKind::kDone;
  // kHello
  std::uint32_t version = 0;   // kInitVersion of the agent-init that answers, which may be older than the asker
  std::int32_t pid = 0;        // of the payload's main process, in the room's pid namespace
  std::int64_t startedNs = 0;  // CLOCK_REALTIME
  PayloadState state = PayloadState::kStarting;
  // kListeners
  std::uint32_t listeners = 0;
  // kRefused
  std::string why{};
  bool operator==(const InitReply&) const = default;
};

inline constexpr std::uint32_t kInitVersion = 1;
inline constexpr std::size_t kMaxControlClients = 4;
inline constexpr std::size_t kMaxControlMessage = 4096;

std::string encodeInitRequest(const InitRequest& request);
Result<InitRequest> decodeInitRequest(std::string_view bytes);
std::string encodeInitReply(const InitReply& reply);
Result<InitReply> decodeInitReply(std::string_view bytes);

}  // namespace agentos::sandbox
