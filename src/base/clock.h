// SPDX-License-Identifier: Apache-2.0
// Two times, never mixed: Timestamp is for people and records (CLOCK_REALTIME, may jump), BootTime is for deadlines and
// leases (CLOCK_BOOTTIME, counts through suspend, starts again at boot).
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"

namespace agentos {

using Nanoseconds = std::chrono::nanoseconds;
using Timestamp = std::chrono::sys_time<Nanoseconds>;

struct BootClockTag {
  using duration = Nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClockTag>;
  static constexpr bool is_steady = true;
};
using BootTime = std::chrono::time_point<BootClockTag>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
  virtual BootTime bootNow() const = 0;
};

// The machine's clocks.
class SystemClock final : public Clock {
 public:
  Timestamp now() const override;
  BootTime bootNow() const override;
};

// A clock that a test moves.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Timestamp start) : now_(start) {}
  Timestamp now() const override { return now_; }
  BootTime bootNow() const override { return boot_; }
  void advance(Nanoseconds by) { now_ += by, boot_ += by; }
  void jump(Timestamp to) { now_ = to; }  // as an administrator sets the clock: boot time goes on

 private:
  Timestamp now_;
  BootTime boot_{std::chrono::hours(1)};
};

// RFC 3339. UTC with milliseconds: "2026-11-20T14:03:07.120Z".
std::string formatUtc(Timestamp time);
// In a zone, with its offset: "2026-11-20T15:03:07+01:00"; zone is an IANA name; an unknown zone is an error.
Result<std::string> formatLocal(Timestamp time, std::string_view zone);
// "YYYY-MM-DD" of that moment in the zone.
Result<std::string> localDate(Timestamp time, std::string_view zone);
// Any RFC 3339 time with offset or Z; fraction optional; seconds optional as people write them; without an offset: UTC.
Result<Timestamp> parseTimestamp(std::string_view text);
// This boot's id (/proc/sys/kernel/random/boot_id).
Result<std::string> bootId();

}  // namespace agentos
