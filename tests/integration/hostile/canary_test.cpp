// SPDX-License-Identifier: Apache-2.0
// A secret planted in agentd (a model's key, read from its file and sent with a call) is nowhere in a room: in no
// environment, file, memory or descriptor. The same program finds it where it is.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "hostile.h"

namespace agentos::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSecret = "sk-canary-8d1f6b3e-never-in-a-room";

std::string turned(const std::string& text) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(~static_cast<unsigned char>(c));
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

class Canary : public Hostile {
 protected:
  const std::string seeker_ = std::string(AGENTOS_BIN_DIR) + "/../tests/programs/canary_seeker";
  const std::string secret_ = turned(kSecret);

  // An endpoint that listens and never answers: a call that waits for it has the key in its hands.
  std::uint16_t endpoint() {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);  // NOLINT: the API's cast
    EXPECT_EQ(::bind(listener_.get(), generic, size), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    ::getsockname(listener_.get(), generic, &size);
    return ntohs(address.sin_port);
  }
  // What the endpoint was told.
  std::string heard() const {
    pollfd wait{listener_.get(), POLLIN, 0};
    if (::poll(&wait, 1, 10'000) != 1) return "";
    const Fd caller(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return readToEnd(caller, 500ms);
  }
  Fd listener_;
};

TEST_F(Canary, ASecretOfAgentdsIsNowhereInARoom) {
  const std::string port = std::to_string(endpoint()), key = agentd.prefix() + "/etc/agentd/key";
  writeText(key, std::string(kSecret) + "\n");
  ASSERT_EQ(::chown(key.c_str(), 65534, 65534), 0);
  ASSERT_EQ(::chmod(key.c_str(), 0400), 0);
  agentd.config(std::string(kUnlimited) + "models: [ { driver: openai, base_url: \"http://127.0.0.1:" + port +
                "/v1\", key_file: key, models: [\"house/x\"] } ]\n"
                "prices: { \"house/*\": { input: 1.00, output: 1.00 } }\n");
  fs::create_directories(agentd.company() + "/tools");
  fs::copy_file(seeker_, agentd.company() + "/tools/seeker");
  const std::string call =
      "b='{\"model\":\"house/x\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"go\"}]}'\n"
      "exec 3<>/dev/tcp/127.0.0.1/4242; printf 'POST /v1/chat/completions HTTP/1.1\\r\\nHost: "
      "x\\r\\nContent-Length: %s\\r\\n\\r\\n%s' ${#b} \"$b\" >&3\n"
      "echo called; until [ -e /home/agent/look ]; do sleep 0.05; done\n/tools/seeker " +
      secret_ + "; echo done; exec sleep 1000";
  agentd.contract("thief",
                  "run: { mode: service, command: [\"/bin/bash\", \"-c\", " + Json(call).dump() +
                      "] }\nmodelPolicy: { allow: [\"house/*\"] }\nworkspace: { mounts: [{ source: tools, target: "
                      "/tools, mode: ro }] }\n");
  agentd.start();
  const std::string id = runningWith("thief", "called");
  EXPECT_NE(heard().find(kSecret), std::string::npos) << "the key is not in use, there is nothing to find";
  // In agentd it is, while the call waits: the control, in memory.
  const Answer inDaemon = runProgram({seeker_, secret_, std::to_string(daemonPid())});
  EXPECT_EQ(inDaemon.status, 1) << inDaemon.out;
  writeText(agentd.prefix() + "/var/lib/agentd/scratch/thief/look", "");
  ASSERT_TRUE(eventually([&] { return agentd.countOutput(id, "done") > 0; }, 30s)) << agentd.output(id);
  const std::string said = agentd.output(id);
  EXPECT_EQ(said.find("found /"), std::string::npos) << said;
  EXPECT_NE(said.find("found=0"), std::string::npos) << said;
  // It did look: at its shell and itself, and at files.
  EXPECT_EQ(said.find("regions=0 "), std::string::npos) << said;
  EXPECT_EQ(said.find("files=0 "), std::string::npos) << said;
  EXPECT_EQ(said.find("descriptors=0 "), std::string::npos) << said;
  // Every process of the room as root sees it: agent-init, the shell.
  std::vector<pid_t> all = agentd.processes(id);
  all.push_back(agentd.status("thief")["pid"].get<pid_t>());
  for (const pid_t pid : all) {
    const Answer outside = runProgram({seeker_, secret_, std::to_string(pid)});
    EXPECT_EQ(outside.status, 0) << pid << ": " << outside.out;
    EXPECT_EQ(outside.out.find("regions=0 "), std::string::npos) << pid << ": " << outside.out;
  }
  // Nor in what agentd and the spawner wrote, but for the file that it was put into.
  for (const char* place : {"/var", "/run", "/acme"}) {
    const Answer files = runProgram({seeker_, secret_, agentd.prefix() + place});
    EXPECT_EQ(files.status, 0) << files.out;
  }
  const Answer inFile = runProgram({seeker_, secret_, agentd.prefix() + "/etc"});
  EXPECT_NE(inFile.out.find("found " + key), std::string::npos) << "the control, in files: " << inFile.out;
}

// And in a room: what is put there is found there, so that nothing found means nothing there.
TEST_F(Canary, WhatIsPutIntoARoomIsFoundThere) {
  fs::create_directories(agentd.company() + "/tools");
  fs::copy_file(seeker_, agentd.company() + "/tools/seeker");
  const std::string plant =
      "printf %s \"$PLANTED\" > /home/agent/file\n"
      "/tools/seeker " +
      secret_ + "; echo done";
  const std::string script = "export PLANTED=sk-canary; PLANTED=$PLANTED-8d1f6b3e-never-in-a-room\n" + plant;
  agentd.contract("planter",
                  bashOnTask(script, "workspace: { mounts: [{ source: tools, target: /tools, mode: ro }] }\n"));
  agentd.start();
  const std::string task = agentd.addTask("plant", "planter");
  ASSERT_TRUE(eventually([&] { return agentd.statusOf(task) == "done"; }, 20s));
  const std::string said = agentd.output(instanceOf("planter"));
  EXPECT_NE(said.find("found /home/agent/file"), std::string::npos) << said;
  EXPECT_NE(said.find("/environ"), std::string::npos) << said;
  EXPECT_NE(said.find(" rw"), std::string::npos) << "in memory: " << said;
}

}  // namespace
}  // namespace agentos::test
