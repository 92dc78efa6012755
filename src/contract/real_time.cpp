// SPDX-License-Identifier: Apache-2.0
#include "contract/real_time.h"

#include <algorithm>

#include "base/units.h"

namespace agentos::contract {
namespace {

constexpr std::int64_t kWhole = 1'000'000;
constexpr std::int64_t kWishedPeriodUs = 100'000;

std::int64_t periodUsOf(const Slo& slo) {
  if (slo.periodUs) return *slo.periodUs;
  const std::int64_t onset = slo.onsetMs ? std::min(*slo.onsetMs, kMostPeriodUs / 1000) * 1000 : kWishedPeriodUs;
  // A deadline or a runtime that is written does not fit in less.
  return std::max({onset, slo.deadlineUs.value_or(0), slo.runtimeUs.value_or(0), kLeastPeriodUs});
}

std::int64_t deadlineUsOf(const Slo& slo, std::int64_t periodUs) {
  if (slo.deadlineUs) return *slo.deadlineUs;
  const std::int64_t percent = std::clamp<std::int64_t>(slo.jitterP95Pct.value_or(100), 1, 100);
  return std::max({periodUs * percent / 100, slo.runtimeUs.value_or(0), kLeastRuntimeUs});
}

// Rounded up: what is admitted is never less than what is promised.
std::int64_t densityPpm(const Reservation& one) {
  const std::int64_t within = std::max<std::int64_t>(1, std::min(one.deadline, one.period).count());
  return (one.runtime.count() * kWhole + within - 1) / within;
}

std::string thousandths(std::int64_t ppm) {
  const std::string digits = std::to_string(1000 + std::abs(ppm) / 1000 % 1000).substr(1);
  return (ppm < 0 ? "-" : "") + std::to_string(std::abs(ppm) / kWhole) + "." + digits;
}

}  // namespace

Reservation reservationOf(const Contract& contract) {
  const Slo& slo = contract.slo;
  const std::int64_t period = periodUsOf(slo), deadline = deadlineUsOf(slo, period);
  const std::int64_t runtime = slo.runtimeUs.value_or(std::max(std::min(period / 10, deadline), kLeastRuntimeUs));
  using std::chrono::microseconds;
  return {microseconds(runtime), microseconds(deadline), microseconds(period)};
}

std::string formatReservation(const Reservation& one) {
  return formatDuration(one.runtime) + " within " + formatDuration(one.deadline) + " of each " +
         formatDuration(one.period);
}

std::string EdfTest::quote() const {
  return "EDF density " + thousandths(densityPpm) + " of at most " + thousandths(boundPpm) + " on " +
         std::to_string(cpus) + (cpus == 1 ? " processor" : " processors") + ", " + std::to_string(agents) +
         " admitted before";
}

EdfTest testEdf(const RealTime& machine, const Reservation& wanted) {
  EdfTest test{
      .densityPpm = agentos::contract::densityPpm(wanted), .agents = machine.admitted.size(), .cpus = machine.cpus};
  std::int64_t largest = test.densityPpm;
  for (const Reservation& one : machine.admitted) {
    const std::int64_t density = agentos::contract::densityPpm(one);
    test.densityPpm += density;
    largest = std::max(largest, density);
  }
  if (machine.cpus > 0) test.boundPpm = machine.sharePpm * machine.cpus - (machine.cpus - 1) * largest;
  return test;
}

}  // namespace agentos::contract
