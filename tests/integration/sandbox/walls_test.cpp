// SPDX-License-Identifier: Apache-2.0
// Every wall, tried from inside, and the same attempt without the wall: there it must come through, or the test would
// prove nothing.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

#include "base/files.h"
#include "base/text.h"
#include "rig.h"

namespace agentos::sandbox::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Walls : public Rig {
 protected:
  // `inside` fails in a room; `outside` (the same attempt, on a path that the host has) succeeds as root.
  void holds(const std::vector<std::string>& inside, const std::vector<std::string>& outside) {
    SCOPED_TRACE(join(inside, " "));
    auto told = runInRoom(inside);
    EXPECT_EQ(told.code, 1) << told.output;
    auto free = runOutside(outside);
    EXPECT_EQ(free.status, 0) << free.output;
  }
  void holds(const std::vector<std::string>& words) { holds(words, words); }
};

// Numbers in brackets, as the probe lists names.
std::set<int> numbersIn(const std::string& text) {
  std::set<int> numbers;
  for (auto line : split(text, '\n')) {
    auto open = line.find('[');
    if (open == std::string_view::npos) continue;
    std::string name(line.substr(open + 1, line.find(']') - open - 1));
    if (!name.empty() && name.find_first_not_of("0123456789") == std::string::npos) numbers.insert(std::stoi(name));
  }
  return numbers;
}

// Processes that hold every key which the kernel grants to the uids of the first rooms' roots.
class KeysTaken {
 public:
  explicit KeysTaken(unsigned rooms) {
    for (unsigned i = 0; i < rooms; ++i) take(kFirstId + i * 0x10000);
  }
  ~KeysTaken() { giveBack(); }
  KeysTaken(const KeysTaken&) = delete;
  KeysTaken& operator=(const KeysTaken&) = delete;
  bool all() const { return all_; }
  void giveBack() {
    for (const pid_t child : std::exchange(children_, {})) ::kill(child, SIGKILL), ::waitpid(child, nullptr, 0);
  }

 private:
  void take(unsigned uid) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) hold(uid, ends[1]);
    children_.push_back(child);
    ::close(ends[1]);
    char taken = 0;
    all_ = ::read(ends[0], &taken, 1) == 1 && taken == 'y' && all_;
    ::close(ends[0]);
  }
  [[noreturn]] static void hold(unsigned uid, int out) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::syscall(SYS_setresuid, uid, uid, uid);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    long key = 0;
    for (int i = 0; i < 100'000 && key >= 0; ++i) {
      const std::string name = "agentd-test-" + std::to_string(i);
      key = ::syscall(SYS_add_key, "user", name.c_str(), "x", 1, KEY_SPEC_PROCESS_KEYRING);
    }
    [[maybe_unused]] const auto told = ::write(out, key < 0 && errno == EDQUOT ? "y" : "n", 1);
    for (;;) ::pause();
  }
  std::vector<pid_t> children_;
  bool all_ = true;
};

// The spawner's session keyring may hold root's keys: without one of its own there is no room. Only a spawner that has
// one can hand it down, and only then does the kernel count the new one.
TEST_F(Walls, ARoomThatGetsNoKeyringIsNotMade) {
  if (::syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1) < 0)
    GTEST_SKIP() << "this kernel has no keyrings, or a filter forbids them: " << std::strerror(errno);
  ASSERT_GE(::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr), 0);
  killSpawner();
  startSpawner();
  EXPECT_TRUE(eventually([&] { return ask(client().list()).has_value(); }));
  KeysTaken keys(4);
  ASSERT_TRUE(keys.all()) << "the quota of a room's uid could not be used up";
  auto refused = ask(client().spawn(plan({"id"})));
  ASSERT_FALSE(refused) << "with the keyring of the spawner";
  EXPECT_THAT(refused.error().message(), HasSubstr("a keyring of its own"));
  EXPECT_TRUE(eventually([&] { return noGroups(); })) << "nothing of it stays";
  keys.giveBack();
  // The kernel takes dead keys away a little later.
  EXPECT_TRUE(eventually([&] {
    auto plan = this->plan({"id"});
    auto room = ask(client().spawn(plan));
    if (room) EXPECT_TRUE(ask(client().sweep(plan.id)));
    return room.has_value();
  }));
}

