// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/files.h"
#include "sandbox/channel.h"
#include "sandbox/seccomp.h"

namespace agentos::sandbox::testing {
namespace {

constexpr uid_t kRoomUid = 1'000'000'000;  // the room's 0; nobody else's range

void must(bool worked, const char* what) {
  if (!worked) throw std::system_error(errno, std::generic_category(), what);
}

void writeText(const std::string& path, const std::string& text) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  must(fd && write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()), path.c_str());
}

std::string slurp(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string findCgroup2() {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(" - cgroup2 ") == line.npos) continue;
    std::istringstream fields(line);
    std::string id, parent, device, root, point;
    fields >> id >> parent >> device >> root >> point;
    return point;
  }
  throw std::runtime_error("no cgroup2 mount in /proc/self/mountinfo");
}

const Fd& filter(bool nested) {
  static const Fd plain = std::move(compileSeccomp(false)).value();
  static const Fd loose = std::move(compileSeccomp(true)).value();
  return nested ? loose : plain;
}

}  // namespace

std::string program(const std::string& name) { return std::string(AGENTOS_BIN_DIR) + "/../tests/programs/" + name; }

TestDir::TestDir() {
  char name[] = "/tmp/agent-init-test-XXXXXX";
  must(mkdtemp(name) != nullptr, "mkdtemp");
  path_ = name;
  must(chmod(name, 0755) == 0, "chmod");
}

