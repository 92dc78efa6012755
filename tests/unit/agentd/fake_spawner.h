// SPDX-License-Identifier: Apache-2.0
// Rooms without processes: what the daemon asked for is kept, and a test ends a room as agent-init would. It outlives a
// daemon, as rooms do.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "sandbox/exit_record.h"
#include "sandbox/spawner.h"

namespace agentos::test {

class FakeSpawner final : public sandbox::Spawner {
 public:
  template <class T>
  using Task = boost::asio::awaitable<T>;

  struct Room {
    sandbox::RoomPlan plan;
    sandbox::ProcessIdentity identity;
    Fd ended, endedWriter;  // a pipe: its end of file is the pidfd's "readable"
    Fd control;             // agent-init's end
    bool frozen = false, dead = false;
    std::vector<int> signals() const {
      std::vector<int> seen;
      unsigned char message[64];
      for (ssize_t got = 0; (got = ::recv(control.get(), message, sizeof message, MSG_DONTWAIT)) > 0;)
        seen.push_back(static_cast<int>(got));
      return seen;
    }
  };

  explicit FakeSpawner(std::string stateDirectory) : state_(std::move(stateDirectory)) {}

  std::map<InstanceId, Room> rooms;      // alive under the keeper
  std::vector<sandbox::RoomPlan> plans;  // everything that was asked for
  std::set<InstanceId> swept;
  std::optional<Error> refuseWith;  // the next spawns fail
  std::shared_ptr<boost::asio::steady_timer> gate;
  void shut(boost::asio::io_context& io) {
    gate = std::make_shared<boost::asio::steady_timer>(io, boost::asio::steady_timer::time_point::max());
  }
  void open() { std::exchange(gate, nullptr)->cancel(); }
  bool killsEnd = true;  // a kill ends the room with signal 9
  int adoptions = 0, policyReloads = 0, halts = 0;
  std::optional<Error> haltProblem;
  std::vector<sandbox::LogHead> anchored;
  std::optional<Error> anchorProblem;
  std::optional<Error> policyProblem;  // what a reload of root's policy answers

  // agent-init's exit record, and its end. Without a record: it vanished.
  void end(const InstanceId& id, std::optional<sandbox::ExitRecord> record) {
    Room& room = rooms.at(id);
    if (room.dead) return;
    if (record) {
      auto directory = openDirectory(state_ + "/instances/" + id.str());
      const std::string text = sandbox::exitRecordJson(*record).dump() + "\n";
      if (directory) (void)replaceFile(directory->get(), "exit.json", text);
    }
    room.dead = true;
    room.endedWriter.reset();
  }
  void exit(const InstanceId& id, int code) {
    sandbox::ExitRecord record;
    record.code = code;
    record.startedNs = record.endedNs = 1;
    end(id, record);
  }