TEST_F(Walls, HostFilesAreNotThere) {
  std::ofstream(dir_ + "/secret") << "s";
  holds({"read", "/etc/shadow"});
  holds({"read", dir_ + "/secret"});
  holds({"list", "/root"});
  holds({"list", dir_ + "/state"});
}

TEST_F(Walls, TheKernelsOwnSecretsAreMasked) {
  for (const char* path : {"/proc/kallsyms", "/proc/key-users", "/proc/interrupts"}) {
    SCOPED_TRACE(path);
    auto said = std::string("print ") + path + ": through";
    auto free = runOutside({"print", path}).output;
    ASSERT_THAT(free, HasSubstr(said));
    EXPECT_GT(free.size(), said.size() + 10);
    auto told = runInRoom({"print", path}).output;
    EXPECT_EQ(std::ranges::count(told, '\n'), 1) << told;
    EXPECT_THAT(told, HasSubstr(said)) << "it is there, and empty";
  }
}

TEST_F(Walls, ReadOnlyMountsAndTheRootStayReadOnly) {
  ASSERT_EQ(::chmod((dir_ + "/ro").c_str(), 0777), 0);
  auto mounted = [&](const std::string& path) {
    auto plan = this->plan({"write", path});
    plan.mounts.push_back({dir_ + "/ro", "/company", false, true, false});
    return runInRoom(plan).code;
  };
  EXPECT_EQ(mounted("/company/x"), 1);
  EXPECT_EQ(runOutside({"write", dir_ + "/ro/x"}, kPeer).status, 0);
  for (const char* path : {"/x", "/usr/x", "/etc/passwd", "/dev/x", "/home/x"})
    EXPECT_EQ(runInRoom({"write", path}).code, 1) << path;
  // Scratch is the same program's to write: it is the mount that is read-only, not the probe that cannot.
  EXPECT_EQ(runInRoom({"write", "/home/agent/x"}).code, 0);
}

// nosuid does not help: in an idmapped mount the bits would lie on the host's disk, on a file of the owner there.
TEST_F(Walls, NoSetIdBitReachesTheHostsDisk) {
  auto plan = this->plan({"setid", "/home/agent"});
  std::string scratch = plan.mounts[0].source;
  auto told = runInRoom(plan);
  EXPECT_EQ(told.code, 1) << told.output;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch)) {
    struct stat info{};
    ASSERT_EQ(::lstat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 06000, 0U) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 12) << "four ways begin with a plain file, thrice; the others made none";
  std::filesystem::create_directory(dir_ + "/state/free");
  auto free = runOutside({"setid", dir_ + "/state/free"});
  EXPECT_EQ(free.status, 0);
  for (const char* way :
       {"chmod", "fchmod", "fchmodat", "open", "excl", "openat", "tmpfile", "openat2", "creat", "mknod", "mknodat"}) {
    for (unsigned bits : {04755U, 02755U, 06755U})
      EXPECT_THAT(free.output, HasSubstr("<" + std::string(way) + std::to_string(bits) + ">"));
  }
}

TEST_F(Walls, ADirectoryStillInheritsItsGroup) {
  auto plan = this->plan({"inherit", "/home/agent"});
  ASSERT_EQ(::chmod(plan.mounts[0].source.c_str(), 02770), 0);
  auto told = runInRoom(plan);
  EXPECT_EQ(told.code, 0) << told.output;
}

TEST_F(Walls, NothingIsMountedUnmountedOrRemounted) {
  holds({"mount"});
  holds({"remount", "/usr"}, {"remount", "/"});
  holds({"umount", "/proc"});
  holds({"chroot"});
  holds({"mknod", "/home/agent/null"}, {"mknod", dir_ + "/null"});
}

