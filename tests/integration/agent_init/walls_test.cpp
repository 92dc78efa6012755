// SPDX-License-Identifier: Apache-2.0
// Each wall beside its absence: what is refused with it must work, or fail otherwise, without it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "base/files.h"
#include "harness.h"
#include "sandbox/landlock.h"
#include "sandbox/seccomp.h"

namespace agentos::sandbox::testing {
namespace {

using ::testing::HasSubstr;

std::map<std::string, std::string> parseProbes(const std::string& text) {
  std::map<std::string, std::string> results;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    auto space = line.find(' ');
    results[line.substr(0, space)] = line.substr(space + 1);
  }
  return results;
}

void install(int program) {
  struct stat status{};
  fstat(program, &status);
  std::vector<sock_filter> code(static_cast<std::size_t>(status.st_size) / sizeof(sock_filter));
  if (pread(program, code.data(), static_cast<std::size_t>(status.st_size), 0) != status.st_size) _exit(101);
  sock_fprog description{static_cast<unsigned short>(code.size()), code.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &description) != 0)
    _exit(102);
}

// syscall_probe --all as this process is, root and outside of every room, so that only the filter can refuse.
std::map<std::string, std::string> probe(const Fd* filter) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  Fd readEnd(ends[0]), writeEnd(ends[1]);
  pid_t child = fork();
  if (child == 0) {
    dup2(writeEnd.get(), 1);
    if (filter != nullptr) install(filter->get());
    execl(program("syscall_probe").c_str(), "syscall_probe", "--all", nullptr);
    _exit(100);
  }
  writeEnd.reset();
  auto text = readAll(readEnd.get(), 1 << 20);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return parseProbes(text.value_or(""));
}

const std::string kEperm = std::to_string(EPERM), kEnosys = std::to_string(ENOSYS);

TEST(Seccomp, RefusesWhatIsAllowedWithoutIt) {
  Fd filter = std::move(compileSeccomp(false)).value();
  auto open = probe(nullptr), walled = probe(&filter);
  ASSERT_GT(open.size(), 60U);
  std::vector<std::string> forbidden;
  for (std::string_view name : forbiddenCalls()) forbidden.emplace_back(name);
  for (std::string_view name : namespaceCalls()) forbidden.emplace_back(name);
  for (const char* name : {"clone_newuser", "clone_newns", "clone_newpid", "clone_newnet"})
    forbidden.emplace_back(name);
  int proved = 0;
  for (const std::string& name : forbidden) {
    if (!walled.contains(name)) continue;
    EXPECT_EQ(walled[name], kEperm) << name;
    EXPECT_NE(open[name], kEperm) << name << " is refused without the filter too: nothing is proved";
    ++proved;
  }
  EXPECT_GE(proved, 40);
  for (const char* name : {"io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "msgget", "mbind",
                           "socket_netfilter", "socket_uevent", "socket_mptcp", "socket_packet", "socket_alg",
                           "socket_vsock", "mknod_device", "personality_norandom"}) {
    EXPECT_EQ(walled[name], kEnosys) << name;
    EXPECT_NE(open[name], kEnosys) << name << " is not there without the filter either: nothing is proved";
  }
  for (const char* name : {"getpid", "clone", "socket_unix", "socket_inet", "socket_inet6", "socket_udp",
                           "socket_route", "personality_ask"}) {
    EXPECT_EQ(walled[name], "0") << name;
  }
  EXPECT_EQ(walled["mknod_fifo"], open["mknod_fifo"]);
  EXPECT_EQ(walled["unknown"], kEnosys);
}

TEST(Seccomp, EndsAProcessThatCallsByAnotherArchitecture) {
#if defined(__x86_64__)
  Fd filter = std::move(compileSeccomp(false)).value();
  auto open = probe(nullptr), walled = probe(&filter);
  EXPECT_EQ(walled["i386"], "signal 31");
  EXPECT_EQ(walled["x32"], "signal 31");
  EXPECT_NE(open["i386"], "signal 31");
  EXPECT_NE(open["x32"], "signal 31");
#else
  GTEST_SKIP() << "only x86-64 has other architectures to call by";
#endif
}

