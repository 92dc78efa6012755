// SPDX-License-Identifier: Apache-2.0
// A real agentd with idle agents in service mode, each `sleep` in a room of its own: what they hold of the machine's
// memory, and who wakes up while nothing is due.
//
//   sleepers_bench <bin directory> [agents] [rounds] [seconds]
//
// Memory of a process is its proportional share (PSS, smaps_rollup). Kernel memory of the rooms is the difference of
// what /proc/meminfo counts as kernel memory (Slab, KernelStack, PageTables, SecPageTables, Percpu) and Shmem (the
// rooms' tmpfs) between before they were started, with them, and after they are gone; other programs move these
// counters, too, hence rounds and medians. MemAvailable's difference is shown beside it: it counts everything once, and
// everybody.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "support/figures.h"
#include "support/house.h"

namespace agentos::bench {
namespace {

namespace fs = std::filesystem;

// Lines "Key:  value kB" in KiB.
std::map<std::string, double> fieldsOf(const std::string& path) {
  std::map<std::string, double> fields;
  std::istringstream text(readWhole(path));
  for (std::string line; std::getline(text, line);) {
    if (auto colon = line.find(':'); colon != std::string::npos)
      fields[line.substr(0, colon)] = std::atof(line.c_str() + colon + 1);
  }
  return fields;
}

double pssOf(pid_t pid) { return fieldsOf("/proc/" + std::to_string(pid) + "/smaps_rollup")["Pss"]; }

struct Memory {
  double kernel = 0, available = 0;
};

Memory memory() {
  auto fields = fieldsOf("/proc/meminfo");
  Memory now{0, fields["MemAvailable"]};
  for (const char* name : {"Slab", "KernelStack", "PageTables", "SecPageTables", "Percpu", "Shmem"})
    now.kernel += fields[name];
  return now;
}

// The kernel gives back a namespace later than its last process.
Memory settledMemory() {
  ::usleep(2'000'000);
  std::vector<Memory> seen;
  for (int i = 0; i < 15; ++i, ::usleep(100'000)) seen.push_back(memory());
  Samples kernel, available;
  for (const auto& one : seen) kernel.add(one.kernel), available.add(one.available);
  return {kernel.median(), available.median()};
}

void collect(pid_t pid, std::vector<pid_t>& all) {
  all.push_back(pid);
  for (pid_t child : childrenOf(pid)) collect(child, all);
}

long switchesOf(pid_t pid) {
  double sum = 0;
  std::error_code ignored;
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", ignored)) {
    auto fields = fieldsOf(task.path().string() + "/status");
    sum += fields["voluntary_ctxt_switches"] + fields["nonvoluntary_ctxt_switches"];
  }
  return static_cast<long>(sum);
}

std::string nameOf(pid_t pid) {
  std::string name = readWhole("/proc/" + std::to_string(pid) + "/comm");
  if (!name.empty()) name.pop_back();
  return name;
}

class Sleepers {
 public:
  explicit Sleepers(const std::string& bin) : house_(bin, {}), api_(house_.socket()) {}

  void startAll(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string contract = "apiVersion: agentos/v0.2\nkind: AgentContract\nname: sleeper-" + std::to_string(i) +
                                   "\nbinding: flexible\nrun: { mode: service, command: [\"/bin/sleep\", \"100000\"] "
                                   "}\nrestart: { policy: no }\n";
      const Json made = api_.call("POST", "/v1/agents", dumpJson({{"contract", contract}}));
      ids_.push_back(made.value("id", ""));
    }
  }
  void stopAll() {
    for (const auto& id : ids_) api_.call("POST", "/v1/agents/" + id + "/kill", "{}");
    for (const auto& id : ids_) api_.call("GET", "/v1/agents/" + id + "/wait?timeout=30s");
    ids_.clear();
  }
  pid_t daemon() { return api_.call("GET", "/v1/system").value("pid", -1); }
  std::vector<pid_t> inits() {
    std::vector<pid_t> pids;
    for (const auto& id : ids_) pids.push_back(api_.call("GET", "/v1/agents/" + id).value("pid", -1));
    return pids;
  }
  // agentd's own: the launcher, the daemon, the spawner, the keeper; without what runs in rooms.
  std::vector<pid_t> own() {
    std::vector<pid_t> all, own;
    collect(house_.launcher(), all);
    for (pid_t pid : all) {
      if (nameOf(pid).starts_with("agentd")) own.push_back(pid);
    }
    return own;
  }

 private:
  House house_;
  Connection api_;
  std::vector<std::string> ids_;
};

void measureMemory(Sleepers& sleepers, int agents, int rounds) {
  Samples kernel, available, user;
  for (int round = 0; round < rounds; ++round) {
    const Memory before = settledMemory();
    sleepers.startAll(agents);
    const Memory with = settledMemory();
    double pss = 0;
    for (pid_t init : sleepers.inits()) {
      std::vector<pid_t> room;
      collect(init, room);
      for (pid_t pid : room) pss += pssOf(pid);
    }
    user.add(pss / agents);
    if (round + 1 < rounds) sleepers.stopAll();
    const Memory after = round + 1 < rounds ? settledMemory() : before;
    for (const Memory& without : {before, after}) {
      kernel.add((with.kernel - without.kernel) / agents);
      available.add((without.available - with.available) / agents);
    }
  }
  double daemon = pssOf(sleepers.daemon()), halves = 0;
  for (pid_t pid : sleepers.own()) halves += pssOf(pid);
  std::printf(
      "%d sleepers, %d rounds, load %s; an agent holds %.0f KiB in its processes (PSS), %.0f KiB in the kernel (%.0f … "
      "%.0f);"
      " MemAvailable fell by %.0f KiB an agent\n",
      agents, rounds, load().c_str(), user.median(), kernel.median(), kernel.at(0), kernel.at(1), available.median());
  const double whole = daemon / 1024, one = (user.median() + kernel.median()) / 1024;
  print({"agentd with " + std::to_string(agents) + " sleepers: PSS", whole, "MiB", "", NAN, "<= 32", whole <= 32});
  print({"  with launcher, keeper and spawner", halves / 1024, "MiB", "", NAN, "<= 32", halves / 1024 <= 32});
  print({"an idle agent: PSS and kernel memory", one, "MiB", "", NAN, "<= 2", one <= 2});
  print({"  of which kernel", kernel.median() / 1024, "MiB"});
}

void measureWakeUps(Sleepers& sleepers, int seconds) {
  ::usleep(3'000'000);  // the last second's events are on their way to the anchor
  const pid_t daemon = sleepers.daemon();
  std::vector<pid_t> inits = sleepers.inits(), own = sleepers.own();
  std::map<pid_t, long> before;
  for (pid_t pid : inits) before[pid] = switchesOf(pid);
  for (pid_t pid : own) before[pid] = switchesOf(pid);
  ::usleep(static_cast<useconds_t>(seconds) * 1'000'000);
  long rooms = 0, others = 0;
  for (pid_t pid : inits) rooms += switchesOf(pid) - before[pid];
  for (pid_t pid : own) {
    const long switches = switchesOf(pid) - before[pid];
    if (pid != daemon) others += switches;
    std::printf("  %-16s pid %-8d %ld switches in %d s\n", nameOf(pid).c_str(), pid, switches, seconds);
  }
  const double ofDaemon = static_cast<double>(switchesOf(daemon) - before[daemon]);
  const std::string in = " in " + std::to_string(seconds) + " s";
  print({"switches of all agent-inits" + in, static_cast<double>(rooms), "", "", NAN, "0", rooms == 0});
  print({"switches of agentd" + in, ofDaemon, "", "", NAN, "0", ofDaemon <= 2});
  print({"switches of launcher, keeper, spawner" + in, static_cast<double>(others), "", "", NAN, "0", others <= 2});
}

}  // namespace
}  // namespace agentos::bench

int main(int argc, char** argv) {
  using namespace agentos::bench;
  if (argc < 2) stop("sleepers_bench <bin directory> [agents] [rounds] [seconds]");
  const int agents = argc > 2 ? std::atoi(argv[2]) : 200;
  Sleepers sleepers(argv[1]);
  measureMemory(sleepers, agents, argc > 3 ? std::atoi(argv[3]) : 3);
  measureWakeUps(sleepers, argc > 4 ? std::atoi(argv[4]) : 20);
  sleepers.stopAll();
  return 0;
}