TEST_F(Walls, OnlyItsOwnProcessesAreSeen) {
  auto seen = numbersIn(runInRoom({"list", "/proc"}).output);
  EXPECT_EQ(seen.size(), 1U);  // itself: not even the room's PID 1
  EXPECT_GT(numbersIn(runOutside({"list", "/proc"}).output).size(), 1U);
  holds({"status", "1"});
  holds({"signal", std::to_string(spawnerPid())});
  holds({"signal", "1"});  // its own PID 1 is another user's
}

TEST_F(Walls, ThereIsNoNetworkButLoopback) {
  Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(server.get(), generic, size), 0);
  ASSERT_EQ(::listen(server.get(), 4), 0);
  ASSERT_EQ(::getsockname(server.get(), generic, &size), 0);
  holds({"connect", std::to_string(ntohs(address.sin_port))});
  auto inside = runInRoom({"interfaces"}).output;
  EXPECT_THAT(inside, HasSubstr("[lo]"));
  EXPECT_EQ(std::ranges::count(inside, '['), 1) << inside;
  EXPECT_EQ(runInRoom({"route"}).code, 1);
}

TEST_F(Walls, ItIsNobodyAndGetsNoMore) {
  holds({"setuid"});
  holds({"hostname"});
  auto plan = this->plan({"userns"});
  EXPECT_EQ(runInRoom(plan).code, 1);
  EXPECT_EQ(runOutside({"userns"}).status, 0);
  auto status = runInRoom({"status"}).output;
  for (const char* line : {"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
                           "CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"}) {
    EXPECT_THAT(status, HasSubstr(line));
  }
  EXPECT_THAT(runOutside({"status"}).output, Not(HasSubstr("CapEff:\t0000000000000000")));
}

TEST_F(Walls, EachRoomHasHostIdsOfItsOwn) {
  auto uidsOf = [&](const RoomPlan& plan) {
    EXPECT_TRUE(says(plan.id, "sleeping"));
    auto pids = ask(client().processes(plan.id));
    if (!pids || pids->size() != 1) return 0UL;
    auto status = readPath("/proc/" + std::to_string(pids->front()) + "/status").value_or("");
    auto at = status.find("Uid:\t");
    return at == std::string::npos ? 0UL : std::stoul(status.substr(at + 5));
  };
  auto one = plan({"sleep", "30000"}), two = plan({"sleep", "30000"});
  auto first = mustSpawn(one), second = mustSpawn(two);
  EXPECT_NE(first.identity.slot, second.identity.slot);
  EXPECT_EQ(uidsOf(one), kFirstId + first.identity.slot * 65536UL + 1000);
  EXPECT_EQ(uidsOf(two), kFirstId + second.identity.slot * 65536UL + 1000);
  EXPECT_TRUE(ask(client().sweep(one.id)));
  // Its range is free again, and only then.
  auto three = plan({"sleep", "30000"});
  EXPECT_EQ(mustSpawn(three).identity.slot, first.identity.slot);
  EXPECT_TRUE(ask(client().sweep(two.id)));
  EXPECT_TRUE(ask(client().sweep(three.id)));
}

TEST_F(Walls, NoDescriptorLeaksIn) {
  killSpawner();
  ASSERT_EQ(::dup2(0, 77), 77);  // inherited by what is started from here on
  startSpawner();
  auto inside = runInRoom({"fds"}).output;
  EXPECT_THAT(runOutside({"fds"}).output, HasSubstr("[fd 77]"));
  ::close(77);
  for (const char* name : {"[fd 0]", "[fd 1]", "[fd 2]"}) EXPECT_THAT(inside, HasSubstr(name));
  EXPECT_EQ(std::ranges::count(inside, '['), 3) << inside;
}

