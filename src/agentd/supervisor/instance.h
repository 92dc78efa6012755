// SPDX-License-Identifier: Apache-2.0
// The supervisor's own record of one instance. Shared, since a coroutine that waits may outlast its place in the list.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agentd/alarms.h"
#include "agentd/supervisor/health.h"
#include "agentd/supervisor/supervisor.h"

namespace agentos::agentd {

// Why agentd itself ended a run; what the task hears follows from it.
// Numbers reach disk.
enum class EndCause : std::uint8_t {
  kOwn = 0,
  kStopped = 1,
  kKilled = 2,
  kTimedOut = 3,
  kShutdown = 4,
  kHung = 5,         // missed its heartbeats
  kNoProgress = 6,   // run.no_progress
  kHalted = 7,       // by a global halt that kills
  kParentEnded = 8,  // supervise.parent
  kSupervised = 9,   // started again together with a sibling that failed
};
// The run itself went wrong: it failed, or was ended because it did not do what it should.
bool isOwnFailure(EndCause cause);

struct Instance {
  InstanceView view;
  std::shared_ptr<const contract::Contract> contract;
  std::optional<company::Claim> claim;
  Verdict::Word word = Verdict::Word::kNone;  // what /self/task said

  EndCause cause = EndCause::kOwn;
  std::string endedBy;   // the actor behind a stop or kill
  std::string exitText;  // exit.json as it was read

  Nanoseconds timeLeft{0};           // of run.timeout; stands still while paused
  std::optional<BootTime> deadline;  // absent while paused, or without a timeout
  AlarmId timeoutAlarm = 0, graceAlarm = 0;
  int kills = 0;  // how often pay/ was killed
  Health health;
  AlarmId healthAlarm = 0;
  BootTime healthArmedFor{}, healthKept{};
  std::string hungWhy;                                  // with kHung and kNoProgress
  std::pair<std::uint64_t, std::int64_t> outputSeen{};  // inode and size of its log, when its progress was last asked

  Fd control;
  std::unique_ptr<boost::asio::posix::stream_descriptor> pidfd;
  std::vector<std::shared_ptr<boost::asio::steady_timer>> waiters;
  bool finishing = false, booked = false;  // booked: the run's end is in the books
  std::optional<std::string> changesHeld;  // why its overlays were not committed when its work was done
  bool told = false;                       // and everybody who waited was told
  bool audited = false;                    // its end has its line in the audit log

  const InstanceId& id() const { return view.id; }
};
using InstancePtr = std::shared_ptr<Instance>;

}  // namespace agentos::agentd
