// SPDX-License-Identifier: Apache-2.0
// How a hung agent is noticed: by heartbeats that do not come, or by a run that gets nowhere. Pure; the
// supervisor keeps the alarms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "contract/contract.h"

namespace agentos::agentd {

// A span that counts while the agent may run: it stands still while the agent is paused, and outlives agentd as what is
// left of it.
class StoppableSpan {
 public:
  StoppableSpan() = default;
  explicit StoppableSpan(Nanoseconds span) : span_(span), left_(span) {}
  bool watched() const { return span_.count() > 0; }
  Nanoseconds span() const { return span_; }
  std::optional<BootTime> due() const { return due_; }
  Nanoseconds left(BootTime now) const;
  void start(BootTime now);    // goes on with what is left
  void stop(BootTime now);     // stands still
  void restart(BootTime now);  // as a whole, running only if it ran
  void restore(Nanoseconds left) { left_ = left; }

 private:
  Nanoseconds span_{0}, left_{0};
  std::optional<BootTime> due_;
};

// Of one instance.
struct Health {
  StoppableSpan beat, progress;
  std::int64_t misses = 0;        // in a row
  bool ready = false;             // it has been heard of, or nothing is watched
  std::optional<Timestamp> last;  // when it was last heard of
  std::string detail;             // of the last miss
};

Health healthOf(const contract::Contract& contract);

// What one miss means.
enum class MissVerdict : std::uint8_t { kGoOn, kHung };
MissVerdict countMiss(Health& health, const contract::Contract& contract, std::string detail);
// True when this is the first word: it is ready now.
bool countBeat(Health& health, Timestamp now);

// "healthy", "unhealthy" (missed something), "starting" (not heard of yet), "unwatched".
std::string_view wordOf(const Health& health);

}  // namespace agentos::agentd
