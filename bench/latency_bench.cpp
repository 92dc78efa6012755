// SPDX-License-Identifier: Apache-2.0
// The latency classes: how late a room with a reservation (HRT) is awake under full load, beside an ordinary room in
// the same moments; and how long the spawner takes to freeze and thaw a room, beside a bare write and poll of a group
// with as many processes, in turns. As root: latency_bench [periods] [rounds]
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/files.h"
#include "sandbox/cgroup.h"
#include "sandbox/keeper.h"
#include "sandbox/mountinfo.h"
#include "sandbox/spawner_client.h"
#include "support/figures.h"

extern char** environ;

namespace agentos::bench {
namespace {

using namespace agentos::sandbox;
namespace fs = std::filesystem;

constexpr unsigned kPeer = 64123;
constexpr int kFrozen = 8;  // processes of the group that is frozen

pid_t begin(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  if (posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ) != 0) stop("cannot start " + words[0]);
  return pid;
}

class Rooms {
 public:
  explicit Rooms(std::string dir) : dir_(std::move(dir)) {
    for (const char* name : {"", "/state", "/state/instances", "/state/scratch", "/log", "/run"}) own(dir_ + name);
    auto mounts = findCgroupMounts(parseMountInfo(*readPath("/proc/self/mountinfo")));
    group_ = mounts.point.value_or("") + "/" + fs::path(dir_).filename().string();
    must(prepareTree(group_, false));
    spawner_ =
        begin({std::string(AGENTOS_BIN_DIR) + "/agentd-spawner", "--socket", dir_ + "/run/spawner.sock", "--peer",
               std::to_string(kPeer), "--state", dir_ + "/state", "--logs", dir_ + "/log", "--run", dir_ + "/run",
               "--cgroup", group_, "--mount", dir_ + "/state/scratch:rw", "--mount", AGENTOS_PROGRAMS});
    SpawnerClientOptions options;
    options.socket = dir_ + "/run/spawner.sock";
    client_ = std::make_unique<SpawnerClient>(io_.get_executor(), options);
  }
  ~Rooms() {
    for (const auto& id : rooms_) (void)ask(client_->sweep(id));
    client_.reset();
    kill(spawner_, SIGTERM);
    waitpid(spawner_, nullptr, 0);
    (void)removeTree(group_, false);
    fs::remove_all(dir_);
  }
  Rooms(const Rooms&) = delete;
  Rooms& operator=(const Rooms&) = delete;

  template <class Value>
  Value ask(boost::asio::awaitable<Value> question) {
    std::optional<Value> answer;
    boost::asio::co_spawn(io_, std::move(question),
                          [&](std::exception_ptr, Value value) { answer = std::move(value); });
    io_.restart();
    while (!answer && io_.run_one() > 0) {
    }
    return std::move(*answer);
  }
  SpawnerClient& client() { return *client_; }
  const std::string& group() const { return group_; }

  static void own(const std::string& path) {
    fs::create_directories(path);
    if (chown(path.c_str(), kPeer, kPeer) != 0 || chmod(path.c_str(), 0755) != 0) stop("cannot make " + path);
  }

  struct Started {
    InstanceId id;
    Fd ended;
  };
  Started start(std::vector<std::string> command, std::optional<Reservation> reservation = std::nullopt) {
    RoomPlan plan;
    plan.id = *InstanceId::parse("bench." + randomToken(6));
    const std::string scratch = dir_ + "/state/scratch/" + plan.id.str();
    for (const auto& path : {scratch, dir_ + "/log/" + plan.id.str(), dir_ + "/state/instances/" + plan.id.str()})
      own(path);
    plan.command = std::move(command);
    plan.mounts = {{scratch, "/home/agent", true, true, false}, {AGENTOS_PROGRAMS, "/programs", false, false, false}};
    plan.hostName = "bench";
    plan.limits.pids = 64;
    plan.launchRecord = "{}";
    plan.realTime = reservation;
    auto made = must(ask(client_->spawn(plan)));
    rooms_.push_back(plan.id);
    return {plan.id, std::move(made.pidfd)};
  }
  // The number after a word of the last line that the room said.
  double said(const InstanceId& id, const std::string& word) {
    auto text = readPath(dir_ + "/log/" + id.str() + "/output.log");
    const auto at = text ? text->find(" " + word + " ") : std::string::npos;
    if (at == std::string::npos) stop(id.str() + " did not say its " + word);
    return std::atof(text->c_str() + at + word.size() + 2);
  }

