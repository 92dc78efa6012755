// SPDX-License-Identifier: Apache-2.0
// The directories of runs to come, made ahead in a thread and given by rename: a new inode costs the disk more than
// everything else that agentd does for a start (docs/measurements.md).
//
//   instances/.spare-<token>/  context/prompt.md  exit.json.tmp      logs/.spare-<token>/  output.log
//
// Empty files, as agentd and agent-init would make them; both take them as they are, or make them when they are not
// there. What a crash leaves is removed at the next start.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "agentd/worker.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"

namespace agentos::agentd {

class SpareDirectories {
 public:
  SpareDirectories(std::string instances, std::string logs, std::size_t size,
                   Worker::Mode mode = Worker::Mode::kThread);
  ~SpareDirectories();
  SpareDirectories(const SpareDirectories&) = delete;
  SpareDirectories& operator=(const SpareDirectories&) = delete;

  // A new id, its record directory and its log directory: a spare's, or new ones.
  Result<InstanceId> take(const AgentName& agent);
  // Fills up, in the thread; when nobody waits for a room.
  void refill();
  // Of a run that never began: what agent-init would have taken.
  void discardUnused(const InstanceId& id) const;

 private:
  struct Shared;
  Result<InstanceId> give(const std::string& spare, const AgentName& agent) const;
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace agentos::agentd