TEST(Seccomp, TheGrantOpensNamespacesAndNothingElse) {
  Fd plain = std::move(compileSeccomp(false)).value(), granted = std::move(compileSeccomp(true)).value();
  auto walled = probe(&plain), loose = probe(&granted), open = probe(nullptr);
  for (const auto& [name, result] : walled) {
    bool namespaces = std::ranges::count(namespaceCalls(), name) > 0 || name.starts_with("clone_new");
    EXPECT_EQ(loose[name], namespaces ? open[name] : result) << name;
  }
  EXPECT_EQ(loose["unshare"], "0");
  EXPECT_EQ(loose["clone_newns"], "0");
}

TEST(Seccomp, IsOnThePayloadAndNotWithoutIt) {
  InitPlan plan = planFor({program("syscall_probe"), "kcmp", "io_uring_setup", "socket_mptcp", "keyctl", "unshare"});
  plan.nestedUserns = false;
  InitRoom walledRoom({.plan = plan});
  ASSERT_EQ(walledRoom.wait(), 0);
  plan.seccomp = false;
  InitRoom openRoom({.plan = plan});
  ASSERT_EQ(openRoom.wait(), 0);
  auto walled = parseProbes(walledRoom.output()), open = parseProbes(openRoom.output());
  EXPECT_EQ(walled["kcmp"], kEperm);
  EXPECT_EQ(walled["keyctl"], kEperm);
  EXPECT_EQ(walled["io_uring_setup"], kEnosys);
  EXPECT_EQ(walled["socket_mptcp"], kEnosys);
  EXPECT_EQ(walled["unshare"], kEperm);
  for (const auto& [name, result] : open) EXPECT_NE(result, walled[name]) << name;
  // Behind the filter stands the limit on user namespaces that agent-init sets.
  EXPECT_EQ(open["unshare"], std::to_string(ENOSPC));
}

TEST(Seccomp, ARoomWithTheGrantCanNestUserNamespaces) {
  InitPlan plan =
      shellPlan("unshare -Urm sh -c 'mount -t tmpfs x /mnt && id -u && grep -c \"^x /mnt tmpfs\" /proc/mounts'");
  plan.nestedUserns = true;
  InitRoom room({.plan = plan});
  ASSERT_EQ(room.wait(), 0);
  EXPECT_EQ(room.output(), "0\n1\n") << room.output(LogStream::kStderr);
}

struct Tool {
  const char* name;
  const char* script;
  const char* expected;
};

class UnderTheFilter : public ::testing::TestWithParam<Tool> {};

