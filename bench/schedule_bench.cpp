// SPDX-License-Identifier: Apache-2.0
// One idle tick of the whole daemon over N cycle agents that are all due at once: each is looked at, none has work, no
// process is started. Beside it the floor: the same number of looks at the queue's index alone.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "support/figures.h"
#include "world.h"

namespace agentos::test {
namespace {

double microsecondsOf(const std::function<void()>& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - began).count();
}

double median(std::vector<double> figures) {
  std::ranges::sort(figures);
  return figures[figures.size() / 2];
}

int measure(int agents) {
  World world;
  world.config.concurrentCycles = 8;
  for (int i = 0; i < agents; ++i) world.contract("agent-" + std::to_string(i), "schedule: { every: 15m }\n");
  const double started = microsecondsOf([&] {
    if (!world.start()) std::exit(1);
  });
  const auto looks = [&] {
    for (const auto& [name, stored] : world.contracts()) {
      if (!world.daemon->queue()->next(name)) std::exit(1);
    }
  };
  std::vector<double> ticks, floors;
  for (int i = 0; i < 11; ++i) {
    world.pass(14min);
    ticks.push_back(microsecondsOf([&] { world.pass(1min); }));
    floors.push_back(microsecondsOf(looks));
  }
  const double tick = median(ticks) / agents, floor = median(floors) / agents;
  std::printf("%d cycle agents, all due in the same moment; %zu processes were started\n", agents,
              world.spawner.plans.size());
  std::printf("%-44s %8.0f ms\n", "start, contracts read and the first look", started / 1000);
  std::printf("%-44s %8.2f us   %.1f times the floor of %.2f us (the queue's index alone)\n",
              "idle tick, for one agent", tick, tick / floor, floor);
  bench::print({"idle tick over " + std::to_string(agents) + " cycle agents, an agent", tick, "us",
                "the queue's index alone", floor});
  const auto processes = static_cast<double>(world.spawner.plans.size());
  bench::print({"processes it started", processes, "", "", NAN, "0", processes == 0});
  return world.spawner.plans.empty() ? 0 : 1;
}

}  // namespace
}  // namespace agentos::test

int main(int argc, char** argv) {
  spdlog::set_level(spdlog::level::err);
  return agentos::test::measure(argc > 1 ? std::atoi(argv[1]) : 5000);
}
