// SPDX-License-Identifier: Apache-2.0
// wake_jitter PERIOD_US COUNT [WORK_US]: sleeps to the begin of each period, notes how late it was awake, works a
// little, and says in the end: "periods N p50 A p99 B p999 C max D missed M" (microseconds; missed: work not done when
// the next period began).
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

long now() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1'000'000'000 + at.tv_nsec;
}

void sleepUntil(long ns) {
  const timespec at{ns / 1'000'000'000, ns % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) != 0) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const long period = std::atol(argv[1]) * 1000, count = std::atol(argv[2]);
  const long work = (argc > 3 ? std::atol(argv[3]) : 0) * 1000;
  std::vector<long> late;
  late.reserve(static_cast<std::size_t>(count));
  long missed = 0, next = now() + period;
  for (long i = 0; i < count; ++i, next += period) {
    sleepUntil(next);
    const long began = now();
    late.push_back(began - next);
    while (now() - began < work) {
    }
    if (now() > next + period) ++missed;
  }
  std::sort(late.begin(), late.end());
  auto at = [&](double share) {
    return late[static_cast<std::size_t>(static_cast<double>(late.size() - 1) * share)] / 1000;
  };
  std::printf("periods %ld p50 %ld p99 %ld p999 %ld max %ld missed %ld\n", count, at(0.5), at(0.99), at(0.999), at(1.0),
              missed);
  return 0;
}