TEST_P(UnderTheFilter, Works) {
  if (!std::filesystem::exists(std::string("/usr/bin/") + GetParam().name)) {
    GTEST_SKIP() << "/usr/bin/" << GetParam().name << " is not installed";
  }
  InitRoom room(
      {.plan = shellPlan(std::string("set -e; d=$(mktemp -d); trap 'rm -rf $d' EXIT; cd $d; export HOME=$d\n") +
                         GetParam().script)});
  ASSERT_EQ(room.wait(milliseconds(30'000)), 0);
  EXPECT_EQ(room.output(), GetParam().expected) << room.output(LogStream::kStderr);
  ASSERT_TRUE(room.record());
  EXPECT_EQ(room.record()->code, 0);
}

// clang-format off
const Tool kTools[] = {
    {"bash", R"sh(
x=$(echo a | tr a b); mkfifo f; (echo through > f &); read y < f; kill -0 $$; echo $x $y
)sh", "b through\n"},
    {"python3", R"sh(/usr/bin/python3 - <<'END'
import asyncio, multiprocessing, os, socket, sqlite3, subprocess, threading
async def main():
    p = await asyncio.create_subprocess_exec('echo', 'child', stdout=subprocess.PIPE)
    return (await p.communicate())[0].decode().strip()
def square(n): return n * n
a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'
t = threading.Thread(target=lambda: None); t.start(); t.join()
db = sqlite3.connect('t.db'); db.execute('create table t(a)'); db.commit(); db.close()
with multiprocessing.get_context('fork').Pool(2) as pool: assert pool.map(square, [1, 2, 3]) == [1, 4, 9]
print(asyncio.run(main()), len(os.getrandom(8)))
END
)sh", "child 8\n"},
    {"node", R"sh(node -e '
const fs = require("fs"), cp = require("child_process"), {Worker} = require("worker_threads");
fs.watch(".", () => {}).close();
const worker = new Worker("require(\"worker_threads\").parentPort.postMessage(1)", {eval: true});
worker.on("message", async (m) => {
  await fs.promises.writeFile("a", "b"); await fs.promises.copyFile("a", "c");
  console.log(m, cp.execFileSync("echo", ["child"]).toString().trim(), fs.readFileSync("c", "utf8"));
});'
)sh", "1 child b\n"},
    {"git", R"sh(
git init -q r; cd r; echo hi > a; git add a
git -c user.name=a -c user.email=a@b commit -qm first; git clone -q . ../s; git -C ../s log --format=%s; git gc -q
)sh", "first\n"},
    {"curl", R"sh(
echo content > f; curl -s file://$PWD/f; curl -s --max-time 2 http://127.0.0.1:1/ || echo refused $?
)sh", "content\nrefused 7\n"},
};
// clang-format on

INSTANTIATE_TEST_SUITE_P(Tools, UnderTheFilter, ::testing::ValuesIn(kTools),
                         [](const auto& tool) { return std::string(tool.param.name); });

// Some starters of programs leave signal 32 ignored, which glibc's own calls can neither set nor take back.
void setSignal32(unsigned long handler) {
  const unsigned long action[4] = {handler, 0, 0, 0};
  ASSERT_EQ(syscall(SYS_rt_sigaction, 32, action, nullptr, 8), 0);
}

TEST(Payload, HasNoPrivilegeAndNoDescriptorOfOurs) {
  setSignal32(1);  // SIG_IGN
  InitPlan plan = shellPlan(R"(
    grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:|SigBlk|SigIgn)' /proc/self/status | tr -s '\t ' ' '
    cat /proc/self/cgroup; ls /proc/self/fd | tr '\n' ' '; echo; ps -o pid= -p $$; ulimit -n; ulimit -u; ulimit -c)");
  plan.rlimits = {{7 /* NOFILE */, 256, 512}, {6 /* NPROC */, 77, 77}, {4 /* CORE */, 0, 0}};
  InitRoom room({.plan = plan});
  setSignal32(0);
  ASSERT_EQ(room.wait(), 0);
  std::string text = room.output();
  EXPECT_THAT(text, HasSubstr("Uid: 1000 1000 1000 1000\nGid: 1000 1000 1000 1000\nGroups: \n"));
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_THAT(text, HasSubstr(std::string(set) + ": 0000000000000000\n"));
  }
  EXPECT_THAT(text, HasSubstr("NoNewPrivs: 1\n"));
  EXPECT_THAT(text, HasSubstr("Seccomp: 2\n"));
  EXPECT_THAT(text, HasSubstr("SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n"));
  EXPECT_THAT(text, HasSubstr("0::/\n"));        // its own group is the root that it sees
  EXPECT_THAT(text, HasSubstr("\n0 1 2 3 \n"));  // 3 is the directory that ls reads
  EXPECT_THAT(text, HasSubstr("\n256\n77\n0\n"));
}

TEST(Payload, CannotTouchItsPid1) {
  InitRoom room({.plan = shellPlan(R"(
    kill -9 1 2>/dev/null; echo kill $?
    cat /proc/1/environ 2>/dev/null; echo environ $?
    ls /proc/1/fd 2>/dev/null; echo fd $?)")});
  ASSERT_EQ(room.wait(), 0);
  EXPECT_EQ(room.output(), "kill 1\nenviron 1\nfd 2\n");
}

TEST(Payload, ALimitAboveTheMachinesIsLoweredAndNoError) {
  InitPlan plan = shellPlan("ulimit -n");
  plan.rlimits = {{7, 1'000'000'000, 1'000'000'000}};
  InitRoom room({.plan = plan});
  ASSERT_EQ(room.wait(), 0);
  EXPECT_EQ(room.record()->code, 0);
  EXPECT_GT(std::atol(room.output().c_str()), 0);
}

// errno of connecting to the abstract socket and of signalling our parent, in a child that is scoped or not.
std::pair<int, int> reachOut(const sockaddr_un& address, socklen_t length, bool scoped) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int result[2] = {};
    if (scoped && !restrictToRoom({})) _exit(1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), length) != 0) result[0] = errno;
    if (kill(getppid(), 0) != 0) result[1] = errno;
    _exit(write(ends[1], result, sizeof result) == sizeof result ? 0 : 1);
  }
  int result[2] = {-1, -1}, status = -1;
  EXPECT_EQ(read(ends[0], result, sizeof result), static_cast<ssize_t>(sizeof result));
  close(ends[0]);
  close(ends[1]);
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return {result[0], result[1]};
}

