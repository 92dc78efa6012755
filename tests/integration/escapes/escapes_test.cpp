// SPDX-License-Identifier: Apache-2.0
// Each way out is tried in a room as it is shipped, where it must be held. Then with its walls left out, where it must
// get through: so the first can fail. And with each of its walls alone, which must hold it: so none of them is there
// for show, and no other stands in for one that is gone.
#include <gmock/gmock.h>

#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/text.h"
#include "escapes.h"
#include "sandbox/landlock.h"

namespace agentos::sandbox::testing {
namespace {

struct Way {
  std::vector<std::string> words;
  std::string walls;      // each of these holds it, comma between
  std::string also = "";  // left out with them: they hold it on some kernels, or cannot stand without these
  bool mayLack = false;   // a kernel may be built without what it goes for
};

constexpr bool kMayLack = true;
const std::vector<Way> kWays = {
    // the kernel
    {{"bpf"}, "seccomp", "user,userns", kMayLack},
    {{"perf"}, "seccomp", "user,userns", kMayLack},
    {{"io_uring"}, "seccomp", "user,userns", kMayLack},
    {{"userfaultfd"}, "seccomp", "user,userns", kMayLack},
    {{"kexec"}, "seccomp,user,userns", "", kMayLack},
    {{"load_module"}, "seccomp,user,userns", "", kMayLack},
    {{"unload_module"}, "seccomp,user,userns", "", kMayLack},
    {{"quotactl"}, "seccomp", "", kMayLack},
    {{"reboot"}, "seccomp,user"},
    {{"kernel_log"}, "seccomp", "user,userns", kMayLack},
    {{"swapon"}, "seccomp,user,userns", "", kMayLack},
    {{"acct"}, "seccomp,user,userns", "", kMayLack},
    {{"fanotify"}, "seccomp", "user,userns", kMayLack},
    {{"adjust_clock"}, "seccomp,user,userns"},
    {{"set_zone"}, "seccomp,user,userns"},
    {{"open_for_writing", "/proc/sys/kernel/core_pattern"}, "user,userns"},
    {{"open_for_writing", "/proc/sysrq-trigger"}, "user,userns", "", kMayLack},
    {{"open_for_writing", "/proc/sys/vm/drop_caches"}, "user,userns"},
    {{"make_device", "/tmp"}, "seccomp,user,userns"},
    {{"open_device", "/tmp"}, "seccomp,user,userns,mountflags"},
    {{"add_key"}, "seccomp"},
    {{"find_key", "{key}"}, "seccomp,keyring"},
    {{"read_implies_exec"}, "seccomp"},
    {{"realtime"}, "user,userns"},
    {{"nice"}, "user,userns"},
    {{"lock_memory"}, "user,userns"},
    {{"i386"}, "seccomp", "", kMayLack},
    {{"core_dump"}, "rlimits"},
    {{"kernel_secret", "/proc/kallsyms"}, "masks"},
    {{"kernel_secret", "/proc/interrupts"}, "masks"},
    {{"kernel_secret", "/proc/timer_list"}, "masks,user", "userns", kMayLack},
    // control groups
    {{"group_file", "cgroup.procs"}, "user,readonly"},
    {{"group_file", "cgroup.freeze"}, "user,userns,readonly"},
    {{"make_group"}, "user,userns,readonly"},
    {{"mount_groups", "/tmp"}, "seccomp,user"},
    {{"group_place"}, "cgroupns"},
    // namespaces and mounts
    {{"unshare_user"}, "seccomp,nesting"},
    {{"clone_user"}, "seccomp,nesting"},
    {{"clone3_user"}, "seccomp,nesting"},
    {{"nest"}, "seccomp,nesting"},
    {{"nest_deep"}, "seccomp,nesting"},
    {{"bind"}, "seccomp,user"},
    {{"remount", "/"}, "seccomp,user"},
    {{"unmount", "/proc/kallsyms"}, "seccomp,user"},
    {{"mount", "/tmp", "tmpfs"}, "seccomp,user"},
    {{"mount", "/tmp", "proc"}, "seccomp,user"},
    {{"fsopen"}, "seccomp,user"},
    {{"open_tree"}, "seccomp,user"},
    {{"pivot_root"}, "seccomp,user"},
    {{"chroot"}, "seccomp,user"},
    {{"setns", "1", "mnt"}, "seccomp,user,landlock"},
    {{"sethostname"}, "seccomp,user"},
    // agent-init, PID 1 of the room
    {{"ptrace", "1"}, "seccomp,user,landlock"},
    {{"process_vm_readv", "1"}, "seccomp,user,landlock"},
    {{"pidfd_getfd", "1"}, "seccomp,user,landlock"},
    {{"proc_mem", "1"}, "user,landlock"},
    {{"proc_root", "1"}, "user,landlock"},
    {{"proc_exe", "1"}, "user,landlock"},
    {{"proc_fd", "1"}, "user,landlock"},
    {{"proc_environ", "1"}, "user,landlock"},
    {{"signal", "1"}, "user,landlock"},
    {{"prlimit", "1"}, "user"},
    {{"see_others"}, "hidepid"},
    // more than it was given
    {{"overwrite_program", "/workspace/victim"}, "readonly,files"},
    {{"run_from_memory"}, "seccomp"},
    {{"set_user_id", "/suid/escape"}, "no_new_privs,mountflags,userns", "seccomp,landlock"},
    {{"setuid"}, "user"},
    {{"descriptors"}, "descriptors"},
    // files
    {{"dotdot", "{dir}/secret"}, "pivot,files"},
    {{"descriptor_dotdot", "{dir}/secret"}, "descriptors,pivot,files"},
    {{"tell_apart", "{dir}/secret"}, "pivot"},
    {{"watch", "{dir}/secret"}, "pivot"},
    {{"write", "/workspace/reference"}, "readonly,files"},
    {{"write", "/workspace/new"}, "readonly,files"},
    {{"sendfile", "/workspace/reference"}, "readonly,files"},
    {{"splice", "/workspace/reference"}, "readonly,files"},
    {{"copy_file_range", "/workspace/reference", "/home/agent"}, "readonly,files"},
    {{"change_pages", "/workspace/reference"}, "readonly,files"},
    {{"unlink", "/workspace/doomed"}, "readonly,files"},
    {{"open_by_handle", "/home/agent"}, "seccomp,user", "userns"},
    // sockets and shared memory
    {{"raw_socket"}, "seccomp,user,userns"},
    {{"packet_socket"}, "seccomp,user,userns"},
    {{"netfilter_socket"}, "seccomp", "", kMayLack},
    {{"uevent_socket"}, "seccomp"},
    {{"vsock"}, "seccomp", "", kMayLack},
    {{"af_alg"}, "seccomp", "", kMayLack},
    {{"connect", "{port}"}, "network"},
    {{"dns_tunnel", "{dns}"}, "network"},
    {{"icmp_tunnel"}, "seccomp,user,userns"},
    {{"interfaces"}, "network", "", kMayLack},
    {{"configure"}, "user,userns"},
    {{"abstract_socket", "{abstract}"}, "network,landlock"},
    {{"shared_memory", "{memory}"}, "ipc"},
};

std::string withAlso(const std::string& walls, const Way& way) {
  if (walls.empty() || way.also.empty()) return walls.empty() ? way.also : walls;
  return walls + "," + way.also;
}

// The walls but that one.
std::string without(const std::string& walls, std::string_view one) {
  std::vector<std::string> rest;
  for (auto wall : split(walls, ',')) {
    if (wall != one) rest.emplace_back(wall);
  }
  return join(rest, ",");
}

// Landlock's rules for files are the last wall of many ways: standing only where it is the one that is tried.
std::string withFiles(const std::string& walls, std::string_view tried = "") {
  if (tried == "files" || walls.find("files") != std::string::npos) return walls;
  return walls.empty() ? "files" : walls + ",files";
}

class Escapes : public EscapeRig {
 protected:
  // Of the walls that can be missing on an older kernel.
  static bool isThere(std::string_view wall) {
    return (wall != "landlock" || landlockAbi() >= 6) && (wall != "files" || landlockAbi() >= 2);
  }
};

TEST_F(Escapes, NoProgramGetsOut) {
  for (const Way& way : kWays) {
    auto tried = inRoom(way.words);
    EXPECT_EQ(tried.code, 1) << join(way.words, " ") << " is not held: " << tried.output;
  }
}

TEST_F(Escapes, EachGetsOutWithoutItsWalls) {
  std::map<std::string, std::vector<const Way*>> ways;
  for (const Way& way : kWays) ways[withFiles(withAlso(way.walls, way))].push_back(&way);
  for (const auto& [walls, those] : ways) {
    breach(walls);
    for (const Way* way : those) {
      auto tried = inRoom(way->words);
      if (tried.code == 1 && way->mayLack && outside(way->words).code == 1) {
        std::cout << "no control: this kernel has nothing for " << join(way->words, " ") << "\n";
        continue;
      }
      EXPECT_EQ(tried.code, 0) << join(way->words, " ") << " without " << walls << ": " << tried.output;
    }
  }
}

TEST_F(Escapes, EachWallHoldsAlone) {
  std::map<std::string, std::vector<std::pair<std::string, const Way*>>> ways;
  for (const Way& way : kWays) {
    for (auto wall : split(way.walls, ',')) {
      const std::string down = withFiles(withAlso(without(way.walls, wall), way), wall);
      if (isThere(wall) && !down.empty()) ways[down].emplace_back(wall, &way);
    }
  }
  for (const auto& [down, those] : ways) {
    breach(down);
    for (const auto& [wall, way] : those) {
      auto tried = inRoom(way->words);
      EXPECT_EQ(tried.code, 1) << join(way->words, " ") << ": " << wall << " alone, without " << down
                               << ", does not hold: " << tried.output;
    }
  }
}

// Walls that cannot be left out of a room without there being none: the same program outside, as `uid`.
struct Control {
  std::vector<std::string> inside, outside;
  unsigned uid = 0;
};

TEST_F(Escapes, WhatIsNotInTheRoomIsOutOfReach) {
  std::ofstream("/dev/shm/" + key_) << "x";
  const std::vector<Control> controls = {
      {{"ptrace", "{neighbour}"}, {"ptrace", "{neighbour}"}},
      {{"process_vm_readv", "{neighbour}"}, {"process_vm_readv", "{neighbour}"}},
      {{"pidfd_getfd", "{neighbour}"}, {"pidfd_getfd", "{neighbour}"}},
      {{"proc_mem", "{neighbour}"}, {"proc_mem", "{neighbour}"}},
      {{"proc_root", "{neighbour}"}, {"proc_root", "{neighbour}"}},
      {{"proc_fd", "{neighbour}"}, {"proc_fd", "{neighbour}"}},
      {{"proc_environ", "{neighbour}"}, {"proc_environ", "{neighbour}"}},
      {{"setns", "{neighbour}", "net"}, {"setns", "{neighbour}", "net"}},
      {{"signal", "{neighbour}"}, {"signal", "{neighbour}"}},
      {{"prlimit", "{neighbour}"}, {"prlimit", "{neighbour}"}},
      {{"read", "{dir}/secret"}, {"read", "{dir}/secret"}, kPeer},
      {{"read", "/dev/shm/{key}"}, {"read", "/dev/shm/{key}"}, kPeer},
      {{"read", "/workspace-evil/secret"}, {"read", "{dir}/ro-evil/secret"}, kPeer},
      {{"read", "/workspace/../ro-evil/secret"}, {"read", "{dir}/ro/../ro-evil/secret"}, kPeer},
      {{"hard_link", "/workspace/reference", "/home/agent/mine"},
       {"hard_link", "{dir}/ro/reference", "{dir}/state/scratch/mine"},
       kPeer},
  };
  for (const auto& [inside, free, uid] : controls) {
    auto held = inRoom(inside);
    EXPECT_EQ(held.code, 1) << join(inside, " ") << " is not held: " << held.output;
    auto through = outside(free, uid);
    EXPECT_EQ(through.code, 0) << "the control: " << join(free, " ") << ": " << through.output;
  }
  ::unlink(("/dev/shm/" + key_).c_str());
}

TEST_F(Escapes, NobodyTypesIntoTheTerminalOfWhoStartedIt) {
  EXPECT_EQ(inRoom({"type"}).code, 1);
  if (readPath("/proc/sys/dev/tty/legacy_tiocsti").value_or("1\n") != "1\n")
    GTEST_SKIP() << "this kernel refuses TIOCSTI to everybody: there is no control";
  EXPECT_EQ(outside({"type_with_terminal"}).code, 0);
}

TEST_F(Escapes, NoBlockOfAReadOnlyMountIsReplaced) {
  const std::vector<std::string> words = {"dedupe", "/workspace/reference", "/home/agent"};
  EXPECT_EQ(inRoom(words).code, 1);
  breach("readonly");
  auto free = inRoom(words);
  if (free.output.contains("Operation not supported"))
    GTEST_SKIP() << "the file system of " << dir_ << " shares no blocks: there is no control";
  EXPECT_EQ(free.code, 0) << free.output;
}

TEST_F(Escapes, NoReleaseAgentIsInReach) {
  EXPECT_EQ(inRoom({"release_agent"}).code, 1);
  if (readPath("/proc/self/cgroup").value_or("").starts_with("0::"))
    GTEST_SKIP() << "this host has no hierarchy of version 1, and so no release_agent: there is no control";
  EXPECT_EQ(outside({"release_agent"}).code, 0);
}

// A limit that is there with every kernel: the bound of /tmp, in bytes and in files. With a memory controller, whose
// limit is the same, it may be an end by that instead of ENOSPC.
TEST_F(Escapes, AFullTmpIsTheRoomsOwnAffair) {
  auto filling = [&](const std::vector<std::string>& words, std::uint64_t mebibytes) {
    auto room = escapePlan(words);
    room.limits.memory = Bytes{mebibytes << 20};
    return runInRoom(room).code;
  };
  EXPECT_NE(filling({"fill", "/tmp", "12"}, 8), 0);
  EXPECT_EQ(filling({"fill", "/tmp", "12"}, 64), 0);
  EXPECT_NE(filling({"many_files", "/tmp", "4000"}, 8), 0);
  EXPECT_EQ(filling({"many_files", "/tmp", "4000"}, 64), 0);
  EXPECT_NE(filling({"fill", "/dev/shm", "4"}, 8), 0);
  EXPECT_EQ(filling({"fill", "/dev/shm", "4"}, 64), 0);
}

// docs/security.md lists by wall what is listed here by program.
TEST_F(Escapes, TheTableOfSecurityMdIsThisOne) {
  std::map<std::string, std::set<std::string>> here, there;
  for (const Way& way : kWays) {
    for (auto wall : split(way.walls, ',')) here[std::string(wall)].insert(way.words.front());
  }
  const std::string page = readPath(AGENTOS_SOURCE_DIR "/docs/security.md").value_or("");
  const auto begin = page.find("### Each wall"), end = page.find("## The spawner");
  ASSERT_TRUE(begin != std::string::npos && end > begin);
  for (auto line : split(page.substr(begin, end - begin), '\n')) {
    if (!line.starts_with("| `")) continue;
    auto cells = split(line, '|');
    auto wall = split(cells.at(1), '`').at(1);
    auto names = split(cells.at(3), '`');
    for (std::size_t i = 1; i < names.size(); i += 2) there[std::string(wall)].emplace(names[i]);
  }
  EXPECT_EQ(there, here);
}

// The seam is not in what is shipped.
TEST_F(Escapes, OnlyTheTestsOwnCopiesCanLeaveAWallOut) {
  const std::string bin = AGENTOS_BIN_DIR, breached = AGENTOS_BREACHED;
  for (const char* program : {"/agentd-spawner", "/agent-init"}) {
    auto theirs = readPath(bin + program, 512 << 20), ours = readPath(breached + program, 512 << 20);
    ASSERT_TRUE(theirs && ours);
    EXPECT_FALSE(theirs->contains("AGENTOS_BREACH")) << program;
    EXPECT_TRUE(ours->contains("AGENTOS_BREACH")) << program;
  }
  killSpawner();
  startSpawner({{"AGENTOS_BREACH", "seccomp"}});
  EXPECT_EQ(inRoom({"add_key"}).code, 1) << "the shipped spawner listens to the tests' variable";
}

}  // namespace
}  // namespace agentos::sandbox::testing
