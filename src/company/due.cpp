// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "company/schedule.h"
#include "company/zone.h"

namespace agentos::company {
namespace {

constexpr auto kLate = std::chrono::minutes(1);  // later than this is missed, not merely served late
constexpr int kMostOpenings = 800;               // over two years of days: what never falls inside the hours never fits

// FNV-1a with a final mix (splitmix64): neighbouring names land far apart.
std::uint64_t hashOf(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9U;
  hash = (hash ^ hash >> 27) * 0x94d049bb133111ebU;
  return hash ^ hash >> 31;
}

Nanoseconds shareOf(Nanoseconds jitter, const AgentName& agent) {
  if (jitter <= Nanoseconds(0)) return Nanoseconds(0);
  return Nanoseconds(static_cast<std::int64_t>(hashOf(agent.str()) % static_cast<std::uint64_t>(jitter.count())));
}

bool isOpen(const contract::Hours& hours, int minute) {
  if (hours.from == hours.to) return true;
  const bool afterOpening = minute >= hours.from, beforeClosing = minute < hours.to;
  return hours.from < hours.to ? afterOpening && beforeClosing : afterOpening || beforeClosing;
}

Timestamp opening(const std::optional<contract::Hours>& hours, Timestamp at, const Zone& zone) {
  if (!hours) return at;
  const LocalMinute local = zone.local(at);
  if (isOpen(*hours, local.minute)) return at;
  for (auto day = std::chrono::sys_days(local.day);; day += std::chrono::days(1)) {
    const Timestamp moment = zone.moment({day, hours->from});
    if (moment >= at) return moment;
  }
}

// Everything that the answer depends on, in one place.
struct Question {
  const contract::Schedule& schedule;
  Zone zone;
  const std::string& zoneName;
  CycleHistory history;
  Timestamp now;
  Nanoseconds share;

  bool skips() const { return schedule.catchUp == contract::CatchUp::kSkip; }
  bool isMissed(Timestamp due) const { return due < now - kLate; }
};

Timestamp dueByInterval(const Question& q, Nanoseconds every) {
  const Timestamp first = q.history.since + q.share;
  if (!q.history.lastRun) return first;
  Timestamp due = *q.history.lastRun + every;
  if (q.skips() && q.isMissed(due)) due += every * ((q.now - due) / every + 1);
  return std::max(due, first);
}

// The first moment of the cron text after `after` that lies inside the hours.
std::optional<Timestamp> nextInside(const Question& q, const Cron& cron, Timestamp after) {
  auto moment = cron.next(after, q.zoneName);
  for (int i = 0; moment && i < kMostOpenings; ++i) {
    const Timestamp open = opening(q.schedule.hours, *moment, q.zone);
    if (open == *moment) return moment;
    moment = cron.next(open - Nanoseconds(1), q.zoneName);
  }
  return std::nullopt;
}

std::optional<Timestamp> dueByCron(const Question& q, const Cron& cron) {
  const Timestamp after = q.history.lastRun ? *q.history.lastRun - q.share : q.history.since;
  auto moment = q.skips() ? nextInside(q, cron, after) : cron.next(after, q.zoneName);
  if (moment && q.skips() && q.isMissed(*moment + q.share)) moment = nextInside(q, cron, q.now - q.share);
  if (!moment) return std::nullopt;
  return *moment + q.share;
}

// A moment outside the hours waits for the opening, and the agents that wait there are spread like all others.
Timestamp inHours(const Question& q, Timestamp due) {
  const Timestamp open = opening(q.schedule.hours, due, q.zone);
  if (open == due) return due;
  const Timestamp spread = open + q.share;
  return opening(q.schedule.hours, spread, q.zone) == spread ? spread : open;
}

}  // namespace

Result<std::optional<Timestamp>> dueAt(const contract::Schedule& schedule, const AgentName& agent,
                                       const CycleHistory& history, Timestamp now, const std::string& zone) {
  AGENTOS_TRY(const Zone found, Zone::find(zone));
  Question q{schedule, found, zone, history, now, shareOf(schedule.jitter, agent)};
  if (q.history.lastRun && *q.history.lastRun > now) q.history.lastRun = now;  // the clock was set back
  std::optional<Timestamp> due;
  if (schedule.every && *schedule.every > Nanoseconds(0)) due = dueByInterval(q, *schedule.every);
  if (!schedule.cron.empty()) {
    AGENTOS_TRY(const Cron cron, Cron::parse(schedule.cron));
    const auto byCron = dueByCron(q, cron);
    if (byCron && (!due || *byCron < *due)) due = byCron;
  }
  if (!due) return std::nullopt;
  // What was missed is caught up now, and now must lie inside the hours too.
  return inHours(q, q.isMissed(*due) ? now : *due);
}

Result<Timestamp> openFrom(const contract::Schedule& schedule, Timestamp at, const std::string& zone) {
  AGENTOS_TRY(const Zone found, Zone::find(zone));
  return opening(schedule.hours, at, found);
}

}  // namespace agentos::company
