// SPDX-License-Identifier: Apache-2.0
// The three parts each on its own, as systemd starts them: passed sockets, a notify socket, a watchdog. The real
// systemd is tests/vm/cases/units.sh's.
#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "agentd/http/listen.h"
#include "base/files.h"
#include "base/ids.h"
#include "base/text.h"
#include "real_agentd.h"
#include "sandbox/channel.h"

namespace agentos::test {
namespace {

namespace fs = std::filesystem;
constexpr unsigned kNobody = 65534;

std::string cgroupMount() {
  std::ifstream in("/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.find(" - cgroup2 ") != std::string::npos) return std::string(split(line, ' ')[4]);
  }
  return {};
}

class Parts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    for (const char* directory : {"/etc/agents", "/etc/agentd"}) fs::create_directories(prefix_ + directory);
    fs::permissions(prefix_, fs::perms(0755));
    configure("");
    ASSERT_EQ(runProgram({"agentd", "--prefix", prefix_, "--user", "nobody", "--prepare"}).status, 0);
    ASSERT_EQ(runProgram({"agentd-keeper", "--once", "--root", group_, "--tell", run() + "/cgroup"}).status, 0);
    ASSERT_TRUE(listenForWords());
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << readWhole(prefix_ + "/log");
    for (const pid_t pid : {daemon_, spawner_}) {
      if (pid <= 0) continue;
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    runProgram({"agentd-keeper", "--remove", "--root", group_});
    std::error_code ignored;
    fs::remove_all(prefix_, ignored);
  }

  std::string run() const { return prefix_ + "/run/agentd"; }
  void configure(const std::string& more) {
    std::ofstream(prefix_ + "/etc/agentd/agentd.yaml")
        << "policy: { allow_unlimited_without_controllers: true }\nlog: { format: text }\n"
        << more;
  }

  bool listenForWords() {
    words_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = prefix_ + "/notify";
    std::memcpy(address.sun_path, path.data(), path.size());
    return ::bind(words_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
           ::chmod(path.c_str(), 0666) == 0;
  }
  // Everything that was told since, with how often each line came.
  const std::vector<std::string>& told() {
    std::array<char, 1024> text{};
    for (ssize_t got = 0; (got = ::recv(words_.get(), text.data(), text.size(), 0)) > 0;) {
      for (const auto line : split(std::string_view(text.data(), static_cast<std::size_t>(got)), '\n'))
        told_.emplace_back(line);
    }
    return told_;
  }
  std::ptrdiff_t times(const std::string& start) {
    return std::ranges::count_if(told(), [&](const auto& line) { return line.starts_with(start); });
  }

  // As systemd would: the socket as descriptor 3, its variables, the user.
  pid_t startUnit(const std::string& program, std::vector<std::string> words, int socket, bool asNobody) {
    const Fd file(::open((std::string(AGENTOS_BIN_DIR) + "/" + program).c_str(), O_RDONLY | O_CLOEXEC));
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    const Fd log(::open((prefix_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666));
    ::dup2(log.get(), 1);
    ::dup2(log.get(), 2);
    const int binary = ::fcntl(file.get(), F_DUPFD_CLOEXEC, 10), passed = ::fcntl(socket, F_DUPFD, 10);
    ::dup2(passed, 3);
    ::close(passed);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "1", 1);
    ::setenv("LISTEN_FDNAMES", asNobody ? "api" : "spawner", 1);
    if (asNobody) {
      ::setenv("NOTIFY_SOCKET", (prefix_ + "/notify").c_str(), 1);
      ::setenv("WATCHDOG_USEC", "400000", 1);
      ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
      if (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0 ||
          ::setresuid(kNobody, kNobody, kNobody) != 0)
        ::_exit(126);
    }
    words.insert(words.begin(), program);
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::fexecve(binary, argv.data(), environ);
    ::_exit(127);
  }
  void startSpawner() {
    const Fd directory = *openDirectory(run());
    const Fd socket = *sandbox::listenAt(directory.get(), "spawner.sock", kNobody, 0);
    spawner_ = startUnit("agentd-spawner",
                         {"--config", prefix_ + "/etc/agentd/agentd.yaml", "--prefix", prefix_, "--user", "nobody"},
                         socket.get(), false);
  }
  void startDaemon() {
    fs::remove(run() + "/agentd.sock");
    const Fd socket = *agentd::listenUnix(run() + "/agentd.sock", 0600);
    ASSERT_EQ(::chown((run() + "/agentd.sock").c_str(), kNobody, kNobody), 0);
    daemon_ = startUnit("agentd", {"--serve", "--prefix", prefix_, "--user", "nobody"}, socket.get(), true);
  }
  // The wait status, within this time.
  std::optional<int> ended(pid_t& pid, std::chrono::milliseconds patience) {
    int status = 0;
    if (!eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }, patience)) return std::nullopt;
    pid = -1;
    return status;
  }

