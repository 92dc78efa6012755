// SPDX-License-Identifier: Apache-2.0
// The making of one room, from an allowed plan to "go". Everything that can wait is a message on the sync socket or
// the launch record's write; a room that does not stand within the deadline is given up.
#pragma once

#include <cstdint>
#include <memory>

#include "sandbox/cgroup.h"
#include "sandbox/host.h"
#include "sandbox/job.h"
#include "sandbox/room_parts.h"

namespace agentos::sandbox {

class SpawnJob final : public Job {
 public:
  // `ticket` names the job to the record writer.
  SpawnJob(Host& host, AllowedPlan plan, Answer answer, std::uint64_t ticket);

  // Has the child born; what goes wrong is answered.
  void start();
  void onRecord(Result<void> result);
  void onVolume(Result<Fd> tree);

  int pollFd() const override { return step_ == Step::kDone ? -1 : sync_.get(); }
  LoopTime wakeAt() const override { return deadline_; }
  void onReady() override;
  void onWake() override;
  bool finished() const override { return step_ == Step::kDone && !recordPending_; }

  std::uint64_t ticket() const { return ticket_; }
  const InstanceId& id() const { return allowed_.plan.id; }
  bool mustBeSwept() const { return failed_ && madeGroups_; }

 private:
  enum class Step : std::uint8_t { kVolume, kBearing, kBuilding, kStarting, kGone, kDone };

  Result<bool> orderVolume();
  Result<void> tryStart();
  Result<void> bearChild();
  Result<void> placeChild();
  Result<void> onBorn();
  Result<void> sayClass();
  void letLock();
  Result<void> mapIds();
  void shareProcessors();
  void sayScratch();
  Result<void> identify();
  Result<void> record();
  Result<void> sendParts();
  void onBuilt(Packet& packet);
  void onWord(char letter, std::string_view text);
  void goWhenReady();
  Error lastWordsOr(Error error);
  void giveUp(Error error);

  Host& host_;
  AllowedPlan allowed_;
  Answer answer_;
  std::uint64_t ticket_;
  Step step_ = Step::kBearing;
  bool madeGroups_ = false, recordPending_ = false, recorded_ = false, initReady_ = false, failed_ = false;
  LoopTime deadline_;
  InstanceGroups groups_;
  Slot slot_;
  Fd sync_, pidfd_;
  std::shared_ptr<Birth> birth_;
  std::vector<Fd> listeners_;
  Fd recordDir_, volume_;
  ProcessIdentity identity_;
  Enforcement enforcement_;
  std::string noScratch_ = "no scratch directory in this room";  // why there is no volume
};

// Field 22 of /proc/<pid>/stat: when the process started, in clock ticks since boot. kNotFound when it is gone.
Result<std::uint64_t> startTicksOf(std::int32_t pid);

}  // namespace agentos::sandbox
