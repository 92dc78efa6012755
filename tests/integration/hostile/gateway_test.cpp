// SPDX-License-Identifier: Apache-2.0
// A room whose program attacks its own gateway.
#include <filesystem>

#include "hostile.h"

namespace agentos::test {
namespace {

class GatewayAttack : public Hostile {};

constexpr const char* kLongStream = R"(
  - name: long
    answer: { text: "0123456789012345678901234567890123456789012345678901234567890123456789", usage: { input: 50, output: 400 } }
    chunk: 1
    chunk_delay: 50ms
)";

TEST_F(GatewayAttack, GarbageHugeBodiesAndIdleConnectionsCostNobodyElseAnything) {
  model(kLongStream);
  agentd.contract(
      "attacker",
      bashOnTask(
          "g=/dev/tcp/127.0.0.1/4242\n"
          "for i in $(seq 30); do exec {fd}<>$g; head -c 100000 /dev/urandom >&$fd; exec {fd}>&-; done 2>/dev/null\n"
          "for i in $(seq 10); do exec {fd}<>$g; printf 'POST /v1/chat/completions HTTP/1.1\\r\\nHost: "
          "x\\r\\nContent-Length: 2147483648\\r\\n\\r\\n{' >&$fd; done\n"
          "exec {fd}<>$g; printf 'POST /self/log HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: "
          "chunked\\r\\n\\r\\n7fffffff\\r\\n' >&$fd; head -c 64000000 /dev/zero >&$fd\n"
          "for i in $(seq 200); do exec {fd}<>$g && printf 'GET /se' >&$fd; done 2>/dev/null\n"
          "for i in $(seq 20); do exec {fd}<>/dev/tcp/127.0.0.1/4243; printf 'CONNECT 10.0.0.1:443 HTTP/1.1\\r\\nHost: "
          "x\\r\\n\\r\\n' >&$fd; done 2>/dev/null\n"
          "echo attacked; sleep 2; exit 0",
          "modelPolicy: { allow: [\"house/*\"] }\n"));
  agentd.start();
  medianAnswer(socketPath(), 3);
  const auto before = openDescriptors(daemonPid());
  const pid_t daemon = daemonPid();
  const std::string task = agentd.addTask("attack", "attacker");
  ASSERT_TRUE(eventually([&] { return isRunning("attacker"); }));
  EXPECT_LT(medianAnswer(socketPath(), 51), 50ms) << "while it is under way";
  const std::string id = instanceOf("attacker");
  ASSERT_TRUE(eventually([&] { return agentd.countOutput(id, "attacked") > 0; }, 20s)) << agentd.output(id);
  EXPECT_LT(medianAnswer(socketPath(), 11), 50ms);
  EXPECT_TRUE(eventually([&] { return agentd.statusOf(task) == "done"; }));
  EXPECT_EQ(daemonPid(), daemon);
  EXPECT_TRUE(eventually([&] { return openDescriptors(daemon) <= before + 2; }))
      << openDescriptors(daemon) << " open, before " << before;
  endWithNothingLeft();
}

// Streams whose reader goes: by hanging up, by its run's end, by agentd's own death. Each call is settled once, at what
// it used.
TEST_F(GatewayAttack, StreamsThatLoseTheirReaderAreSettled) {
  model(kLongStream);
  const std::string call =
      "b='{\"model\":\"auto\",\"stream\":true,\"max_tokens\":500,\"messages\":[{\"role\":\"user\",\"content\":\"go\"}]}"
      "'\n"
      "call() { exec {fd}<>/dev/tcp/127.0.0.1/4242; printf 'POST /v1/chat/completions HTTP/1.1\\r\\nHost: "
      "x\\r\\nContent-Length: %s\\r\\n\\r\\n%s' ${#b} \"$b\" >&$fd; read -r line <&$fd; echo \"$line\"; }\n";
  const std::string policy = "modelPolicy: { allow: [\"house/*\"] }\n";
  agentd.contract(
      "quitter",
      bashOnTask(call + "for i in 1 2 3; do call; sleep 0.2; exec {fd}>&-; done; sleep 0.5; exit 0", policy));
  agentd.contract("dier", bashOnTask(call + "call; call; sleep 0.2; kill -9 $$", policy));
  agentd.contract("stayer", bashOnTask(call + "call; echo up; sleep 1000", policy));
  agentd.start();
  const std::string quits = agentd.addTask("quit", "quitter");
  agentd.addTask("die", "dier");
  agentd.addTask("stay", "stayer");
  const std::string stayer = runningWith("stayer", "up");
  EXPECT_NE(agentd.output(stayer).find("HTTP/1.1 200"), std::string::npos) << agentd.output(stayer);
  EXPECT_TRUE(eventually([&] { return agentd.statusOf(quits) == "done"; }));
  EXPECT_TRUE(eventually([&] { return agentd.status("dier")["state"] == "exited"; }));
  agentd.ask({"cycle", "hold", "dier"});  // it may have begun once more
  EXPECT_TRUE(eventually([&] { return agentd.status("dier")["state"] == "exited"; }));
  // The third: agentd dies under the stream, and the run goes on.
  const pid_t before = daemonPid();
  killHard(before);
  ASSERT_TRUE(eventually([&] { return !isAlive(before); }));
  isReady();
  EXPECT_EQ(agentd.status(stayer)["state"], "running");
  EXPECT_EQ(agentd.ctl({"kill", stayer}).status, 0);
  agentd.ask({"cycle", "hold", "stayer"});
  const auto settled = events("model.settled");
  std::size_t quitted = 0, died = 0;
  for (const Json& event : settled) {
    // The next agentd knows of the third only that it was reserved.
    EXPECT_EQ(event["data"].value("outcome", ""), event.value("agent", "") == "stayer" ? "lost" : "cut") << event;
    if (event.value("agent", "") == "quitter") ++quitted;
    if (event.value("agent", "") == "dier") ++died;
    EXPECT_GT(event["data"].value("cost_micro_usd", 0), 0) << "what came until then is charged: " << event;
  }
  EXPECT_EQ(quitted, 3U);
  EXPECT_GE(died, 2U);
  EXPECT_EQ(died % 2, 0U) << "two calls in each attempt";
  endWithNothingLeft();
}

}  // namespace
}  // namespace agentos::test