  std::string prefix_ = "/var/tmp/agentos-it-" + randomToken(8);
  std::string group_ = cgroupMount() + "/agentos-serve-" + randomToken(6);
  Fd words_;
  std::vector<std::string> told_;
  pid_t daemon_ = -1, spawner_ = -1;
};

TEST_F(Parts, TheDaemonTellsItsManagerWhatItDoes) {
  startSpawner();
  startDaemon();
  ASSERT_TRUE(eventually([&] { return times("READY=1") == 1; }));
  EXPECT_EQ(times("STATUS=Ready: 0 contracts"), 1);
  EXPECT_EQ(runProgram({"agentctl", "--prefix", prefix_, "system", "info"}).status, 0) << "on the socket it was passed";
  struct stat socket{};
  ASSERT_EQ(::stat((run() + "/agentd.sock").c_str(), &socket), 0);
  EXPECT_EQ(socket.st_mode & 0777U, 0660U) << "as the configuration says";
  const auto beats = times("WATCHDOG=1");
  EXPECT_TRUE(eventually([&] { return times("WATCHDOG=1") >= beats + 3; }, 2s)) << "every 200 ms";

  ::kill(daemon_, SIGHUP);
  ASSERT_TRUE(eventually([&] { return times("READY=1") == 2; }));
  EXPECT_EQ(times("RELOADING=1"), 1);
  EXPECT_EQ(times("MONOTONIC_USEC="), 1);
  ::kill(daemon_, SIGTERM);
  const auto status = ended(daemon_, 5s);
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0);
  EXPECT_EQ(times("STOPPING=1"), 1);
  EXPECT_EQ(times("EXTEND_TIMEOUT_USEC="), 1);
}

// A hung loop is what a watchdog is for: no word comes from another thread.
TEST_F(Parts, AStoppedDaemonFeedsNoWatchdog) {
  startSpawner();
  startDaemon();
  ASSERT_TRUE(eventually([&] { return times("READY=1") == 1; }));
  ::kill(daemon_, SIGSTOP);
  ::usleep(50'000);
  const auto beats = times("WATCHDOG=1");
  ::usleep(600'000);
  EXPECT_EQ(times("WATCHDOG=1"), beats);
  ::kill(daemon_, SIGCONT);
  EXPECT_TRUE(eventually([&] { return times("WATCHDOG=1") > beats; }, 2s));
}

// Nobody reads what the daemon tells its manager here: that must not keep it from its work either.
TEST_F(Parts, TheHeadIsRootsByWayOfTheSpawner) {
  startSpawner();
  startDaemon();
  const std::string anchor = prefix_ + "/var/lib/agentd-root/audit.anchor";
  ASSERT_TRUE(eventually([&] { return !readWhole(anchor).empty(); }));
  struct stat status{};
  ASSERT_EQ(::stat(anchor.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U);
  // Another spawner goes on with it.
  ::kill(spawner_, SIGKILL);
  ASSERT_TRUE(ended(spawner_, 5s));
  startSpawner();
  const std::string before = readWhole(anchor);
  ASSERT_EQ(runProgram({"agentctl", "--prefix", prefix_, "system", "reload"}).status, 0);
  EXPECT_TRUE(eventually([&] { return readWhole(anchor).size() > before.size(); }));
}

TEST_F(Parts, ASignalDuringRecoveryTakesEffectAtOnce) {
  startDaemon();  // and no spawner: it waits for one
  ASSERT_TRUE(eventually([&] { return times("WATCHDOG=1") >= 1; })) << "it is up, and not ready";
  EXPECT_EQ(times("READY=1"), 0);
  ::kill(daemon_, SIGTERM);
  const auto status = ended(daemon_, 1s);
  ASSERT_TRUE(status) << "at once";
  EXPECT_TRUE(WIFSIGNALED(*status) && WTERMSIG(*status) == SIGTERM);
  EXPECT_NE(readWhole(prefix_ + "/log").find("before it was ready"), std::string::npos);
}

TEST_F(Parts, ItsMemoryIsNobodysToRead) {
  startSpawner();
  startDaemon();
  ASSERT_TRUE(eventually([&] { return times("READY=1") == 1; }));
  struct stat status{};
  ASSERT_EQ(::stat(("/proc/" + std::to_string(daemon_) + "/mem").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U) << "not dumpable: closed to its own uid";
}

TEST_F(Parts, ALauncherRefusesWhileTheDaemonHoldsTheState) {
  startSpawner();
  startDaemon();
  ASSERT_TRUE(eventually([&] { return times("READY=1") == 1; }));
  const Answer second = runProgram({"agentd", "--prefix", prefix_, "--user", "nobody"});
  EXPECT_EQ(second.status, 4) << second.err;
  EXPECT_NE(second.err.find(std::to_string(daemon_)), std::string::npos) << second.err;
  EXPECT_EQ(runProgram({"agentctl", "--prefix", prefix_, "system", "info"}).status, 0) << "and the first goes on";
}

}  // namespace
}  // namespace agentos::test
