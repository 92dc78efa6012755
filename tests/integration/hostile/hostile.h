// SPDX-License-Identifier: Apache-2.0
// What the hostile tests share: an agentd with processes that can be found and killed, a raw client, and the books.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "real_agentd.h"

namespace agentos::test {

inline constexpr const char* kUnlimited =
    "stop: { grace: 500ms }\npolicy: { allow_unlimited_without_controllers: true }\n";

// A contract's run by /bin/bash, on tasks; `more` are further lines of YAML.
std::string bashOnTask(const std::string& script, const std::string& more = "");

class Hostile : public testing::Test {
 protected:
  Hostile();
  // The scripted model "house/scripted", its rules, and a price for it.
  void model(const std::string& rules);
  // The launcher's child with that word on its command line, waited for; -1 when none comes.
  pid_t half(const std::string& word) const;
  pid_t daemonPid() const { return half("--serve"); }
  pid_t spawnerPid() const { return half("agentd-spawner"); }
  std::string instanceOf(const std::string& agent) { return agentd.status(agent).value("id", ""); }
  bool isRunning(const std::string& agent);
  // The instance, once its output has the word.
  std::string runningWith(const std::string& agent, const std::string& word);
  std::vector<Json> events(const std::string& kind);  // of the audit log
  // In how many claims of the task: a crash between an event and its settling tells it twice, of the same claim.
  std::size_t eventsOf(const std::string& kind, const std::string& task);
  void isReady();  // it has recovered
  // Stops agentd and looks at what is left: no process, no control group, no open reservation; a whole database; the
  // audit log verifies before.
  void endWithNothingLeft();
  void verifies();
  std::string socketPath() const { return agentd.prefix() + "/run/agentd/agentd.sock"; }

  RealAgentd agentd;
};

struct Reply {
  int status = 0;
  std::string head, body;
};
Fd connectUnix(const std::string& path);
void sendText(const Fd& socket, const std::string& text);
// Up to the other side's end, or until nothing came for so long.
std::string readToEnd(const Fd& socket, std::chrono::milliseconds patience = 5s);
// One request on a connection of its own; status 0 when there was no answer.
Reply ask(const std::string& path, const std::string& method, const std::string& target, const std::string& body = "");
// Of so many GETs of /v1/agents.
std::chrono::microseconds medianAnswer(const std::string& path, int times);

// kill -9 of one process of this test's own. Zero, one and negative numbers mean many or others, and are never
// signalled: a process that was not found is a failed test, not the end of every process of the machine.
void killHard(pid_t pid);
std::uint64_t cpuTicks(pid_t pid);                                // user and system
std::vector<pid_t> processesMentioning(const std::string& text);  // on their command line, not this one
std::size_t openDescriptors(pid_t pid);
void writeText(const std::string& path, const std::string& text);

}  // namespace agentos::test
