// SPDX-License-Identifier: Apache-2.0
// Real time as arithmetic: what an HRT contract reserves, and whether the machine has it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "contract/contract.h"

namespace agentos::contract {

// The kernel's own bounds of SCHED_DEADLINE (sched(7), sysctl sched_deadline_period_min_us and _max_us).
inline constexpr std::int64_t kLeastRuntimeUs = 10;
inline constexpr std::int64_t kLeastPeriodUs = 100;
inline constexpr std::int64_t kMostPeriodUs = 4'000'000;

// `runtime` of processor time in each `period`, given by `deadline` after the period's begin.
struct Reservation {
  Nanoseconds runtime{0}, deadline{0}, period{0};
  bool operator==(const Reservation&) const = default;
};

// Of an HRT contract; what it does not say in class.slo:
//   period    onset_ms, else 100 ms
//   deadline  jitter_p95_pct of the period where that is less than 100: the work moves within the period by no more
//             than that; else the period
//   runtime   a tenth of the period, at most the deadline
Reservation reservationOf(const Contract& contract);
std::string formatReservation(const Reservation& one);  // "2ms within 10ms of each 10ms"

// What there is of it. `cpus` 0: no real time here, and `why`.
struct RealTime {
  std::int64_t cpus = 0;
  std::int64_t sharePpm =
      950'000;  // of each processor that the kernel gives to real time at most (sched_rt_runtime_us)
  std::vector<Reservation> admitted;  // of the agents that live
  std::string why;
  bool operator==(const RealTime&) const = default;
};

// The test of global EDF by density (Goossens, Funk and Baruah, 2003): with m processors every deadline is met where
//   Σ runtime/deadline ≤ share · m − (m − 1) · the largest runtime/deadline.
// Stricter than the kernel's own, which counts runtime/period and bounds lateness only. In millionths.
struct EdfTest {
  std::int64_t densityPpm = 0, boundPpm = 0;  // of all, the new one among them
  std::size_t agents = 0;                     // admitted before
  bool fits() const { return densityPpm <= boundPpm; }
  std::string quote() const;  // "density 0.400 of at most 1.700 with 1 other on 2 processors"
  std::int64_t cpus = 0;
};
EdfTest testEdf(const RealTime& machine, const Reservation& wanted);

}  // namespace agentos::contract
