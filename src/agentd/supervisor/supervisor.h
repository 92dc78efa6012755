// SPDX-License-Identifier: Apache-2.0
// Keeps agents: an agent is a name with a contract; an instance is one execution of it in a room and is also the run.
// All calls are made on the loop's thread. The state machine is lifecycle.h; this class performs its effects.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agentd/supervisor/lifecycle.h"
#include "base/clock.h"
#include "company/task_queue.h"
#include "contract/contract.h"
#include "sandbox/spawner.h"

namespace agentos::agentd {

// What a run said about its work: by its exit status (verdict: exit) or by a word on /self/task (verdict: api).
struct Verdict {
  enum class Word : std::uint8_t { kNone, kComplete, kFail, kSubmit, kRelease } word = Word::kNone;
  std::string outcome;  // "success", "partial", … of company.md
  company::Handoff handoff;
  std::vector<std::string> artifacts;
  std::string reason;
};

struct SpawnRequest {
  std::shared_ptr<const contract::Contract> contract;
  std::string source{};             // where the contract came from, for status
  std::optional<AgentName> name{};  // another name than the contract's
  std::optional<contract::LatencyClass> latency{};
  std::optional<TaskId> task{};  // a cycle's task: claimed by the new instance before its room is built
  std::string contextText{};     // becomes /context/prompt.md
  std::string actor = "agentd", trace{};
  MicroUsd budgetForRun{};    // for status
  std::int64_t restarts = 0;  // how often it was started again before this
};

// One instance, as ps, status and inspect show it.
struct InstanceView {
  InstanceId id;
  AgentName agent;
  State state = State::kPending;
  std::string mode, latency, contractDigest, source, task, trace, reason;  // reason: why it is not running
  std::optional<sandbox::ExitRecord> exit;
  sandbox::ProcessIdentity process;
  sandbox::Enforcement enforcement;
  std::map<std::string, std::uint64_t> limitsMet;  // "memory_high": 12, of those that were; since the start of the run
  Timestamp created;
  std::optional<Timestamp> started, ended;
  std::int64_t restarts = 0;
  MicroUsd cost;
  std::int64_t modelCalls = 0, turns = 0;
  bool adopted = false;              // found running by this agentd
  bool preempted = false;            // paused, and by agentd: it gives way under pressure
  bool ready = true;                 // heard of, or nothing is watched
  std::string health = "unwatched";  // "starting", "healthy", "unhealthy": health.h
  std::int64_t misses = 0;           // heartbeats, in a row
  std::optional<Timestamp> lastHeard;
};

// A live instance, as the gateway needs it for the calls of one room.
struct RoomView {
  InstanceId id;
  std::shared_ptr<const contract::Contract> contract;
  std::optional<company::Claim> claim;
  std::string trace;
  Timestamp started;
  std::optional<Timestamp> deadline;
};

// Serves a room's listeners from spawn (or adoption) to exit. The gateway is the one implementation besides the tests'.
class RoomServer {
 public:
  virtual ~RoomServer() = default;
  virtual void openRoom(const InstanceId& id, std::vector<Fd> listeners) = 0;
  // Closes listeners and connections, cuts running calls and settles them; nothing of the room is held afterwards.
  virtual boost::asio::awaitable<void> closeRoom(const InstanceId& id) = 0;
};

class Supervisor {
 public:
  virtual ~Supervisor() = default;
  // Admission, directories, record, room. On return the payload is about to exec.
  virtual boost::asio::awaitable<Result<InstanceId>> spawn(SpawnRequest request) = 0;
  virtual boost::asio::awaitable<Result<void>> pause(InstanceId id, std::string actor) = 0;
  virtual boost::asio::awaitable<Result<void>> resume(InstanceId id, std::string actor) = 0;
  virtual boost::asio::awaitable<Result<void>> stop(InstanceId id, std::optional<Nanoseconds> grace,
                                                    std::string actor) = 0;
  virtual boost::asio::awaitable<Result<void>> kill(InstanceId id, int signal, std::string actor) = 0;
  // Until it has ended; kTimedOut.
  virtual boost::asio::awaitable<Result<InstanceView>> wait(InstanceId id, std::optional<Nanoseconds> timeout) = 0;
  virtual boost::asio::awaitable<Result<std::vector<std::int32_t>>> processes(InstanceId id) = 0;

  // Live ones, and with `all` those that ended and are still in the records; newest first.
  virtual std::vector<InstanceView> list(bool all) const = 0;
  virtual Result<InstanceView> view(const InstanceId& id) const = 0;
  // A full id, a unique prefix of one, or an agent's name (its live instance, else its last).
  virtual Result<InstanceId> resolve(std::string_view text) const = 0;

  // For the gateway, about the caller of a room.
  virtual std::optional<RoomView> room(const InstanceId& id) const = 0;
  // The run's word on its task; performed at once, once (kConflict after).
  virtual Result<void> giveVerdict(const InstanceId& id, Verdict verdict) = 0;
  virtual void countCall(const InstanceId& id, MicroUsd cost) = 0;
  virtual void heartbeat(const InstanceId& id) = 0;
  // The run got somewhere: a message, a line of its log, a word on its task (a model call is counted by countCall).
  virtual void progress(const InstanceId&) {}
};

}  // namespace agentos::agentd