TEST_F(Walls, MemoryIsBounded) {
  auto report = ask(client().platform());
  ASSERT_TRUE(report);
  if (std::ranges::find(report->controllers, "memory") == report->controllers.end()) {
    GTEST_SKIP() << "cgroup v2 has no memory controller here; the room says so instead (Rooms.WhatIsNotEnforcedIsSaid)";
  }
  auto eating = [&](std::uint64_t limit) {
    auto plan = this->plan({"eat", std::to_string(96 << 20)});
    plan.limits.memory = Bytes{limit};
    return runInRoom(plan);
  };
  EXPECT_EQ(eating(48 << 20).signal, SIGKILL);
  EXPECT_EQ(eating(256 << 20).code, 0);
}

// Not even agent-init holds a directory from which ".." leads to the host.
TEST_F(Walls, NoDirectoryOfAgentInitLeadsOut) {
  auto plan = this->plan({"sleep", "30000"});
  auto room = mustSpawn(plan);
  std::string fds = "/proc/" + std::to_string(room.identity.pid) + "/fd/";
  auto leadsOut = [&](const std::string& path) {
    return ::access((path + "/../../../../../../../../.." + dir_ + "/spawner.log").c_str(), F_OK) == 0;
  };
  int directories = 0;
  for (int fd = 0; fd < 32; ++fd) {
    std::string path = fds + std::to_string(fd);
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) continue;
    ++directories;
    EXPECT_FALSE(leadsOut(path)) << path;
  }
  EXPECT_EQ(directories, 3);  // logs, records, pay/
  EXPECT_TRUE(leadsOut(group_ + "/" + plan.id.str() + "/pay"));
  EXPECT_TRUE(ask(client().sweep(plan.id)));
}

// The payload was born in pay/: its group's files are the room's root's to clone into, no more.
TEST_F(Walls, OnlyCgroupProcsBelongsToTheRoom) {
  auto plan = this->plan({"sleep", "30000"});
  auto room = mustSpawn(plan);
  ASSERT_TRUE(says(plan.id, "sleeping"));
  auto pids = ask(client().processes(plan.id));
  EXPECT_TRUE(pids && pids->size() == 1);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(group_ + "/" + plan.id.str())) {
    struct stat info{};
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    bool theirs = entry.path().filename() == "cgroup.procs" && entry.path().parent_path().filename() != "sup";
    EXPECT_EQ(info.st_uid, theirs ? kFirstId + room.identity.slot * 65536U : 0U) << entry.path();
  }
  EXPECT_TRUE(ask(client().sweep(plan.id)));
}

TEST_F(Walls, TheNumberOfProcessesIsBounded) {
  auto bounded = plan({"fork", "300"});
  bounded.limits.pids = 100;
  auto room = mustSpawn(bounded);
  ASSERT_TRUE(says(bounded.id, "made "));
  auto text = outputOf(bounded.id);
  int made = std::stoi(text.substr(text.find("made ") + 5));
  EXPECT_LT(made, 100);
  EXPECT_GT(made, 80);
  auto wide = plan({"fork", "300"});
  wide.limits.pids = 1000;
  auto other = mustSpawn(wide);
  EXPECT_TRUE(says(wide.id, "made 300"));
  EXPECT_TRUE(ask(client().sweep(bounded.id)));
  EXPECT_TRUE(ask(client().sweep(wide.id)));
}

TEST_F(Walls, TheGroupsFilesShowTheLimitsAndCannotBeWritten) {
  EXPECT_THAT(runInRoom({"print", "/sys/fs/cgroup/cgroup.procs"}).output,
              HasSubstr("print /sys/fs/cgroup/cgroup.procs: through"));
  EXPECT_EQ(runInRoom({"write", "/sys/fs/cgroup/cgroup.freeze"}).code, 1);
  EXPECT_EQ(runInRoom({"mkdir", "/sys/fs/cgroup/x"}).code, 1);
  EXPECT_EQ(runOutside({"mkdir", group_ + "/x"}).status, 0);
  EXPECT_EQ(::rmdir((group_ + "/x").c_str()), 0);
  EXPECT_THAT(runInRoom({"print", "/proc/self/cgroup"}).output, HasSubstr("0::/\n"));
}

}  // namespace
}  // namespace agentos::sandbox::testing
