// SPDX-License-Identifier: Apache-2.0
// An agentd that was taken over: what it may send, and what must not come of it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "rig.h"
#include "sandbox/channel.h"
#include "sandbox/wire.h"

namespace agentos::sandbox::testing {
namespace {

using ::testing::HasSubstr;

class Hostile : public Rig {
 protected:
  Fd connectRaw() {
    Fd run(::open((dir_ + "/run").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    Fd socket;
    EXPECT_TRUE(eventually([&] {
      auto connected = connectTo(run.get(), "spawner.sock");
      if (connected) socket = *std::move(connected);
      return connected.has_value();
    }));
    return socket;
  }
  // The spawner hangs up.
  static bool isCut(const Fd& socket) {
    return eventually([&] {
      pollfd set{socket.get(), POLLIN, 0};
      if (::poll(&set, 1, 100) != 1) return false;
      auto packet = receivePacket(socket.get(), kMaxMessage, 8);
      return !packet && packet.error().code == ErrorCode::kUnreachable;
    });
  }
  std::size_t descriptorsOfSpawner() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(spawnerPid()) + "/fd"))
      ++count;
    return count;
  }
  // Once its idle work is done the number stands still; for a while, since on a slow machine that work pauses.
  std::size_t settledDescriptors() {
    std::size_t last = 0, same = 0;
    EXPECT_TRUE(eventually([&] {
      const std::size_t now = descriptorsOfSpawner();
      same = now == std::exchange(last, now) ? same + 1 : 0;
      ::usleep(20'000);
      return same >= 10;
    }));
    return last;
  }
  ErrorCode refusal(const RoomPlan& plan) {
    auto room = ask(client().spawn(plan));
    if (!room) {
      last_ = room.error().message();
      return room.error().code;
    }
    ADD_FAILURE() << "it was made";
    (void)ask(client().sweep(plan.id));
    return ErrorCode::kInternal;
  }
  RoomPlan mounting(const std::string& source, bool writable = false) {
    auto plan = this->plan({"ids"});
    plan.mounts.push_back({source, "/extra", writable, true, false});
    return plan;
  }
  std::string last_;
};

TEST_F(Hostile, MalformedMessagesCutTheConnectionAndNothingElse) {
  ASSERT_TRUE(ask(client().list()));
  auto before = settledDescriptors();
  Writer lists;
  lists.u16(kSpawnerProtocol), lists.u8(2), lists.u64(1), lists.boolean(false);
  lists.string("probe.aaaaaa"), lists.u32(0xffffffff);
  Writer version;
  version.u16(999), version.u8(1), version.u64(1), version.boolean(false);
  Writer kind;
  kind.u16(kSpawnerProtocol), kind.u8(77), kind.u64(1), kind.boolean(false);
  Writer noMemfd;
  noMemfd.u16(kSpawnerProtocol), noMemfd.u8(2), noMemfd.u64(1), noMemfd.boolean(true);
  Writer badId;
  badId.u16(kSpawnerProtocol), badId.u8(8), badId.u64(1), badId.boolean(false), badId.string("../../x.aaaaaa");
  for (const std::string& bytes : {std::string(1, 'x'), std::string(65000, '\xff'), lists.take(), version.take(),
                                   kind.take(), noMemfd.take(), badId.take()}) {
    Fd socket = connectRaw();
    ASSERT_TRUE(sendPacket(socket.get(), bytes));
    EXPECT_TRUE(isCut(socket)) << bytes.size();
  }
  EXPECT_TRUE(ask(client().list()));
  EXPECT_EQ(settledDescriptors(), before);
}

TEST_F(Hostile, DescriptorsThatWereNotAskedForAreNotKept) {
  ASSERT_TRUE(ask(client().list()));
  auto before = settledDescriptors();
  Request list;
  list.kind = RequestKind::kList;
  std::vector<int> many(40, 0);
  for (int i = 0; i < 20; ++i) {
    Fd socket = connectRaw();
    ASSERT_TRUE(sendPacket(socket.get(), packRequest(list)->bytes, many));
    EXPECT_TRUE(isCut(socket));
  }
  EXPECT_EQ(settledDescriptors(), before);
}

TEST_F(Hostile, ABodyInAMemfdMustBeSealedAndBounded) {
  Writer header;
  header.u16(kSpawnerProtocol), header.u8(2), header.u64(1), header.boolean(true);
  std::string bytes = header.take();
  auto send = [&](int fd) {
    Fd socket = connectRaw();
    std::array fds{fd};
    EXPECT_TRUE(sendPacket(socket.get(), bytes, fds));
    return isCut(socket);
  };
  Fd open(::memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_TRUE(send(open.get()));
  Fd huge(::memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(huge.get(), off_t{1} << 40), 0);
  ASSERT_EQ(::fcntl(huge.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
  EXPECT_TRUE(send(huge.get()));
  Fd fifo(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(send(fifo.get()));
  // The control: a large plan by a sealed memfd is an ordinary one.
  auto large = plan({"sleep", "0"});
  large.env.emplace_back("LONG", std::string(100'000, 'x'));
  EXPECT_EQ(runInRoom(large).code, 0);
}

TEST_F(Hostile, OnlyAgentdsUserIsServed) {
  ASSERT_TRUE(ask(client().list()));
  auto asUser = [&](unsigned uid) {
    pid_t pid = ::fork();
    if (pid == 0) {
      if (::setgroups(0, nullptr) != 0 || ::setgid(uid) != 0 || ::setuid(uid) != 0) ::_exit(3);
      Fd run(::open((dir_ + "/run").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      auto socket = connectTo(run.get(), "spawner.sock");
      if (!socket) ::_exit(2);
      Request list;
      list.kind = RequestKind::kList;
      (void)sendPacket(socket->get(), packRequest(list)->bytes);
      pollfd set{socket->get(), POLLIN, 0};
      ::poll(&set, 1, 2000);
      auto packet = receivePacket(socket->get(), kMaxMessage, 1);
      ::_exit(packet && *packet ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
  };
  EXPECT_EQ(asUser(kPeer), 0);
  EXPECT_EQ(asUser(kPeer + 1), 2) << "the socket's mode keeps others out";
  ASSERT_EQ(::chmod((dir_ + "/run/spawner.sock").c_str(), 0666), 0);
  EXPECT_EQ(asUser(kPeer + 1), 1) << "and the peer's uid is asked for too";
  EXPECT_EQ(asUser(kPeer), 0);
}

TEST_F(Hostile, MountsComeFromWhereRootSaidOnly) {
  EXPECT_EQ(refusal(mounting("/etc")), ErrorCode::kSandboxPolicy);
  EXPECT_EQ(refusal(mounting("/")), ErrorCode::kSandboxPolicy);
  EXPECT_EQ(refusal(mounting(dir_ + "/state")), ErrorCode::kSandboxPolicy);
  EXPECT_EQ(refusal(mounting(dir_ + "/state/scratch/../../../../etc")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal(mounting(dir_ + "/state/scratchy")), ErrorCode::kSandboxPolicy);
  EXPECT_EQ(refusal(mounting(dir_ + "/ro", true)), ErrorCode::kSandboxPolicy);
  EXPECT_THAT(last_, HasSubstr("writable"));
  EXPECT_EQ(runInRoom(mounting(dir_ + "/ro")).code, 0);
}

// agentd owns the directory, so it can put a link there; none is followed, in no part of the path.
TEST_F(Hostile, NoLinkLeadsAMountAway) {
  std::string scratch = dir_ + "/state/scratch";
  ASSERT_EQ(::symlink("/etc", (scratch + "/away").c_str()), 0);
  ASSERT_EQ(::symlink("/proc/1/root", (scratch + "/magic").c_str()), 0);
  ASSERT_EQ(::mkdir((scratch + "/plain").c_str(), 0755), 0);
  ASSERT_EQ(::symlink("plain", (scratch + "/within").c_str()), 0);
  EXPECT_EQ(refusal(mounting(scratch + "/away")), ErrorCode::kPathEscapes);
  EXPECT_EQ(refusal(mounting(scratch + "/away/ssl")), ErrorCode::kPathEscapes);
  EXPECT_EQ(refusal(mounting(scratch + "/magic/etc")), ErrorCode::kPathEscapes);
  EXPECT_EQ(refusal(mounting(scratch + "/within")), ErrorCode::kPathEscapes);
  EXPECT_EQ(runInRoom(mounting(scratch + "/plain")).code, 0);
  ASSERT_EQ(::mkfifo((scratch + "/fifo").c_str(), 0666), 0);
  EXPECT_EQ(refusal(mounting(scratch + "/fifo")), ErrorCode::kSandboxPolicy);
}

// What an agent left in its scratch cannot turn the next run's mounts elsewhere.
TEST_F(Hostile, NoLinkInTheRoomLeadsAMountAway) {
  auto bad = plan({"ids"});
  ASSERT_EQ(::symlink("/tmp", (bad.mounts[0].source + "/spot").c_str()), 0);
  bad.mounts.push_back({dir_ + "/ro", "/home/agent/spot", false, true, false});
  EXPECT_EQ(refusal(bad), ErrorCode::kSandboxSetup);
  auto good = plan({"ids"});
  ASSERT_EQ(::mkdir((good.mounts[0].source + "/spot").c_str(), 0755), 0);
  good.mounts.push_back({dir_ + "/ro", "/home/agent/spot", false, true, false});
  EXPECT_EQ(runInRoom(good).code, 0);
}

TEST_F(Hostile, RecordsAndLogsAreNotWrittenThroughLinks) {
  auto bad = plan({"ids"});
  std::filesystem::create_directory(dir_ + "/victim");
  ASSERT_EQ(::symlink((dir_ + "/victim").c_str(), (dir_ + "/log/" + bad.id.str()).c_str()), 0);
  EXPECT_EQ(refusal(bad), ErrorCode::kPathEscapes);
  bad = plan({"ids"});
  ASSERT_EQ(::symlink((dir_ + "/victim").c_str(), (dir_ + "/state/instances/" + bad.id.str()).c_str()), 0);
  EXPECT_EQ(refusal(bad), ErrorCode::kPathEscapes);
  EXPECT_TRUE(std::filesystem::is_empty(dir_ + "/victim"));
  EXPECT_TRUE(eventually([&] { return noGroups(); }));
}

TEST_F(Hostile, ALiveInstancesNameIsTaken) {
  auto plan = this->plan({"sleep", "30000"});
  auto room = mustSpawn(plan);
  EXPECT_EQ(refusal(plan), ErrorCode::kExists);
  EXPECT_FALSE(ended(room, std::chrono::milliseconds(50))) << "the live one was harmed";
  EXPECT_TRUE(ask(client().adopt(plan.id, room.identity)));
  EXPECT_TRUE(ask(client().sweep(plan.id)));
}

TEST_F(Hostile, AFloodIsBoundedAndDoesNotLeak) {
  ASSERT_TRUE(ask(client().list()));
  auto before = settledDescriptors();
  std::vector<Fd> idle;
  for (int i = 0; i < 64; ++i) idle.push_back(connectRaw());
  EXPECT_TRUE(ask(client().list())) << "a client that was there is still served";
  idle.clear();
  // Replies that nobody reads: it is cut off, and memory stays bounded.
  Fd deaf = connectRaw();
  Request platform;
  platform.kind = RequestKind::kPlatform;
  std::string bytes = packRequest(platform)->bytes;
  for (int i = 0; i < 5000; ++i) {
    auto sent = sendPacket(deaf.get(), bytes);
    if (!sent) break;
    if (!*sent) ::usleep(200);
  }
  EXPECT_TRUE(ask(client().list()));
  deaf.reset();
  EXPECT_EQ(settledDescriptors(), before);
}

}  // namespace
}  // namespace agentos::sandbox::testing