 private:
  std::string dir_, group_;
  pid_t spawner_ = -1;
  boost::asio::io_context io_;
  std::unique_ptr<SpawnerClient> client_;
  std::vector<InstanceId> rooms_;
};

void waitFor(const Fd& pidfd) {
  pollfd set{pidfd.get(), POLLIN, 0};
  ::poll(&set, 1, 300'000);
}

void measureWakeUps(Rooms& rooms, int periods) {
  const auto report = must(rooms.ask(rooms.client().platform()));
  if (report.realTime.cpus == 0) {
    std::printf("no wake-ups are measured: no SCHED_DEADLINE here: %s\n", report.realTime.why.c_str());
    return;
  }
  const long cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
  std::vector<Rooms::Started> load;
  for (long i = 0; i < 2 * cpus; ++i) load.push_back(rooms.start({"/bin/sh", "-c", "while :; do :; done"}));
  const std::vector<std::string> probe = {"/programs/wake_jitter", "10000", std::to_string(periods), "1000"};
  auto hard = rooms.start(probe, Reservation{3'000'000, 10'000'000, 10'000'000});
  auto ordinary = rooms.start(probe);
  waitFor(hard.ended);
  waitFor(ordinary.ended);
  for (auto& one : load) must(rooms.ask(rooms.client().sweep(one.id)));
  const std::pair<const char*, const char*> words[] = {{"p50", "p50"}, {"p999", "p99.9"}, {"max", "max"}};
  for (const auto& [word, name] : words) {
    const double late = rooms.said(hard.id, word), beside = rooms.said(ordinary.id, word);
    const bool tail = std::strcmp(word, "p50") != 0;
    print({std::string("HRT awake late under full load, ") + name, late, "us", "an ordinary room beside it", beside,
           tail ? "< 1" : "", late < beside});
  }
  print({"periods that HRT missed, of " + std::to_string(periods), rooms.said(hard.id, "missed"), "",
         "an ordinary room beside it", rooms.said(ordinary.id, "missed")});
}

// A group of our own with as many spinning processes as the room has.
class BareGroup {
 public:
  explicit BareGroup(const std::string& parent) : path_(parent + "-bare") {
    if (mkdir(path_.c_str(), 0755) != 0) stop("cannot make " + path_);
    group_ = must(openGroup(path_));
    for (int i = 0; i < kFrozen; ++i) {
      children_.push_back(begin({"/bin/sh", "-c", "while :; do :; done"}));
      must(writeGroupFile(group_.get(), "cgroup.procs", std::to_string(children_.back())));
    }
    events_.reset(::openat(group_.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
  }
  ~BareGroup() {
    (void)writeGroupFile(group_.get(), "cgroup.kill", "1");
    for (pid_t child : children_) ::waitpid(child, nullptr, 0);
    ::rmdir(path_.c_str());
  }
  BareGroup(const BareGroup&) = delete;
  BareGroup& operator=(const BareGroup&) = delete;

  void set(bool frozen) {
    must(writeGroupFile(group_.get(), "cgroup.freeze", frozen ? "1" : "0"));
    while (must(eventsOf(group_.get())).frozen != frozen) {
      pollfd set{events_.get(), POLLPRI, 0};
      ::poll(&set, 1, 1);
    }
  }

 private:
  std::string path_;
  Fd group_, events_;
  std::vector<pid_t> children_;
};

double millisecondsOf(const std::function<void()>& work) {
  const long before = nowNs();
  work();
  return static_cast<double>(nowNs() - before) / 1e6;
}

void measureFreezing(Rooms& rooms, int rounds) {
  std::string spin;
  for (int i = 1; i < kFrozen; ++i) spin += "while :; do :; done & ";
  auto room = rooms.start({"/bin/sh", "-c", spin + "while :; do :; done"});
  BareGroup bare(rooms.group());
  ::usleep(200'000);
  Samples freeze, thaw, bareFreeze, bareThaw;
  for (int i = 0; i < rounds; ++i) {
    freeze.add(millisecondsOf([&] { must(rooms.ask(rooms.client().freeze(room.id))); }));
    bareFreeze.add(millisecondsOf([&] { bare.set(true); }));
    thaw.add(millisecondsOf([&] { must(rooms.ask(rooms.client().thaw(room.id))); }));
    bareThaw.add(millisecondsOf([&] { bare.set(false); }));
    ::usleep(20'000);
  }
  auto tell = [](const char* what, const Samples& ours, const Samples& floor) {
    print({what, ours.median(), "ms", "a bare write and poll", floor.median(), "<= 2",
           ours.median() <= 2 * floor.median()});
  };
  tell("freeze of a room with 8 busy processes, p50", freeze, bareFreeze);
  tell("thaw of it, p50", thaw, bareThaw);
}

int run(int argc, char** argv) {
  if (::geteuid() != 0) stop("needs root");
  const int periods = argc > 1 ? std::atoi(argv[1]) : 3000, rounds = argc > 2 ? std::atoi(argv[2]) : 100;
  const char* where = std::getenv("AGENTOS_BENCH_DIR");
  Rooms rooms(std::string(where == nullptr ? "/var/tmp" : where) + "/latency-" + randomToken(6));
  std::printf("load %s\n", load().c_str());
  measureWakeUps(rooms, periods);
  measureFreezing(rooms, rounds);
  return 0;
}

}  // namespace
}  // namespace agentos::bench

int main(int argc, char** argv) { return agentos::bench::run(argc, argv); }
