// SPDX-License-Identifier: Apache-2.0
// What a measurement says: a line for people, and one for bench/run to put into its table.
#pragma once

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"

namespace agentos::bench {

inline long nowNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

[[noreturn]] inline void stop(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  std::exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result) stop(result.error().message());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

class Samples {
 public:
  void add(double value) { values_.push_back(value); }
  // The value below which this share lies.
  double at(double share) const {
    if (values_.empty()) return NAN;
    auto sorted = values_;
    std::ranges::sort(sorted);
    return sorted[static_cast<std::size_t>(static_cast<double>(sorted.size() - 1) * share)];
  }
  double median() const { return at(0.5); }
  std::size_t size() const { return values_.size(); }

 private:
  std::vector<double> values_;
};

// Tab-separated, for bench/run: what, value, unit, peer or floor of the same run, its value, ratio, aim, met or short.
struct Figure {
  std::string what;
  double value = 0;
  std::string unit;
  std::string peer{};
  double peerValue = NAN;
  std::string aim{};
  bool met = true;
};

inline void print(const Figure& figure) {
  std::printf("FIGURE\t%s\t%.3f\t%s\t%s", figure.what.c_str(), figure.value, figure.unit.c_str(), figure.peer.c_str());
  if (std::isnan(figure.peerValue)) {
    std::printf("\t\t");
  } else {
    std::printf("\t%.3f\t%.2f", figure.peerValue, figure.value / figure.peerValue);
  }
  std::printf("\t%s\t%s\n", figure.aim.c_str(), figure.aim.empty() ? "" : figure.met ? "met" : "short");
  std::fflush(stdout);
}

// Runnable tasks on the machine, averaged over a minute: what else was going on.
inline std::string load() {
  std::ifstream in("/proc/loadavg");
  std::string one;
  in >> one;
  return one;
}

}  // namespace agentos::bench
