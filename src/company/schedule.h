// SPDX-License-Identifier: Apache-2.0
// When an agent is due. Pure: the same clock, contract and history give the same answer.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"
#include "contract/contract.h"

namespace agentos::company {

// Five fields, local time. The field grammar of crontab(5): lists, ranges, steps, names of months and days; day of
// month and day of week both restricted means either.
class Cron {
 public:
  static Result<Cron> parse(std::string_view text);
  // The first moment after `after` that fits. A local time that a daylight-saving change skips runs at the moment of
  // the change; one that comes twice runs once, the first time.
  std::optional<Timestamp> next(Timestamp after, const std::string& zone) const;

 private:
  bool fitsDay(std::chrono::year_month_day day) const;
  int nextMinute(int from) const;  // of a day, at or after `from`; -1 when there is none
  std::uint64_t minutes_ = 0;
  std::uint32_t hours_ = 0, days_ = 0;
  std::uint16_t months_ = 0;
  std::uint8_t weekdays_ = 0;
  bool anyDay_ = true, anyWeekday_ = true;
};

// What is known of an agent's cycles. `since`: when this agentd took its contract in force; `lastRun`: when the clock
// last started a cycle of it (a start by a task, a message or a person does not count), kept over restarts.
struct CycleHistory {
  Timestamp since;
  std::optional<Timestamp> lastRun;
};

// When the clock next makes the agent due: a moment at or before `now` means now. Empty when it has neither every nor
// cron, or when no moment ever fits. With both, the earlier.
//  - every: lastRun + every; the first time, and after a restart at the earliest, since + the agent's share of the
//  jitter.
//  - cron: the first moment after lastRun (or since), plus the agent's share of the jitter.
//  - hours: a moment outside waits for the opening.
//  - missed by more than a minute (the machine was off): catch_up once gives one run now, skip the next moment after
//  now;
//    skip also drops cron moments outside the hours.
// The share of the jitter is a number in [0, jitter) made from the agent's name alone: agents are spread, each stays
// put. kInvalidArgument for a zone or a cron text that cannot be read.
Result<std::optional<Timestamp>> dueAt(const contract::Schedule& schedule, const AgentName& agent,
                                       const CycleHistory& history, Timestamp now, const std::string& zone);
// Whether a wake by a task or a message may start a cycle at this moment, and if not, when: the opening of its hours.
Result<Timestamp> openFrom(const contract::Schedule& schedule, Timestamp at, const std::string& zone);

}  // namespace agentos::company
