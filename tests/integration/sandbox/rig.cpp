// SPDX-License-Identifier: Apache-2.0
#include "rig.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/files.h"
#include "sandbox/exit_record.h"
#include "sandbox/keeper.h"
#include "sandbox/mountinfo.h"

namespace agentos::sandbox::testing {
namespace {

namespace fs = std::filesystem;

const std::string kBin = AGENTOS_BIN_DIR;
const std::string kProbe = AGENTOS_PROBE;

pid_t start(const std::vector<std::string>& words, const std::vector<std::pair<std::string, std::string>>& env,
            int output, unsigned uid, bool apart) {
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = ::fork();
  if (pid != 0) return pid;
  for (const auto& [name, value] : env) ::setenv(name.c_str(), value.c_str(), 1);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves no spawner
  if (output >= 0) ::dup2(output, 1), ::dup2(output, 2);
  // What a control run is let do must not be done to this machine.
  if (apart &&
      (::unshare(CLONE_NEWNS | CLONE_NEWUTS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0))
    ::_exit(125);
  if (uid != 0 && (::setgroups(0, nullptr) != 0 || ::setgid(uid) != 0 || ::setuid(uid) != 0)) ::_exit(126);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

void give(const std::string& path) {
  fs::create_directories(path);
  ASSERT_EQ(::chown(path.c_str(), kPeer, kPeer), 0);
}

}  // namespace

bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds within) {
  auto end = std::chrono::steady_clock::now() + within;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

void Rig::SetUp() {
  ASSERT_EQ(::geteuid(), 0U) << "these tests need root";
  std::string pattern = "/var/tmp/agentd-test-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  dir_ = pattern;
  ASSERT_EQ(::chmod(dir_.c_str(), 0755), 0);
  for (const char* name : {"/state", "/state/instances", "/state/scratch", "/log", "/run", "/ro"}) give(dir_ + name);
  auto mounts = findCgroupMounts(parseMountInfo(*readPath("/proc/self/mountinfo")));
  ASSERT_TRUE(mounts.point);
  group_ = *mounts.point + "/" + fs::path(dir_).filename().string();
  auto prepared = prepareTree(group_, false);
  ASSERT_TRUE(prepared) << prepared.error().message();
  startSpawner();
  client_ = freshClient();
}

void Rig::TearDown() {
  client_.reset();
  io_.restart();
  io_.poll();
  killSpawner();
  if (!group_.empty()) {
    auto removed = removeTree(group_, false);
    EXPECT_TRUE(removed) << removed.error().message();
  }
  if (!dir_.empty()) fs::remove_all(dir_);
}

void Rig::startSpawner(const std::vector<std::pair<std::string, std::string>>& env) {
  Fd log(::open((dir_ + "/spawner.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  std::vector<std::string> words = {spawnerProgram_.empty() ? kBin + "/agentd-spawner" : spawnerProgram_,
                                    "--socket",
                                    dir_ + "/run/spawner.sock",
                                    "--peer",
                                    std::to_string(kPeer),
                                    "--state",
                                    dir_ + "/state",
                                    "--logs",
                                    dir_ + "/log",
                                    "--run",
                                    dir_ + "/run",
                                    "--cgroup",
                                    group_,
                                    "--init",
                                    init_.empty() ? kBin + "/agent-init" : init_,
                                    "--volumes",
                                    dir_ + "/volumes",
                                    "--mount",
                                    dir_ + "/state/scratch:rw",
                                    "--mount",
                                    dir_ + "/ro",
                                    "--mount",
                                    fs::path(kProbe).parent_path()};
  if (!etc_.empty()) words.insert(words.end(), {"--etc", etc_});
  for (const auto& mount : moreMounts_) words.insert(words.end(), {"--mount", mount});
  spawner_ = start(words, env, log.get(), 0, false);
  ASSERT_GT(spawner_, 0);
}

void Rig::killSpawner() {
  if (spawner_ <= 0) return;
  ::kill(spawner_, SIGKILL);
  ::waitpid(spawner_, nullptr, 0);
  spawner_ = -1;
}

std::unique_ptr<SpawnerClient> Rig::freshClient() {
  SpawnerClientOptions options;
  options.socket = dir_ + "/run/spawner.sock";
  return std::make_unique<SpawnerClient>(io_.get_executor(), options);
}

InstanceId Rig::newId() { return *InstanceId::parse("probe." + randomToken(6)); }

RoomPlan Rig::plan(std::vector<std::string> words) {
  RoomPlan plan;
  plan.id = newId();
  plan.command = {"/probe/wall_probe"};
  plan.command.insert(plan.command.end(), words.begin(), words.end());
  plan.env = {{"PATH", "/usr/bin:/bin"}, {"HOME", "/home/agent"}};
  plan.hostName = "room";
  std::string scratch = dir_ + "/state/scratch/" + plan.id.str();
  fs::create_directories(scratch);
  EXPECT_EQ(::chown(scratch.c_str(), kPeer, kPeer), 0);
  plan.mounts = {{scratch, "/home/agent", true, true, false},
                 {fs::path(kProbe).parent_path(), "/probe", false, false, false}};
  plan.listenPorts = {4242};
  plan.limits.pids = 256;
  plan.launchRecord = R"({"agent":"probe"})";
  return plan;
}

SpawnedRoom Rig::mustSpawn(const RoomPlan& plan) {
  auto room = ask(client().spawn(plan));
  if (room) return *std::move(room);
  ADD_FAILURE() << room.error().message();
  return {};
}

bool Rig::ended(const SpawnedRoom& room, std::chrono::milliseconds within) {
  pollfd set{room.pidfd.get(), POLLIN, 0};
  return room.pidfd && ::poll(&set, 1, static_cast<int>(within.count())) == 1;
}

std::string Rig::readUnder(const std::string& path) { return readPath(dir_ + path).value_or(""); }

bool Rig::noGroups() {
  for (const auto& entry : fs::directory_iterator(group_)) {
    if (entry.is_directory() && entry.path().filename() != "keep") return false;
  }
  return true;
}

std::string Rig::outputOf(const InstanceId& id) { return readUnder("/log/" + id.str() + "/output.log"); }

bool Rig::says(const InstanceId& id, std::string_view text, std::chrono::milliseconds within) {
  return eventually([&] { return outputOf(id).find(text) != std::string::npos; }, within);
}

Rig::Told Rig::runInRoom(const RoomPlan& plan) {
  Told told;
  auto room = mustSpawn(plan);
  if (!ended(room, std::chrono::seconds(20))) {
    ADD_FAILURE() << "the room did not end; it said: " << outputOf(plan.id);
    return told;
  }
  told.output = outputOf(plan.id);
  auto record = parseExitRecord(readUnder("/state/instances/" + plan.id.str() + "/exit.json"));
  EXPECT_TRUE(record) << record.error().message();
  if (record) told.code = record->code, told.signal = record->signal;
  auto swept = ask(client().sweep(plan.id));
  EXPECT_TRUE(swept) << swept.error().message();
  return told;
}

Ran Rig::runOutside(const std::vector<std::string>& words, unsigned uid) {
  std::vector<std::string> argv = {kProbe};
  argv.insert(argv.end(), words.begin(), words.end());
  return runProgram(argv, uid);
}

Ran Rig::runProgram(const std::vector<std::string>& argv, unsigned uid) {
  std::array<int, 2> ends{};
  Ran ran;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return ran;
  pid_t pid = start(argv, {}, ends[1], uid, true);
  ::close(ends[1]);
  Fd in(ends[0]);
  ran.output = readAll(in.get(), 1 << 20).value_or("");
  ::waitpid(pid, &ran.status, 0);
  return ran;
}

}  // namespace agentos::sandbox::testing
