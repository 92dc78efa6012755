// SPDX-License-Identifier: Apache-2.0
// Rooms that look for a way out of themselves, on the real daemon. Each attempt also runs outside the wall, where it
// must succeed: an attempt that fails everywhere proves nothing.
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "hostile.h"

namespace agentos::test {
namespace {

namespace fs = std::filesystem;

class Walls : public Hostile {
 protected:
  // A listener of the host's on its loopback; its port.
  std::uint16_t hostListener() {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);  // NOLINT: the API's cast
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);  // NOLINT: the API's cast
    return ntohs(address.sin_port);
  }
  // "reached X" for each attempt that succeeds, by `by`.
  static std::string attempts(const std::vector<std::pair<std::string, std::string>>& all) {
    std::string script;
    for (const auto& [name, command] : all)
      script += "if ( " + command + " ) >/dev/null 2>&1; then echo 'reached " + name + ".'; else echo 'not " + name +
                ".'; fi\n";
    return script + "echo tried\n";
  }
  Fd listener_;
};

TEST_F(Walls, ARoomReachesNothingThatTheHostReaches) {
  const std::string secret = agentd.prefix() + "/var/lib/agentd/scratch/victim/secret",
                    port = std::to_string(hostListener());
  agentd.contract("victim",
                  "run: { mode: service, command: [\"/bin/bash\", \"-c\", \"echo private > /home/agent/secret; echo "
                  "up; exec sleep 1000\"] }\n");
  agentd.start();
  const std::string victim = runningWith("victim", "up");
  const std::string pid = std::to_string(agentd.status(victim)["pid"].get<pid_t>());
  const std::vector<std::pair<std::string, std::string>> tries = {
      {"shadow", "grep -q root /etc/shadow && test $(wc -l < /etc/shadow) -gt 3"},
      {"scratch of another", "cat " + secret},
      {"another by proc", "cat /proc/" + pid + "/root/home/agent/secret"},
      {"state of another", "ls " + agentd.company() + "/agents/state/victim"},
      {"operators socket", "test -S " + socketPath()},
      {"spawner socket", "test -S " + agentd.prefix() + "/run/agentd/spawner.sock"},
      {"host loopback", "exec 3<>/dev/tcp/127.0.0.1/" + port},
      {"host process", "kill -0 " + pid},
      {"host devices",
       "test -e /sys/class/net/eth0 -o -e /dev/mem -o -e /dev/kmsg -o $(ls /sys/class/net | wc -l) -gt 1"},
      {"cgroups of others", "ls " + agentd.cgroup(victim)},
      {"audit log", "cat " + agentd.prefix() + "/var/lib/agentd/audit/*"},
      {"contracts", "cat " + agentd.prefix() + "/etc/agents/victim.yaml"},
  };
  fs::create_directories(agentd.company() + "/agents/state/victim");
  const Answer outside = runProgram({"/bin/bash", "-c", attempts(tries)});
  for (const auto& [name, command] : tries) {
    if (name == "host devices") continue;  // which of them there are is the host's affair
    EXPECT_NE(outside.out.find("reached " + name + "."), std::string::npos) << "the control: " << outside.out;
  }
  agentd.contract("thief", bashOnTask(attempts(tries)));
  agentd.reload();
  const std::string task = agentd.addTask("look around", "thief");
  ASSERT_TRUE(eventually([&] { return agentd.statusOf(task) == "done"; }));
  const std::string said = agentd.output(instanceOf("thief"));
  EXPECT_NE(said.find("tried"), std::string::npos) << said;
  for (const auto& [name, command] : tries)
    EXPECT_NE(said.find("not " + name + "."), std::string::npos) << name << "\n" << said;
  EXPECT_EQ(said.find("reached"), std::string::npos) << said;
  endWithNothingLeft();
}

// An agent runs a moment before agentd knows of it. What it says in that moment is heard, and recorded, after its
// start.
TEST_F(Walls, ItsStartStandsBeforeTheFirstThingThatAnAgentSays) {
  const std::string script =
      "exec 3<>/dev/tcp/127.0.0.1/4242; printf 'POST /self/mail HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: "
      "2\\r\\nConnection: close\\r\\n\\r\\n{}' >&3; cat <&3; echo; echo up; exec sleep 1000";
  const std::vector<std::string> names{"one", "other", "third"};
  for (const auto& name : names)
    agentd.contract(name, "capabilities: [task.complete]\nrun: { mode: service, command: [\"/bin/bash\", \"-c\", " +
                              Json(script).dump() + "] }\n");
  agentd.start();
  std::map<std::string, std::int64_t> started;
  for (const auto& name : names) runningWith(name, "up");
  for (const auto& event : events("instance.started")) started[event["instance"]] = event["seq"];
  const auto denied = events("denied");
  EXPECT_EQ(denied.size(), names.size());
  for (const auto& event : denied) {
    ASSERT_TRUE(started.contains(event["instance"])) << event.dump();
    EXPECT_LT(started[event["instance"]], event["seq"]) << event.dump();
  }
}

// Each room has its own 127.0.0.1:4242: who calls is who lives there, whatever a header says.
TEST_F(Walls, AGatewayAnswersForItsOwnRoomOnly) {
  const std::string script =
      "exec 3<>/dev/tcp/127.0.0.1/4242; printf 'GET /self HTTP/1.1\\r\\nHost: x\\r\\nX-Agent: "
      "other\\r\\nAuthorization: Bearer other\\r\\nConnection: close\\r\\n\\r\\n' >&3;"
      "cat <&3; echo; for p in $(seq 1 3); do kill -0 $p && echo \"sees $p\"; done; echo up; exec sleep 1000";
  for (const char* name : {"one", "other"})
    agentd.contract(name, "run: { mode: service, command: [\"/bin/bash\", \"-c\", " + Json(script).dump() + "] }\n");
  agentd.start();
  for (const char* name : {"one", "other"}) {
    const std::string id = runningWith(name, "up"), said = agentd.output(id);
    EXPECT_NE(said.find("\"id\":\"" + id + "\""), std::string::npos) << said;
    EXPECT_EQ(said.find(std::string("\"agent\":\"") + (std::string(name) == "one" ? "other" : "one")),
              std::string::npos)
        << said;
  }
  // The host has nothing there: the listeners are in the rooms.
  const Answer outside = runProgram({"/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/4242"});
  EXPECT_NE(outside.status, 0);
  endWithNothingLeft();
}

}  // namespace
}  // namespace agentos::test