  Task<Result<sandbox::PlatformReport>> platform() override {
    sandbox::PlatformReport report;
    report.cgroupMode = "unified";
    report.controllers = {"cpu", "memory", "pids", "io"};
    co_return report;
  }
  Task<Result<sandbox::SpawnedRoom>> spawn(const sandbox::RoomPlan& plan) override {
    plans.push_back(plan);
    co_await passGate();
    if (refuseWith) co_return std::unexpected(*refuseWith);
    Room& room = rooms[plan.id];
    room.plan = plan;
    room.identity.pid = ++lastPid_;
    room.identity.bootId = "boot";
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) co_return failErrno(errno, "pipe");
    room.ended.reset(ends[0]);
    room.endedWriter.reset(ends[1]);
    auto directory = openDirectory(state_ + "/instances/" + plan.id.str());
    if (!directory) co_return std::unexpected(directory.error());
    (void)replaceFile(directory->get(), "launch.jsonl",
                      plan.launchRecord + "\n" + sandbox::formatLaunchFacts({room.identity, {}}) + "\n");
    co_return handOut(room);
  }
  Task<Result<sandbox::SpawnedRoom>> adopt(const InstanceId& id, const sandbox::ProcessIdentity& identity) override {
    auto found = rooms.find(id);
    if (found == rooms.end() || found->second.dead || found->second.identity != identity)
      co_return fail(ErrorCode::kNotFound, "gone");
    ++adoptions;
    co_return handOut(found->second);
  }
  Task<Result<std::vector<sandbox::LiveRoom>>> list() override {
    co_await passGate();
    std::vector<sandbox::LiveRoom> live;
    for (const auto& [id, room] : rooms)
      live.push_back({id, room.dead ? 0 : room.identity.pid, room.frozen, room.dead ? 0 : 1});
    co_return live;
  }
  Task<Result<void>> freeze(const InstanceId& id) override { co_return setFrozen(id, true); }
  Task<Result<void>> thaw(const InstanceId& id) override { co_return setFrozen(id, false); }
  Task<Result<void>> kill(const InstanceId& id) override {
    if (!rooms.contains(id)) co_return fail(ErrorCode::kNotFound, "gone");
    if (killsEnd) {
      sandbox::ExitRecord record;
      record.signal = 9;
      end(id, record);
    }
    co_return Result<void>();
  }
  Task<Result<void>> haltAll(bool kills) override {
    ++halts;
    if (haltProblem) co_return std::unexpected(*haltProblem);
    std::vector<InstanceId> standing;
    for (const auto& [id, room] : rooms)
      if (!room.dead) standing.push_back(id);
    for (const auto& id : standing) {
      if (kills) {
        co_await kill(id);
      } else {
        rooms.at(id).frozen = true;
      }
    }
    co_return Result<void>();
  }
  Task<Result<void>> sweep(const InstanceId& id) override {
    if (rooms.contains(id)) end(id, std::nullopt);
    rooms.erase(id);
    swept.insert(id);
    co_return Result<void>();
  }
  Task<Result<std::vector<std::int32_t>>> processes(const InstanceId& id) override {
    co_return std::vector<std::int32_t>{rooms.at(id).identity.pid};
  }
  Task<Result<void>> anchor(const sandbox::LogHead& head) override {
    anchored.push_back(head);
    co_await passGate();
    if (anchorProblem) co_return std::unexpected(*anchorProblem);
    co_return Result<void>();
  }
  Task<Result<void>> reloadPolicy() override {
    ++policyReloads;
    if (policyProblem) co_return std::unexpected(*policyProblem);
    co_return Result<void>();
  }
  // Memory's trigger and the processors', as long as the kernel tells of pressure here.
  Task<Result<std::vector<Fd>>> pressure(sandbox::PressureAsk ask) override {
    pressureAsked = ask;
    if (!tellsPressure) co_return fail(ErrorCode::kUnavailable, "no pressure here", "psi=1");
    std::vector<Fd> triggers;
    for (auto& ours : pressureEnds) {
      std::array<int, 2> pair{};
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) co_return failErrno(errno, "pair");
      ours.reset(pair[0]);
      triggers.emplace_back(pair[1]);
    }
    co_return std::move(triggers);
  }
  // Out-of-band data wakes as a trigger does: POLLPRI.
  void press(std::size_t which) { (void)::send(pressureEnds[which].get(), "!", 1, MSG_OOB | MSG_NOSIGNAL); }
  bool tellsPressure = false;
  sandbox::PressureAsk pressureAsked;
  std::array<Fd, 2> pressureEnds;

 private:
  // Held in mid-spawn, or in mid-recovery, until the test opens it.
  Task<void> passGate() {
    while (gate) {
      auto held = gate;
      boost::system::error_code ignored;
      co_await held->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
  }
  sandbox::SpawnedRoom handOut(Room& room) {
    sandbox::SpawnedRoom out;
    out.identity = room.identity;
    out.pidfd = room.ended.duplicate();
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) == 0) {
      out.control.reset(pair[0]);
      room.control.reset(pair[1]);
    }
    return out;
  }
  Result<void> setFrozen(const InstanceId& id, bool frozen) {
    auto found = rooms.find(id);
    if (found == rooms.end()) return fail(ErrorCode::kNotFound, "gone");
    found->second.frozen = frozen;
    return {};
  }

  std::string state_;
  std::int32_t lastPid_ = 1000;
};

}  // namespace agentos::test
