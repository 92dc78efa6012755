// SPDX-License-Identifier: Apache-2.0
// From a request on agentd's API to the first instruction of the agent, in its room with every wall, launch record
// durable, all books kept; beside bubblewrap --unshare-all and beside the floor (support/floor.h), in turns, in one
// run. Then rooms per second, from request to swept, beside the same two.
//
//   api_bench <bin directory> [rounds] [runs for the rate]
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "support/figures.h"
#include "support/floor.h"
#include "support/house.h"

namespace agentos::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kAtOnce = 2;

std::string contractOf(const std::string& name) {
  const std::string programs = fs::path(AGENTOS_FIRST).parent_path();
  return "apiVersion: agentos/v0.2\nkind: AgentContract\nname: " + name +
         "\nbinding: flexible\nrun: { mode: job, command: [\"/programs/first_instruction\", \"/home/agent/at\"] }\n"
         "restart: { policy: no }\nworkspace: { mounts: [ { source: " +
         programs + ", target: /programs, mode: ro } ] }\n";
}

// What the program wrote.
long firstInstruction(const std::string& path) {
  const std::string bytes = readWhole(path);
  if (bytes.size() != sizeof(long)) stop("the program did not write " + path);
  long at = 0;
  std::memcpy(&at, bytes.data(), sizeof at);
  return at;
}

struct Series {
  std::string name;
  std::function<long()> once;  // nanoseconds to the first instruction
  Samples first, whole;        // milliseconds
};

class ApiBench {
 public:
  explicit ApiBench(const std::string& bin)
      : house_(bin, {fs::path(AGENTOS_FIRST).parent_path()}), floor_(AGENTOS_FIRST) {
    for (int i = 0; i < kAtOnce; ++i) {
      connections_.push_back(std::make_unique<Connection>(house_.socket()));
      fs::create_directories(home(i));
      ::chmod(home(i).c_str(), 0777);  // NOLINT: other users' programs write there
    }
  }

  long agent(int worker) {
    const std::string name = "bench-" + std::to_string(worker), at = house_.scratch(name) + "/at";
    ::unlink(at.c_str());
    Connection& connection = *connections_[static_cast<std::size_t>(worker)];
    const std::string body = dumpJson({{"contract", contractOf(name)}});
    const long before = nowNs();
    const Json made = connection.call("POST", "/v1/agents", body);
    if (worker == 0) answered.add(static_cast<double>(nowNs() - before) / 1e6);  // one writer, also when workers run
    const Json ended = connection.call("GET", "/v1/agents/" + made.value("id", "") + "/wait?timeout=30s");
    if (ended.value("state", "") != "exited") stop("an agent ended as " + ended.dump());
    return firstInstruction(at) - before;
  }
  long bubblewrap(int worker) {
    auto words = bubblewrapCommand(AGENTOS_FIRST, home(worker));
    return other(worker, [&] { waitFor(start(words)); });
  }
  long floor(int worker) {
    return other(worker, [&] { floor_.run(home(worker)); });
  }

  Samples answered;

 private:
  std::string home(int worker) const { return house_.prefix() + "/home-" + std::to_string(worker); }
  long other(int worker, const std::function<void()>& run) {
    ::unlink((home(worker) + "/at").c_str());
    const long before = nowNs();
    run();
    return firstInstruction(home(worker) + "/at") - before;
  }

  House house_;
  Floor floor_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

void measureStarts(ApiBench& bench, std::vector<Series>& all, int rounds) {
  for (int round = -10; round < rounds; ++round) {
    for (auto& series : all) {
      const long before = nowNs(), first = series.once();
      if (round < 0) continue;  // warming up
      series.first.add(static_cast<double>(first) / 1e6);
      series.whole.add(static_cast<double>(nowNs() - before) / 1e6);
    }
  }
  std::printf("%d rounds in turns, load %s    first instruction p50/p95/p99 ms      to the end, swept p50/p95 ms\n",
              rounds, load().c_str());
  for (const auto& series : all) {
    std::printf("  %-14s %30.2f %8.2f %8.2f %24.2f %8.2f\n", series.name.c_str(), series.first.median(),
                series.first.at(0.95), series.first.at(0.99), series.whole.median(), series.whole.at(0.95));
  }
  std::printf("  agentd's answer to the request: %.2f ms\n", bench.answered.median());
}

// Rooms a second, by kAtOnce workers.
double rate(const std::function<void(int worker)>& once, int runs) {
  const long before = nowNs();
  std::vector<std::thread> workers;
  for (int worker = 0; worker < kAtOnce; ++worker) {
    workers.emplace_back([&, worker] {
      for (int i = 0; i < runs / kAtOnce; ++i) once(worker);
    });
  }
  for (auto& worker : workers) worker.join();
  return runs / (static_cast<double>(nowNs() - before) / 1e9);
}

// In slices, so that what else the machine does falls on all alike.
void measureRates(const std::vector<std::pair<std::string, std::function<void(int)>>>& all, int runs) {
  constexpr int kSlices = 10;
  std::vector<Samples> seconds(all.size());
  for (int slice = 0; slice < kSlices; ++slice) {
    for (std::size_t i = 0; i < all.size(); ++i) seconds[i].add(1.0 / rate(all[i].second, runs / kSlices));
  }
  std::printf("rooms a second over %d runs, %d at once, teardown included, load %s\n", runs, kAtOnce, load().c_str());
  for (std::size_t i = 0; i < all.size(); ++i)
    std::printf("  %-14s %8.0f\n", all[i].first.c_str(), 1.0 / seconds[i].median());
  const double ours = 1.0 / seconds[0].median();
  for (std::size_t i = 1; i < all.size(); ++i) {
    const double theirs = 1.0 / seconds[i].median();
    const bool floor = all[i].first == "floor";
    print({"rooms a second, swept", ours, "/s", all[i].first, theirs, floor ? ">= 0.5" : "", ours / theirs >= 0.5});
  }
}

void run(const std::string& bin, int rounds, int runs) {
  ApiBench bench(bin);
  std::vector<Series> all = {{"agentd", [&] { return bench.agent(0); }, {}, {}},
                             {"bubblewrap", [&] { return bench.bubblewrap(0); }, {}, {}},
                             {"floor", [&] { return bench.floor(0); }, {}, {}}};
  measureStarts(bench, all, rounds);
  for (double share : {0.5, 0.95}) {
    const std::string what = std::string("request to first instruction, p") + (share < 0.9 ? "50" : "95");
    const double ours = all[0].first.at(share), theirs = all[1].first.at(share);
    print({what, ours, "ms", "bubblewrap", theirs, share < 0.9 ? "<= 0.7" : "", ours / theirs <= 0.7});
    print({what, ours, "ms", "floor", all[2].first.at(share)});
  }
  if (runs <= 0) return;
  measureRates({{"agentd", [&](int worker) { bench.agent(worker); }},
                {"floor", [&](int worker) { bench.floor(worker); }},
                {"bubblewrap", [&](int worker) { bench.bubblewrap(worker); }}},
               runs);
}

}  // namespace
}  // namespace agentos::bench

int main(int argc, char** argv) {
  if (argc < 2) agentos::bench::stop("api_bench <bin directory> [rounds] [runs for the rate]");
  agentos::bench::run(argv[1], argc > 2 ? std::atoi(argv[2]) : 300, argc > 3 ? std::atoi(argv[3]) : 2000);
  return 0;
}
