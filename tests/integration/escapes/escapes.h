// SPDX-License-Identifier: Apache-2.0
// Rooms for tests/programs/ways_out, with every wall or without some.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "rig.h"

namespace agentos::sandbox::testing {

inline const std::string kEscape = AGENTOS_ESCAPE;

class EscapeRig : public Rig {
 protected:
  void SetUp() override;
  void TearDown() override;

  // From now on rooms lack these walls ("seccomp,user"); none: the spawner and agent-init that are shipped.
  void breach(const std::string& walls);
  RoomPlan escapePlan(std::vector<std::string> words);
  // 0 through, 1 held; else it did not run as it should.
  struct Try {
    int code = -1;
    std::string output;
  };
  Try inRoom(const std::vector<std::string>& words);
  Try outside(const std::vector<std::string>& words, unsigned uid = 0);
  // {dir}, {port}, {dns}, {abstract}, {memory}, {neighbour}: what this test made for them.
  std::string filled(std::string word) const;

  std::string key_;  // planted in the session keyring that the spawner inherits

 private:
  void plant();          // files that the programs go for, as they were
  void answerNames();    // a name server on the host's loopback
  void makeNeighbour();  // a room beside

  Fd listener_, names_, abstract_;
  std::thread answering_;
  int memory_ = -1;
  std::vector<std::pair<std::string, std::string>> known_;
  InstanceId neighbour_;
};

}  // namespace agentos::sandbox::testing