TestDir::~TestDir() {
  for (const std::string& mount : mounts_) umount2(mount.c_str(), MNT_DETACH);
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TestDir::make(const std::string& name, unsigned sizeKiB) {
  std::string path = path_ + "/" + name;
  must(mkdir(path.c_str(), 0750) == 0, "mkdir");
  if (sizeKiB != 0) {
    std::string options = "mode=0750,size=" + std::to_string(sizeKiB) + "k";
    must(mount("test", path.c_str(), "tmpfs", 0, options.c_str()) == 0, "mount");
    mounts_.push_back(path);
  }
  must(chown(path.c_str(), kRoomUid, kRoomUid) == 0, "chown");
  return path;
}

TestGroup::TestGroup() {
  static int count = 0;
  path_ = findCgroup2() + "/agent-init-test-" + std::to_string(getpid()) + "-" + std::to_string(count++);
  must(mkdir(path_.c_str(), 0755) == 0, "mkdir of the group");
  must(mkdir(pay().c_str(), 0755) == 0, "mkdir of pay/");
}

TestGroup::~TestGroup() {
  eventually([&] { return rmdir(pay().c_str()) == 0 || errno == ENOENT; }, milliseconds(2000));
  rmdir(path_.c_str());
}

std::string TestGroup::readPay(const std::string& file) const { return slurp(pay() + "/" + file); }

std::vector<pid_t> TestGroup::processes() const {
  std::istringstream text(readPay("cgroup.procs"));
  std::vector<pid_t> pids;
  for (pid_t pid = 0; text >> pid;) pids.push_back(pid);
  return pids;
}

InitRoom::InitRoom(RoomSetup setup) {
  logDir_ = dir_.make("log", setup.logKiB);
  recordDir_ = dir_.make("record", setup.recordKiB);
  if (setup.before) setup.before(*this);
  setup.plan.listeners = static_cast<std::uint32_t>(setup.listeners.size());
  std::string bytes = setup.planBytes.empty() ? encodeInitPlan(setup.plan) : setup.planBytes;
  Fd plan = std::move(makeSealed("plan", bytes)).value();
  Fd runDir = runDirectory(), logs = std::move(openDirectory(logDir_)).value(),
     records = std::move(openDirectory(recordDir_)).value();
  Fd control = std::move(listenAt(runDir.get(), kSocketName, 0, 0)).value();
  Fd payProcs(open((group_.pay() + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  Fd payDir = std::move(openDirectory(group_.pay())).value();
  int pair[2];
  must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
  sync_ = Fd(pair[0]);
  Fd theirs(pair[1]);
  std::vector<int> fds = {plan.get(),     control.get(), logs.get(),   records.get(),
                          payProcs.get(), theirs.get(),  payDir.get(), filter(setup.plan.nestedUserns).get()};
  fds.insert(fds.end(), setup.listeners.begin(), setup.listeners.end());

  int start[2];
  must(pipe2(start, O_CLOEXEC) == 0, "pipe2");
  Fd startRead(start[0]), startWrite(start[1]);
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags =
      CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  pid_ = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  must(pid_ >= 0, "clone3");
  if (pid_ == 0) becomeInit(fds, startRead.get(), setup.dieWithStarter);
  pidfd_ = Fd(pidfd);
  std::string map = "0 " + std::to_string(kRoomUid) + " 65536";
  writeText("/proc/" + std::to_string(pid_) + "/uid_map", map);
  writeText("/proc/" + std::to_string(pid_) + "/gid_map", map);
  must(write(startWrite.get(), "x", 1) == 1, "start");
  theirs.reset();
  if (setup.go && setup.planBytes.empty() && sync() == "R") sendGo();
}

// What the spawner's child does, as far as agent-init can tell.
void InitRoom::becomeInit(const std::vector<int>& fds, int start, bool dieWithStarter) const {
  char byte = 0;
  if (read(start, &byte, 1) != 1) _exit(120);
  if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) _exit(121);
  if (dieWithStarter && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) _exit(125);
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) _exit(122);
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) _exit(123);
  std::string path = std::string(AGENTOS_BIN_DIR) + "/agent-init";
  int program = fcntl(open(path.c_str(), O_RDONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, 200);
  int nothing = open("/dev/null", O_RDWR);
  for (int fd : {0, 1, 2}) dup2(nothing, fd);
  std::vector<int> high;
  for (int fd : fds) high.push_back(fcntl(fd, F_DUPFD, 100));
  int next = kInitPlanFd;
  for (int fd : high) dup2(fd, next++);
  close_range(static_cast<unsigned>(next), 199, 0);
  char name[] = "agent-init";
  char* argv[] = {name, nullptr};
  char* env[] = {nullptr};
  syscall(SYS_execveat, program, "", argv, env, AT_EMPTY_PATH);
  _exit(124);
}

InitRoom::~InitRoom() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

std::string InitRoom::sync() {
  pollfd entry{sync_.get(), POLLIN, 0};
  if (poll(&entry, 1, 5000) != 1) return "?";
  char buffer[8192];
  ssize_t got = recv(sync_.get(), buffer, sizeof buffer, 0);
  return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : std::string();
}

void InitRoom::sendGo() { must(send(sync_.get(), "G", 1, MSG_NOSIGNAL) == 1, "go"); }

Fd InitRoom::runDirectory() const { return std::move(openDirectory(dir_.path())).value(); }

Fd InitRoom::control() const {
  Result<Fd> connected = fail(ErrorCode::kUnavailable, "not tried");
  eventually(
      [&] { return (connected = connectTo(runDirectory().get(), kSocketName)).has_value(); });  // its backlog is short
  Fd fd = std::move(connected).value();
  timeval limit{2, 0};
  must(fcntl(fd.get(), F_SETFL, 0) == 0, "fcntl");
  must(setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0, "SO_RCVTIMEO");
  return fd;
}

int InitRoom::wait(milliseconds time) {
  pollfd entry{pidfd_.get(), POLLIN, 0};
  if (poll(&entry, 1, static_cast<int>(time.count())) != 1) return -1;
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) return -1;
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

std::optional<ExitRecord> InitRoom::record() const {
  auto text = readPath(recordDir_ + "/exit.json");
  if (!text) return std::nullopt;
  auto record = parseExitRecord(*text);
  EXPECT_TRUE(record) << record.error().message() << "\n" << *text;
  return record ? std::optional(*record) : std::nullopt;
}

std::vector<LogFrame> InitRoom::frames() const {
  LogReader reader(std::move(openDirectory(logDir_)).value());
  std::vector<LogFrame> all;
  for (;;) {
    auto some = reader.next();
    EXPECT_TRUE(some) << some.error().message();
    if (!some || some->empty()) return all;
    all.insert(all.end(), some->begin(), some->end());
  }
}

std::string InitRoom::output(LogStream stream) const {
  std::string text;
  for (const LogFrame& frame : frames()) {
    if (frame.stream == stream) text += frame.text + (frame.partial ? "" : "\n");
  }
  return text;
}

bool InitRoom::waitForOutput(const std::string& text) const {
  return eventually([&] { return output().find(text) != std::string::npos; });
}

InitPlan planFor(std::vector<std::string> argv) {
  InitPlan plan;
  plan.argv = std::move(argv);
  plan.env = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8"};
  return plan;
}

InitPlan shellPlan(const std::string& script) { return planFor({"/bin/bash", "-c", script}); }

bool eventually(const std::function<bool()>& condition, milliseconds time) {
  auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return condition();
}

std::optional<InitReply> ask(const Fd& control, const InitRequest& request) {
  std::string bytes = encodeInitRequest(request);
  if (send(control.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) return std::nullopt;
  char buffer[kMaxControlMessage];
  ssize_t got = recv(control.get(), buffer, sizeof buffer, 0);
  if (got <= 0) return std::nullopt;
  auto reply = decodeInitReply({buffer, static_cast<std::size_t>(got)});
  return reply ? std::optional(*reply) : std::nullopt;
}

}  // namespace agentos::sandbox::testing
