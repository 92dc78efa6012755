// SPDX-License-Identifier: Apache-2.0
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "real_agentd.h"

namespace agentos::test {
namespace {

namespace fs = std::filesystem;

TEST(Launcher, ASecondOneRefusesWithTheFirstOnesPid) {
  RealAgentd agentd;
  agentd.start();
  const Answer second = runProgram({"agentd", "--prefix", agentd.prefix(), "--user", "nobody"});
  EXPECT_EQ(second.status, 4);
  EXPECT_NE(second.err.find(std::to_string(agentd.launcher())), std::string::npos) << second.err;
  EXPECT_EQ(agentd.ctl({"system", "info"}).status, 0) << "and the first one goes on";
}

TEST(Launcher, RefusalsNameWhatWouldHelp) {
  const Answer unknown = runProgram({"agentd", "--prefix", "/var/tmp/agentos-it-none", "--user", "no-such-user"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_NE(unknown.err.find("--user"), std::string::npos);
  EXPECT_NE(unknown.err.find("no-such-user"), std::string::npos);
  const Answer root = runProgram({"agentd", "--prefix", "/var/tmp/agentos-it-none", "--user", "root"});
  EXPECT_EQ(root.status, 2);
  const Answer plain = runProgram({"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                   std::string(AGENTOS_BIN_DIR) + "/agentd", "--prefix", "/var/tmp/agentos-it-none"});
  EXPECT_EQ(plain.status, 4);
  EXPECT_NE(plain.err.find("as root"), std::string::npos);
  EXPECT_FALSE(fs::exists("/var/tmp/agentos-it-none"));
}

TEST(Launcher, ACleanStopLeavesNothingBehind) {
  RealAgentd agentd;
  agentd.contract("web", "run: { mode: service, command: [\"/bin/sleep\", \"1000\"] }\n");
  agentd.start();
  ASSERT_TRUE(eventually([&] {
    return agentd.ctl({"inspect", "web", "-o", "json"}).status == 0 && agentd.status("web")["state"] == "running";
  }));
  const pid_t init = agentd.status("web")["pid"];
  const std::string group = agentd.cgroup("");
  const auto halves = childrenOf(agentd.launcher());
  EXPECT_EQ(agentd.stop(), 0);
  EXPECT_FALSE(isAlive(init));
  for (const pid_t half : halves) EXPECT_FALSE(isAlive(half));
  EXPECT_FALSE(fs::exists(group)) << group;
  EXPECT_FALSE(fs::exists(agentd.prefix() + "/run/agentd/agentd.sock"));
  EXPECT_FALSE(fs::exists(agentd.prefix() + "/run/agentd")) << "no empty folder either";
}

TEST(Launcher, TheDaemonHasNoPrivilegesAndTheSocketItsMode) {
  RealAgentd agentd;
  agentd.start();
  const std::string status = readWhole("/proc/" + std::to_string(agentd.daemon()) + "/status");
  EXPECT_NE(status.find("Uid:\t65534\t65534\t65534\t65534"), std::string::npos) << status;
  EXPECT_NE(status.find("CapEff:\t0000000000000000"), std::string::npos);
  EXPECT_NE(status.find("CapPrm:\t0000000000000000"), std::string::npos);
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos);
  struct stat socket{};
  ASSERT_EQ(::stat((agentd.prefix() + "/run/agentd/agentd.sock").c_str(), &socket), 0);
  EXPECT_EQ(socket.st_mode & 0777U, 0660U);
  EXPECT_EQ(socket.st_uid, 65534U);
}

TEST(Launcher, RunsFromAFolderThatItsUserMayNotEnter) {
  RealAgentd agentd;
  const std::string locked = agentd.prefix() + "/locked";
  fs::create_directory(locked);
  fs::copy(AGENTOS_BIN_DIR, locked + "/bin", fs::copy_options::recursive);
  fs::copy(fs::path(AGENTOS_BIN_DIR).parent_path() / "runtime", locked + "/runtime", fs::copy_options::recursive);
  fs::permissions(locked, fs::perms(0700));
  agentd.programs(locked + "/bin");
  agentd.contract("hello", "schedule: { on: [task] }\nrun: { mode: cycle, command: [\"/bin/true\"] }\n");
  agentd.start();
  EXPECT_EQ(readWhole("/proc/" + std::to_string(agentd.daemon()) + "/comm"), "agentd\n");
  const std::string task = agentd.addTask("do it", "hello");
  EXPECT_TRUE(eventually([&] { return agentd.statusOf(task) == "done"; })) << agentd.log();
}

TEST(Launcher, OnlyTheDaemonSaysThatItIsReady) {
  RealAgentd agentd;
  const std::string path = agentd.prefix() + "/notify";
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  agentd.start();
  ::unsetenv("NOTIFY_SOCKET");
  ASSERT_TRUE(eventually([&] { return agentd.isReady(); }));
  std::size_t words = 0;
  char text[4096];
  for (ssize_t got = 0; (got = ::recv(socket.get(), text, sizeof text, MSG_DONTWAIT)) > 0;) {
    if (std::string_view(text, static_cast<std::size_t>(got)).contains("READY=1")) ++words;
  }
  EXPECT_EQ(words, 1U);
}

TEST(Launcher, AStopKeepsAgentsWhereTheConfigurationSaysSo) {
  RealAgentd agentd;
  agentd.config("stop: { agents: keep, grace: 500ms }\npolicy: { allow_unlimited_without_controllers: true }\n");
  agentd.contract("web", "run: { mode: service, command: [\"/bin/sleep\", \"1000\"] }\n");
  agentd.start();
  ASSERT_TRUE(eventually([&] {
    return agentd.ctl({"inspect", "web", "-o", "json"}).status == 0 && agentd.status("web")["state"] == "running";
  }));
  const Json before = agentd.status("web");
  EXPECT_EQ(agentd.stop(), 0);
  EXPECT_TRUE(isAlive(before["pid"]));
  agentd.start();
  EXPECT_EQ(agentd.status("web")["id"], before["id"]);
  EXPECT_EQ(agentd.ctl({"kill", before["id"]}).status, 0);
}

TEST(Launcher, TruncatingTheAuditLogShowsSinceRootKnowsItsHead) {
  RealAgentd agentd;
  agentd.start();
  agentd.addTask("leave a trace", "nobody-in-particular");
  const std::string anchor = agentd.prefix() + "/var/lib/agentd-root/audit.anchor";
  ASSERT_TRUE(eventually([&] { return agentd.ask({"audit", "verify"}).value("anchored_up_to", 0) >= 3; }));
  struct stat status{};
  ASSERT_EQ(::stat(anchor.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U);
  ASSERT_EQ(agentd.stop(), 0);
  // As agentd's own user could: the last two lines go.
  for (const auto& file : fs::directory_iterator(agentd.prefix() + "/var/lib/agentd/audit")) {
    std::string text = readWhole(file.path().string());
    for (int lines = 0; lines < 2; ++lines) text.resize(text.rfind('\n', text.size() - 2) + 1);
    std::ofstream(file.path()) << text;
  }
  agentd.start();
  const Answer verify = agentd.ctl({"audit", "verify"});
  EXPECT_NE(verify.status, 0);
  EXPECT_NE(verify.out.find("broken"), std::string::npos) << verify.out << verify.err;
}

TEST(Launcher, CheckSaysEveryProblemAndStartsNothing) {
  RealAgentd agentd;
  std::ofstream(agentd.prefix() + "/etc/agents/broken.yaml") << "nmae: x\n";
  const Answer check = runProgram({"agentd", "--prefix", agentd.prefix(), "--company", agentd.company(), "--check"});
  EXPECT_EQ(check.status, 2);
  EXPECT_NE(check.err.find("broken.yaml:1:1"), std::string::npos) << check.err;
  EXPECT_FALSE(fs::exists(agentd.prefix() + "/var"));
  fs::remove(agentd.prefix() + "/etc/agents/broken.yaml");
  EXPECT_EQ(runProgram({"agentd", "--prefix", agentd.prefix(), "--company", agentd.company(), "--check"}).status, 0);
}

TEST(Launcher, ABrokenConfigurationOrCompanyEndsItWithTheReason) {
  RealAgentd agentd;
  agentd.config("usr: nobody\n");
  const Answer config = runProgram({"agentd", "--prefix", agentd.prefix(), "--user", "nobody"});
  EXPECT_EQ(config.status, 2);
  EXPECT_NE(config.err.find("did you mean \"user\""), std::string::npos) << config.err;
  agentd.config("");
  const Answer company = runProgram(
      {"agentd", "--prefix", agentd.prefix(), "--company", agentd.prefix() + "/nowhere", "--user", "nobody"});
  EXPECT_NE(company.status, 0);
  EXPECT_NE(company.err.find("agentctl company init " + agentd.prefix() + "/nowhere"), std::string::npos)
      << company.err;
  agentd.config("models: [{ driver: scripted, script: nowhere.yaml }]\n");
  const Answer model = runProgram({"agentd", "--prefix", agentd.prefix(), "--user", "nobody"});
  EXPECT_NE(model.status, 0);
  EXPECT_NE(model.err.find("the scripted models of agentd.yaml"), std::string::npos) << model.err;
}

// A state directory without room: named, and what was promised before is still there.
TEST(Launcher, AFullDiskIsNamedAndLosesNothing) {
  RealAgentd agentd;
  const std::string state = agentd.prefix() + "/var/lib/agentd";
  fs::create_directories(state);
  ASSERT_EQ(::mount("none", state.c_str(), "tmpfs", 0, "size=8m,mode=0755"), 0);
  agentd.contract("maker", "schedule: { every: 24h }\nrun: { mode: cycle, command: [\"/bin/true\"] }\n");
  agentd.start();
  const std::string task = agentd.addTask("work", "maker");
  std::ofstream(state + "/filler") << std::string(16 << 20, 'x');
  const Answer full = agentd.ctl({"cycle", "run", "maker"});
  EXPECT_NE(full.status, 0);
  EXPECT_TRUE(full.err.find("No space left") != std::string::npos || full.err.find("full") != std::string::npos)
      << full.err;
  EXPECT_EQ(agentd.ctl({"ps"}).status, 0) << "it still answers";
  fs::remove(state + "/filler");
  ASSERT_TRUE(eventually(
      [&] {
        agentd.ctl({"cycle", "run", "maker"});
        return agentd.statusOf(task) == "done";
      },
      15s))
      << agentd.statusOf(task);
  agentd.stop();
  ::umount2(state.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace agentos::test
