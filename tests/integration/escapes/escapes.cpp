// SPDX-License-Identifier: Apache-2.0
#include "escapes.h"

#include <linux/keyctl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>

namespace agentos::sandbox::testing {
namespace {

namespace fs = std::filesystem;

// On the host's loopback, any port; the port.
std::uint16_t bindAny(const Fd& socket) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(socket.get(), generic, size), 0);
  EXPECT_EQ(::getsockname(socket.get(), generic, &size), 0);
  return ntohs(address.sin_port);
}

Fd listenAbstract(const std::string& name) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(socket.get(), 8), 0);
  return socket;
}

void put(const std::string& path, const std::string& text, unsigned owner, mode_t mode) {
  std::ofstream(path, std::ios::trunc) << text;
  ASSERT_EQ(::chown(path.c_str(), owner, owner), 0) << path;
  ASSERT_EQ(::chmod(path.c_str(), mode), 0) << path;
}

}  // namespace

void EscapeRig::SetUp() {
  key_ = "agentd-escape-" + randomToken(6);
  ASSERT_GE(::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr), 0);
  ASSERT_GE(::syscall(SYS_add_key, "user", key_.c_str(), "secret", 6, KEY_SPEC_SESSION_KEYRING), 0);
  Rig::SetUp();
  if (HasFatalFailure()) return;
  moreMounts_ = {fs::path(kEscape).parent_path(), dir_ + "/suid"};
  for (const char* name : {"/suid", "/ro-evil"}) fs::create_directories(dir_ + name);
  listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  names_.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  abstract_ = listenAbstract(key_);
  memory_ = ::shmget(static_cast<key_t>(0x41000000 + ::getpid()), 4096, IPC_CREAT | 0666);
  ASSERT_GE(memory_, 0);
  known_ = {{"{dir}", dir_},
            {"{port}", std::to_string(bindAny(listener_))},
            {"{dns}", std::to_string(bindAny(names_))},
            {"{abstract}", key_},
            {"{key}", key_},
            {"{memory}", std::to_string(0x41000000 + ::getpid())}};
  ASSERT_EQ(::listen(listener_.get(), 64), 0);
  answerNames();
  plant();
  breach("");
  makeNeighbour();
}

void EscapeRig::TearDown() {
  if (names_) ::shutdown(names_.get(), SHUT_RDWR);
  if (answering_.joinable()) answering_.join();
  if (memory_ >= 0) ::shmctl(memory_, IPC_RMID, nullptr);
  if (neighbour_ != InstanceId()) (void)ask(client().sweep(neighbour_));
  Rig::TearDown();
}

void EscapeRig::plant() {
  const std::string text(64, 'r');
  put(dir_ + "/secret", "the host's", 0, 0644);
  put(dir_ + "/ro-evil/secret", "the twin's", kPeer, 0644);
  for (const char* name : {"reference", "doomed"}) put(dir_ + "/ro/" + name, text, kPeer, 0600);
  if (fs::exists(dir_ + "/suid/escape")) return;
  fs::copy_file(AGENTOS_PROBE, dir_ + "/ro/victim");
  ASSERT_EQ(::chown((dir_ + "/ro/victim").c_str(), kPeer, kPeer), 0);
  ASSERT_EQ(::chmod((dir_ + "/ro/victim").c_str(), 0755), 0);
  fs::copy_file(kEscape, dir_ + "/suid/escape");
  ASSERT_EQ(::chmod((dir_ + "/suid/escape").c_str(), 06755), 0);
}

void EscapeRig::answerNames() {
  answering_ = std::thread([this] {
    std::array<char, 512> packet{};
    for (pollfd wait{names_.get(), POLLIN, 0}; ::poll(&wait, 1, 200) >= 0 && (wait.revents & POLLHUP) == 0;) {
      if (wait.revents == 0) continue;
      sockaddr_in from{};
      socklen_t size = sizeof from;
      auto* generic = reinterpret_cast<sockaddr*>(&from);
      const ssize_t got = ::recvfrom(names_.get(), packet.data(), packet.size(), MSG_DONTWAIT, generic, &size);
      if (got > 0) ::sendto(names_.get(), packet.data(), static_cast<std::size_t>(got), 0, generic, size);
    }
  });
}

void EscapeRig::makeNeighbour() {
  auto room = plan({"sleep", "120000"});
  neighbour_ = room.id;
  mustSpawn(room);
  ASSERT_TRUE(says(room.id, "sleeping"));
  auto pids = ask(client().processes(room.id));
  ASSERT_TRUE(pids && pids->size() == 1);
  known_.emplace_back("{neighbour}", std::to_string(pids->front()));
}

void EscapeRig::breach(const std::string& walls) {
  killSpawner();
  const std::string programs = AGENTOS_BREACHED;
  spawnerProgram_ = walls.empty() ? "" : programs + "/agentd-spawner";
  init_ = walls.empty() ? "" : programs + "/agent-init";
  startSpawner({{"AGENTOS_BREACH", walls}});
}

std::string EscapeRig::filled(std::string word) const {
  for (const auto& [name, value] : known_) {
    if (auto at = word.find(name); at != std::string::npos) word.replace(at, name.size(), value);
  }
  return word;
}

RoomPlan EscapeRig::escapePlan(std::vector<std::string> words) {
  auto room = plan({});
  room.command = {"/programs/escape"};
  for (auto& word : words) room.command.push_back(filled(std::move(word)));
  room.listenPorts.clear();  // without its network the room's would be the host's
  room.mounts.push_back({fs::path(kEscape).parent_path(), "/programs", false, false, false});
  room.mounts.push_back({dir_ + "/suid", "/suid", false, false, false});
  room.mounts.push_back({dir_ + "/ro", "/workspace", false, true, false});
  return room;
}

EscapeRig::Try EscapeRig::inRoom(const std::vector<std::string>& words) {
  plant();
  auto told = runInRoom(escapePlan(words));
  return {told.code.value_or(-1), told.output};
}

EscapeRig::Try EscapeRig::outside(const std::vector<std::string>& words, unsigned uid) {
  plant();
  std::vector<std::string> command = {kEscape};
  for (const auto& word : words) command.push_back(filled(word));
  auto ran = runProgram(command, uid);
  return {WIFEXITED(ran.status) ? WEXITSTATUS(ran.status) : -1, ran.output};
}

}  // namespace agentos::sandbox::testing
