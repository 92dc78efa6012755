// SPDX-License-Identifier: Apache-2.0
// agentd's side of the spawner. Requests are pipelined on one connection; when the spawner is restarted the client
// connects again and asks anew whatever may be asked twice (all but spawn). Used on the loop's thread only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "sandbox/spawner.h"

namespace agentos::sandbox {

struct SpawnerClientOptions {
  std::string socket;  // of the spawner, absolute path
  // How long a request waits for the spawner to be there at all, and for an answer once it was sent.
  std::chrono::milliseconds connectPatience{5000};
  std::chrono::milliseconds answerPatience{15000};
  // Rooms in the making at once; more wait their turn.
  std::size_t spawnsAtOnce = 8;
};

class SpawnerClient final : public Spawner {
 public:
  SpawnerClient(boost::asio::any_io_executor executor, SpawnerClientOptions options);
  // Requests in flight end with kUnavailable.
  ~SpawnerClient() override;
  SpawnerClient(const SpawnerClient&) = delete;
  SpawnerClient& operator=(const SpawnerClient&) = delete;

  // kUnreachable: the spawner was not there within connectPatience, or (spawn only) it went away before it answered:
  // the room may or may not live, and sweep(id) makes it certain. kTimedOut: no answer within answerPatience; the same
  // holds for a spawn then.
  boost::asio::awaitable<Result<PlatformReport>> platform() override;
  boost::asio::awaitable<Result<SpawnedRoom>> spawn(const RoomPlan& plan) override;
  boost::asio::awaitable<Result<SpawnedRoom>> adopt(const InstanceId& id, const ProcessIdentity& identity) override;
  boost::asio::awaitable<Result<std::vector<LiveRoom>>> list() override;
  boost::asio::awaitable<Result<void>> freeze(const InstanceId& id) override;
  boost::asio::awaitable<Result<void>> thaw(const InstanceId& id) override;
  boost::asio::awaitable<Result<void>> kill(const InstanceId& id) override;
  boost::asio::awaitable<Result<void>> haltAll(bool kill) override;
  boost::asio::awaitable<Result<void>> sweep(const InstanceId& id) override;
  boost::asio::awaitable<Result<std::vector<std::int32_t>>> processes(const InstanceId& id) override;
  boost::asio::awaitable<Result<std::vector<LimitSignal>>> watchLimits(const InstanceId& id) override;
  boost::asio::awaitable<Result<void>> anchor(const LogHead& head) override;
  boost::asio::awaitable<Result<void>> reloadPolicy() override;
  boost::asio::awaitable<Result<std::vector<Fd>>> pressure(PressureAsk ask) override;

 private:
  class Link;
  std::shared_ptr<Link> link_;
};

}  // namespace agentos::sandbox
