// SPDX-License-Identifier: Apache-2.0
// From the start of agentd to its READY=1: with an empty company, and with one of many agents and task files, its index
// rebuilt from nothing and then valid. And what the programs weigh.
//
//   ready_bench <bin directory> [agents] [task files] [starts]
//
// The clock starts before posix_spawn and ends when the datagram is here: launcher, keeper, spawner and daemon are up,
// the state is recovered, contracts and queue are loaded. Beside it what the same program takes to print its version.
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <sstream>

#include "support/figures.h"
#include "support/house.h"

namespace agentos::bench {
namespace {

namespace fs = std::filesystem;

// What systemd would listen on.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (::bind(fd_.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address) != 0)
      stop("cannot bind " + path);
    ::chmod(path.c_str(), 0666);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  // What was said before: each start is to be judged by its own word.
  void forget() {
    char words[4096];
    while (::recv(fd_.get(), words, sizeof words, MSG_DONTWAIT) > 0) {
    }
  }
  void waitForReady(int seconds) {
    pollfd wait{fd_.get(), POLLIN, 0};
    while (::poll(&wait, 1, seconds * 1000) == 1) {
      char words[4096];
      const ssize_t got = ::recv(fd_.get(), words, sizeof words, 0);
      if (got > 0 && std::string_view(words, static_cast<std::size_t>(got)).contains("READY=1")) return;
    }
    stop("agentd did not say READY=1 in " + std::to_string(seconds) + " s");
  }

 private:
  Fd fd_;
};

double startOnce(House& house, NotifySocket& notify) {
  notify.forget();
  const long begun = nowNs();
  house.start();
  notify.waitForReady(120);
  const double milliseconds = static_cast<double>(nowNs() - begun) / 1e6;
  house.waitUntilReady();
  return milliseconds;
}

double medianOfStarts(House& house, NotifySocket& notify, int starts) {
  Samples samples;
  for (int i = 0; i < starts; ++i) {
    house.end();
    samples.add(startOnce(house, notify));
  }
  return samples.median();
}

double versionMilliseconds(const std::string& bin) {
  Samples samples;
  for (int i = 0; i < 15; ++i) {
    const long begun = nowNs();
    waitFor(start({bin + "/agentd", "--version"}, "/dev/null"));
    samples.add(static_cast<double>(nowNs() - begun) / 1e6);
  }
  return samples.median();
}

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

void makeAgents(const House& house, int count) {
  for (int i = 0; i < count; ++i) {
    const std::string name = "agent-" + std::to_string(i);
    write(house.company() + "/agents/contracts/" + name + ".yaml",
          "apiVersion: agentos/v0.2\nkind: AgentContract\nname: " + name +
              "\nbinding: flexible\nrun: { mode: cycle, command: [\"/bin/true\"] }\n"
              "schedule: { every: 24h, on: [task] }\ncompute: { cpu: \"1\", mem: 256MiB, pids: 64 }\n"
              "budget: { per_run_usd: 0.25, per_day_usd: 1.00, max_turns: 12 }\n");
  }
}

void makeTasks(const House& house, int count) {
  for (int i = 1; i <= count; ++i) {
    const std::string digits = std::to_string(i);
    const std::string id = "task-2026-1101-" + std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
    write(house.company() + "/agents/tasks/queued/" + id + ".md",
          "---\nid: " + id + "\ntitle: Task number " + digits +
              "\nstatus: queued\npriority: medium\ncreated_by: steward\nassigned_to: somebody-else\n"
              "created: 2026-11-01T10:00:00Z\nattempts: 3\n---\n\nWhat is to be done, in a few lines of Markdown.\n");
  }
}

double statusMiB(pid_t pid, const std::string& file, const std::string& key) {
  std::istringstream text(readWhole("/proc/" + std::to_string(pid) + file));
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with(key + ":")) return std::atof(line.c_str() + key.size() + 1) / 1024;
  }
  return NAN;
}

Figure aimed(const std::string& what, double value, const std::string& unit, double most) {
  std::ostringstream aim;
  aim << "<= " << most;
  return {what, value, unit, "", NAN, aim.str(), value <= most};
}

// What agent-init holds of its own; its text is one copy for all of them.
void weighInits(Connection& api, int rooms) {
  Samples pss;
  std::vector<std::string> ids;
  for (int i = 0; i < rooms; ++i) {
    const std::string contract = "apiVersion: agentos/v0.2\nkind: AgentContract\nname: sleeper-" + std::to_string(i) +
                                 "\nbinding: flexible\nrun: { mode: service, command: [\"/bin/sleep\", \"1000\"] }\n"
                                 "restart: { policy: no }\n";
    ids.push_back(api.call("POST", "/v1/agents", dumpJson({{"contract", contract}})).value("id", ""));
  }
  for (const std::string& id : ids) {
    const pid_t init = api.call("GET", "/v1/agents/" + id).value("pid", -1);
    pss.add(statusMiB(init, "/smaps_rollup", "Pss") * 1024);
  }
  for (const std::string& id : ids) api.call("POST", "/v1/agents/" + id + "/kill", "{}");
  print(aimed("agent-init, PSS, one of " + std::to_string(rooms), pss.median(), "KiB", 300));
}

void weigh(House& house) {
  Connection api(house.socket());
  const pid_t daemon = api.call("GET", "/v1/system").value("pid", -1);
  print(aimed("idle agentd, resident", statusMiB(daemon, "/status", "VmRSS"), "MiB", 20));
  weighInits(api, 20);
}

void measure(const std::string& bin, int agents, int tasks, int starts) {
  House house(bin, {}, House::Begin::kPrepared);
  NotifySocket notify(house.prefix() + "/notify.sock");
  const double version = versionMilliseconds(bin);
  startOnce(house, notify);  // makes the state
  Figure empty = aimed("start to ready, empty company", medianOfStarts(house, notify, starts), "ms", 200);
  empty.peer = "agentd --version", empty.peerValue = version;
  print(empty);
  weigh(house);
  house.end();
  makeAgents(house, agents);
  makeTasks(house, tasks);
  const std::string many = std::to_string(agents) + " agents and " + std::to_string(tasks) + " task files";
  const double rebuilt = startOnce(house, notify);
  print(aimed("start to ready, " + many + ", index rebuilt", rebuilt, "ms", 10'000.0 * tasks / 100'000));
  print(aimed("start to ready, " + many, medianOfStarts(house, notify, starts), "ms", 1000));
  Connection api(house.socket());
  const pid_t daemon = api.call("GET", "/v1/system").value("pid", -1);
  print({"  agentd with them, resident", statusMiB(daemon, "/status", "VmRSS"), "MiB"});
}

}  // namespace
}  // namespace agentos::bench

int main(int argc, char** argv) {
  using namespace agentos::bench;
  if (argc < 2) stop("ready_bench <bin directory> [agents] [task files] [starts]");
  measure(argv[1], argc > 2 ? std::atoi(argv[2]) : 1000, argc > 3 ? std::atoi(argv[3]) : 100'000,
          argc > 4 ? std::atoi(argv[4]) : 7);
  return 0;
}
