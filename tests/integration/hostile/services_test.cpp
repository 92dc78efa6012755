// SPDX-License-Identifier: Apache-2.0
// Twenty services through three deaths of agentd: same processes, logs without a gap, exit codes of their own.
#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>
#include <thread>

#include "hostile.h"

namespace agentos::test {
namespace {

class Services : public Hostile {};

// "tick 0", "tick 1", … in order, none missing, none twice; how many.
int ticksInOrder(const std::string& log) {
  std::istringstream lines(log);
  int next = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find("tick ");
    if (at == std::string::npos) continue;
    if (std::stoi(line.substr(at + 5)) != next) return -1;
    ++next;
  }
  return next;
}

TEST_F(Services, TwentyAreTakenOverWithTheirCodesAndLogs) {
  constexpr int kServices = 20;
  for (int i = 0; i < kServices; ++i) {
    const std::string script =
        "n=0; while ! test -e /company/knowledge/go; do echo tick $n; n=$((n+1)); sleep 0.1; done; exit " +
        std::to_string(30 + i);
    agentd.contract("svc" + std::to_string(i), "run: { mode: service, command: [\"/bin/bash\", \"-c\", " +
                                                   Json(script).dump() + "] }\nrestart: { policy: no }\n");
  }
  agentd.start();
  std::map<std::string, Json> before;
  const auto allRun = [](const Json& items) {
    return items.size() == kServices &&
           std::ranges::all_of(items, [](const Json& one) { return one["state"] == "running"; });
  };
  ASSERT_TRUE(eventually([&] { return allRun(agentd.ask({"ps"})["items"]); }, 20s));
  for (int i = 0; i < kServices; ++i) {
    const std::string name = "svc" + std::to_string(i);
    before[name] = agentd.status(name);
  }
  killHard(daemonPid());  // the daemon alone
  std::this_thread::sleep_for(50ms);
  ASSERT_TRUE(
      eventually([&] { return agentd.ctl({"system", "info"}).status == 0; }));  // not ready: it may be recovering yet
  killHard(agentd.launcher());                                                  // all of agentd
  std::this_thread::sleep_for(200ms);
  agentd.start();
  for (const pid_t pid : {daemonPid(), spawnerPid()}) killHard(pid);  // both halves
  std::this_thread::sleep_for(50ms);
  ASSERT_TRUE(eventually(
      [&] {
        const Answer listed = agentd.ctl({"ps", "-o", "json"});
        return listed.status == 0 && allRun(listed.json()["items"]);
      },
      15s));
  for (const auto& [name, view] : before) {
    const Json now = agentd.status(name);
    EXPECT_EQ(now["id"], view["id"]) << name;
    EXPECT_EQ(now["pid"], view["pid"]) << name;
    EXPECT_EQ(now["state"], "running") << name;
  }
  writeText(agentd.company() + "/knowledge/go", "now");
  std::filesystem::permissions(agentd.company() + "/knowledge/go", std::filesystem::perms(0666));
  EXPECT_TRUE(eventually([&] { return agentd.ask({"ps"})["items"].empty(); }, 15s));
  for (int i = 0; i < kServices; ++i) {
    const std::string name = "svc" + std::to_string(i), id = before[name]["id"];
    const Json now = agentd.status(id);
    EXPECT_EQ(now["state"], "exited") << name;
    EXPECT_EQ(now["exit"]["code"], 30 + i) << now;
    EXPECT_GT(ticksInOrder(agentd.output(id)), 5) << agentd.output(id);
  }
  endWithNothingLeft();
}

}  // namespace
}  // namespace agentos::test
