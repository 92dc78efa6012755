// SPDX-License-Identifier: Apache-2.0
// Quantities with their unit in the type. All are exact integers; parsing rounds nothing and overflows are errors.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace agentos {

struct Bytes {
  std::uint64_t count = 0;
  auto operator<=>(const Bytes&) const = default;
};

// Millionths of a US dollar.
struct MicroUsd {
  std::int64_t count = 0;
  auto operator<=>(const MicroUsd&) const = default;
  MicroUsd operator+(MicroUsd other) const { return {count + other.count}; }
  MicroUsd operator-(MicroUsd other) const { return {count - other.count}; }
  MicroUsd& operator+=(MicroUsd other) { return count += other.count, *this; }
};

// Thousandths of a core.
struct MilliCpu {
  std::int64_t count = 0;
  auto operator<=>(const MilliCpu&) const = default;
};

Result<Bytes> parseBytes(std::string_view text);           // "4GiB" (2^30) ≠ "4GB" (10^9); "512", "0"
Result<MilliCpu> parseCpu(std::string_view text);          // "2", "0.5", "250m"
Result<Nanoseconds> parseDuration(std::string_view text);  // "15m", "1h30m", "250ms", "1d"; a bare number is refused
Result<MicroUsd> parseUsd(std::string_view text);          // "2.00", "0.000001"; at most six decimals

std::string formatBytes(Bytes value);           // the largest exact IEC unit: "4GiB", "1536MiB"
std::string formatCpu(MilliCpu value);          // "2", "0.5"
std::string formatDuration(Nanoseconds value);  // "1h30m"
std::string formatUsd(MicroUsd value);          // at least two decimals, as many as it needs: "2.00", "0.000120"

}  // namespace agentos