// errno of each attempt in `dir`, in a child that is held to what the lists say; 0: it was let.
std::vector<int> tryFiles(const std::string& dir, const std::optional<RoomPaths>& paths) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (paths && !restrictToRoom(*paths)) _exit(1);
    auto tell = [&](bool done) {
      const int error = done ? 0 : errno;
      if (write(ends[1], &error, sizeof error) != sizeof error) _exit(2);
    };
    tell(open((dir + "/mine/new").c_str(), O_WRONLY | O_CREAT, 0600) >= 0);
    tell(rename((dir + "/mine/new").c_str(), (dir + "/mine/sub/moved").c_str()) == 0);
    tell(open((dir + "/shown/file").c_str(), O_RDONLY) >= 0);
    tell(open((dir + "/shown/file").c_str(), O_WRONLY) >= 0);
    tell(truncate((dir + "/shown/file").c_str(), 0) == 0);
    tell(unlink((dir + "/shown/file").c_str()) == 0);
    tell(open((dir + "/secret").c_str(), O_RDONLY) >= 0);
    tell(open("/dev/null", O_RDWR | O_TRUNC) >= 0);
    _exit(0);
  }
  close(ends[1]);
  std::vector<int> result;
  for (int error = 0; read(ends[0], &error, sizeof error) == sizeof error;) result.push_back(error);
  close(ends[0]);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return result;
}

TEST(Landlock, HoldsFilesToWhatIsShownAndWhatMayBeWritten) {
  const int abi = landlockAbi();
  if (abi < 2) GTEST_SKIP() << "Landlock ABI " << abi << " holds no files here (2 does)";
  std::string dir = "/var/tmp/agentd-landlock-XXXXXX";
  ASSERT_NE(mkdtemp(dir.data()), nullptr);
  auto fill = [&] {
    for (const char* name : {"/mine/sub", "/shown"}) std::filesystem::create_directories(dir + name);
    for (const char* name : {"/shown/file", "/secret"}) std::ofstream(dir + name) << "text";
  };
  fill();
  const RoomPaths paths{{dir + "/shown", dir + "/not-there"}, {dir + "/mine"}};
  const int truncated = abi >= 3 ? EACCES : 0;
  EXPECT_EQ(tryFiles(dir, paths), (std::vector<int>{0, 0, 0, EACCES, truncated, EACCES, EACCES, 0}));
  fill();
  EXPECT_EQ(tryFiles(dir, std::nullopt), std::vector<int>(8, 0)) << "the control";
  fill();
  EXPECT_EQ(tryFiles(dir, RoomPaths{}), std::vector<int>(8, 0)) << "without lists files are not handled";
  std::filesystem::remove_all(dir);
}

TEST(Landlock, ScopesSignalsAndAbstractSockets) {
  if (landlockAbi() < 6) GTEST_SKIP() << "Landlock ABI " << landlockAbi() << " has no scoping (6 has)";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string name = "agentd-landlock-test-" + std::to_string(getpid());
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  Fd server(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(server.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(server.get(), 4), 0);
  EXPECT_EQ(reachOut(address, length, false), std::pair(0, 0));
  EXPECT_EQ(reachOut(address, length, true), std::pair(EPERM, EPERM));
}

}  // namespace
}  // namespace agentos::sandbox::testing
