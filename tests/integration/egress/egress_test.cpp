// SPDX-License-Identifier: Apache-2.0
// curl in a room. NO_PROXY has 127.0.0.1, so the servers of the test are at 127.0.0.2.
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "../../unit/egress/net.h"
#include "../agentd/real_agentd.h"

namespace agentos::test {
namespace {

using agentd::egress::test::echoRequest;
using agentd::egress::test::TcpServer;
using agentd::test::RawClient;

constexpr const char* kHere = "127.0.0.2";

// openssl s_server with a certificate of its own making; gone with the test.
class TlsServer {
 public:
  TlsServer(const std::string& directory, int port) {
    const std::string key = directory + "/tls.key", certificate = directory + "/tls.pem";
    EXPECT_EQ(runProgram({"/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test",
                          "-keyout", key, "-out", certificate})
                  .status,
              0);
    std::vector<std::string> words{
        "openssl", "s_server", "-quiet", "-www",     "-accept", std::string(kHere) + ":" + std::to_string(port),
        "-key",    key,        "-cert",  certificate};
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    EXPECT_EQ(::posix_spawn(&pid_, "/usr/bin/openssl", nullptr, nullptr, arguments.data(), environ), 0);
  }
  ~TlsServer() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
};

int freePort() {
  TcpServer server(echoRequest, kHere);
  return std::stoi(server.port());
}

class EgressRooms : public testing::Test {
 protected:
  RealAgentd agentd;
  // Runs the script in a room with that network, to its end; what it said.
  std::string run(const std::string& network, const std::string& script) {
    agentd.contract("maker",
                    "network: " + network +
                        "\nschedule: { on: [task] }\nrun: { mode: cycle, timeout: 1m, command: [\"/bin/sh\", \"-c\", " +
                        Json(script).dump() + "] }\n");
    agentd.config(
        "stop: { grace: 500ms }\npolicy: { allow_unlimited_without_controllers: true, egress_private: [127.0.0.0/8] "
        "}\n");
    agentd.start();
    const std::string task = agentd.addTask("go", "maker");
    EXPECT_TRUE(eventually([&] { return agentd.statusOf(task) == "done"; }, 30s)) << agentd.log();
    return agentd.output(agentd.status("maker").value("id", ""));
  }
  static std::string at(const std::string& port) { return std::string(kHere) + ":" + port; }
};

TEST_F(EgressRooms, CurlReachesWhatTheContractListsAndNothingElse) {
  TcpServer listed(echoRequest, kHere), secret(echoRequest, kHere);
  TcpServer turn(
      [&](RawClient& client) {
        client.receiveUntil("\r\n\r\n");
        client.send("HTTP/1.1 302 Found\r\nLocation: http://" + at(secret.port()) +
                    "/stolen\r\nContent-Length: 0\r\n\r\n");
      },
      kHere);
  const int port = freePort();
  const std::string tls = std::to_string(port);
  TlsServer secure(agentd.prefix(), port);
  const std::string said =
      run("{ egress: [\"" + at(listed.port()) + "\", \"" + at(turn.port()) + "\", \"" + at(tls) + "\"] }",
          "curl -sS -m 20 http://" + at(listed.port()) +
              "/hello | head -1\n"
              "echo other $(curl -s -m 20 -o /dev/null -w '%{http_code}' http://" +
              at(secret.port()) +
              "/)\n"
              "echo tunnel $(curl -sk -m 20 -o /dev/null -w '%{http_connect}' https://" +
              at(secret.port()) +
              "/)\n"
              "echo redirected $(curl -sL -m 20 -o /dev/null -w '%{http_code}' http://" +
              at(turn.port()) +
              "/)\n"
              "curl -sS -k -m 20 --retry 9 --retry-delay 1 --retry-all-errors https://" +
              at(tls) +
              "/ | grep -c Cipher\n"
              "curl -s --noproxy '*' -m 5 http://" +
              at(listed.port()) +
              "/ ; echo straight $?\n"
              "curl -s --noproxy '*' -m 5 http://192.0.2.1/ ; echo away $?\n"
              "curl -s http://" +
              at(secret.port()) + "/ | tr ',' '\\n' | grep remedy; true\n");
  EXPECT_NE(said.find("GET /hello HTTP/1.1"), std::string::npos) << said;
  EXPECT_NE(said.find("other 403"), std::string::npos) << said;
  EXPECT_NE(said.find("tunnel 403"), std::string::npos) << said;
  EXPECT_NE(said.find("redirected 403"), std::string::npos) << said;
  EXPECT_NE(said.find("straight 7"), std::string::npos) << said;
  EXPECT_NE(said.find("away 7"), std::string::npos) << said;
  EXPECT_NE(said.find("add \\\"" + at(secret.port()) + "\\\" to network.egress"), std::string::npos) << said;
  EXPECT_EQ(secret.connections(), 0);
  const Json seen = agentd.ask({"inspect", "maker"});
  Json tlsTally, refused;
  for (const Json& one : seen["egress"]["used"]) {
    if (one["destination"] == at(tls)) tlsTally = one;
    if (one["destination"] == at(secret.port())) refused = one;
  }
  EXPECT_GE(tlsTally.value("connections", 0), 1) << seen["egress"];
  EXPECT_GT(tlsTally.value("bytes_down", 0), 1000);
  EXPECT_GE(refused.value("refused", 0), 4);
  EXPECT_EQ(agentd.status("maker")["open_network"], nullptr);
}

TEST_F(EgressRooms, AnOpenNetworkIsShownAndIsThePublicOne) {
  TcpServer here(echoRequest, kHere);
  const std::string said = run(R"({ unrestricted: true, reason: "measures the internet" })",
                               "curl -s -m 20 http://" + at(here.port()) + "/; echo; true");
  EXPECT_NE(said.find("private_address"), std::string::npos) << said;
  EXPECT_EQ(here.connections(), 0);
  EXPECT_EQ(agentd.status("maker")["open_network"], "measures the internet");
  EXPECT_NE(agentd.ctl({"status", "maker"}).out.find("measures the internet"), std::string::npos);
}

}  // namespace
}  // namespace agentos::test
