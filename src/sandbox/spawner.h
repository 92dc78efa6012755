// SPDX-License-Identifier: Apache-2.0
// The daemon's view of the spawner. Two implementations: SpawnerClient (spawner_client.h), which talks to the real one,
// and a fake in the tests.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/room.h"

namespace agentos::sandbox {

struct SpawnedRoom {
  ProcessIdentity identity;
  Fd pidfd;                   // of agent-init; readable when it has ended
  Fd control;                 // connected to agent-init (init_protocol.h)
  std::vector<Fd> listeners;  // in the order of RoomPlan::listenPorts
  Enforcement enforcement;
};

// What becomes readable (POLLPRI) when a room is held up by a limit, or can be asked.
struct LimitSignal {
  enum class Kind : std::uint8_t { kCpu = 1, kIo = 2, kVolume = 3 };  // triggers of cpu.pressure, io.pressure; scratch
  Kind kind = Kind::kCpu;
  Fd fd;
};

class Spawner {
 public:
  virtual ~Spawner() = default;
  virtual boost::asio::awaitable<Result<PlatformReport>> platform() = 0;
  // The launch record is durable and agent-init is about to exec the payload when this returns.
  virtual boost::asio::awaitable<Result<SpawnedRoom>> spawn(const RoomPlan& plan) = 0;
  // The room's live process again, after agentd restarted: pidfd, control and listeners. kNotFound when it is gone or
  // the identity does not match.
  virtual boost::asio::awaitable<Result<SpawnedRoom>> adopt(const InstanceId& id, const ProcessIdentity& identity) = 0;
  virtual boost::asio::awaitable<Result<std::vector<LiveRoom>>> list() = 0;
  // Freezes or thaws pay/, and returns when the kernel says that every process of it is frozen (or thawed); kTimedOut
  // after 2 s.
  virtual boost::asio::awaitable<Result<void>> freeze(const InstanceId& id) = 0;
  virtual boost::asio::awaitable<Result<void>> thaw(const InstanceId& id) = 0;
  // SIGKILL to every process of pay/, frozen or not.
  virtual boost::asio::awaitable<Result<void>> kill(const InstanceId& id) = 0;
  // The same for every room that stands, by one request: frozen, or with `kill` killed, when this returns; kTimedOut
  // after 2 s. A room in the making is left out: its spawn returns, and is for the caller to halt.
  virtual boost::asio::awaitable<Result<void>> haltAll(bool kill) = 0;
  // Ends whatever is left of the instance, agent-init too, and removes its groups.
  virtual boost::asio::awaitable<Result<void>> sweep(const InstanceId& id) = 0;
  // pids of pay/, in the host's pid namespace.
  virtual boost::asio::awaitable<Result<std::vector<std::int32_t>>> processes(const InstanceId& id) = 0;
  // For the limits that the room has; fewer where the kernel has no such word. kNotFound when it is gone.
  virtual boost::asio::awaitable<Result<std::vector<LimitSignal>>> watchLimits(const InstanceId&) {
    co_return std::vector<LimitSignal>();
  }
  // The head of the audit log for root's file: taken over when this returns, on disk within a second or so. The newest
  // of those that come faster is kept.
  virtual boost::asio::awaitable<Result<void>> anchor(const LogHead& head) = 0;
  // Root's policy is read again; kConfig with its place when it is broken, and then the old one stays in force.
  virtual boost::asio::awaitable<Result<void>> reloadPolicy() = 0;
  // Triggers of the machine's memory and processor pressure (pressure.h), in this order.
  virtual boost::asio::awaitable<Result<std::vector<Fd>>> pressure(PressureAsk /*ask*/) {
    co_return fail(ErrorCode::kUnavailable, "this spawner tells of no pressure");
  }
};

}  // namespace agentos::sandbox
