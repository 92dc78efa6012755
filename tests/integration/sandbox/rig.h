// SPDX-License-Identifier: Apache-2.0
// The real spawner, keeper and agent-init as root, in directories and a control group of the test's own, and a client
// that asks like agentd does. All gone at the end.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/protocol.h"
#include "sandbox/spawner_client.h"

namespace agentos::sandbox::testing {

inline constexpr unsigned kPeer = 64123;          // agentd's user in these tests: no such user exists
inline constexpr unsigned kFirstId = 0x70000000;  // of the rooms

// A program's end, outside of any room.
struct Ran {
  int status = -1;  // as waitpid says
  std::string output;
};

class Rig : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  void startSpawner(const std::vector<std::pair<std::string, std::string>>& env = {});
  void killSpawner();  // SIGKILL, and waits until it is gone
  pid_t spawnerPid() const { return spawner_; }

  template <class Value>
  Value ask(boost::asio::awaitable<Value> question) {
    std::optional<Value> answer;
    boost::asio::co_spawn(io_, std::move(question), [&](std::exception_ptr error, Value value) {
      if (error) std::rethrow_exception(error);
      answer = std::move(value);
    });
    io_.restart();
    while (!answer && io_.run_one() > 0) {
    }
    return std::move(*answer);
  }
  SpawnerClient& client() { return *client_; }
  std::unique_ptr<SpawnerClient> freshClient();

  // A plan that runs the probe with these words, with /home/agent on disk and the port 4242.
  RoomPlan plan(std::vector<std::string> words);
  InstanceId newId();
  // Spawns, waits for the end, and gives the payload's output and exit record; sweeps.
  struct Told {
    std::string output;
    std::optional<int> code, signal;
  };
  Told runInRoom(const RoomPlan& plan);
  Told runInRoom(std::vector<std::string> words) { return runInRoom(plan(std::move(words))); }
  // The same program without a room (but where it cannot change this machine): as root, or as another user.
  static Ran runOutside(const std::vector<std::string>& words, unsigned uid = 0);
  static Ran runProgram(const std::vector<std::string>& command, unsigned uid);

  SpawnedRoom mustSpawn(const RoomPlan& plan);
  bool ended(const SpawnedRoom& room, std::chrono::milliseconds within);
  std::string outputOf(const InstanceId& id);
  // Waits until the output holds the text.
  bool says(const InstanceId& id, std::string_view text, std::chrono::milliseconds within = std::chrono::seconds(5));
  std::string readUnder(const std::string& path);
  // Every directory of an instance in the test's control group is gone.
  bool noGroups();

  std::string dir_, group_;
  // For spawners started from now on: the program in agent-init's place, that in the spawner's, what stands for
  // /etc, and more to mount from.
  std::string init_, spawnerProgram_, etc_;
  std::vector<std::string> moreMounts_;
  boost::asio::io_context io_;

 private:
  std::unique_ptr<SpawnerClient> client_;
  pid_t spawner_ = -1;
};

// Polls until it holds or the time is over.
bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds within = std::chrono::seconds(5));

}  // namespace agentos::sandbox::testing
