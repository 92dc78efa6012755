// SPDX-License-Identifier: Apache-2.0
// From the request to the first instruction of the program in a room, with all walls and a durable launch record;
// beside bubblewrap --unshare-all and a bare posix_spawn of the same program, in turns, in one run. And rooms per
// second from request to swept. As root: spawn_bench [rounds]
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "sandbox/keeper.h"
#include "sandbox/mountinfo.h"
#include "sandbox/spawner_client.h"

extern char** environ;

namespace {

using namespace agentos;
using namespace agentos::sandbox;
namespace fs = std::filesystem;

constexpr unsigned kPeer = 64123;

long nowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "spawn_bench: %s\n", why.c_str());
  std::exit(1);
}

pid_t start(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  if (posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ) != 0) stop("cannot start " + words[0]);
  return pid;
}

// What the program wrote.
long firstInstruction(const std::string& path) {
  auto bytes = readPath(path);
  if (!bytes || bytes->size() != sizeof(long)) stop("the program did not write " + path);
  long at = 0;
  std::memcpy(&at, bytes->data(), sizeof at);
  return at;
}

class Bench {
 public:
  explicit Bench(std::string dir) : dir_(std::move(dir)), run_("/dev/shm/" + fs::path(dir_).filename().string()) {
    for (const char* name : {"", "/state", "/state/instances", "/state/scratch", "/log"}) own(dir_ + name);
    own(run_);
    fs::create_directories(dir_ + "/other");  // root's, for those that run as root
    auto mounts = findCgroupMounts(parseMountInfo(*readPath("/proc/self/mountinfo")));
    group_ = mounts.point.value_or("") + "/" + fs::path(dir_).filename().string();
    if (auto made = prepareTree(group_, false); !made) stop(made.error().message());
    std::string bin = AGENTOS_BIN_DIR;
    spawner_ = start({bin + "/agentd-spawner", "--socket", run_ + "/spawner.sock", "--peer", std::to_string(kPeer),
                      "--state", dir_ + "/state", "--logs", dir_ + "/log", "--run", run_, "--cgroup", group_, "--mount",
                      dir_ + "/state/scratch:rw", "--mount", fs::path(AGENTOS_FIRST).parent_path()});
    SpawnerClientOptions options;
    options.socket = run_ + "/spawner.sock";
    client_ = std::make_unique<SpawnerClient>(io_.get_executor(), options);
  }
  ~Bench() {
    client_.reset();
    kill(spawner_, SIGTERM);
    waitpid(spawner_, nullptr, 0);
    if (auto removed = removeTree(group_, false); !removed)
      std::fprintf(stderr, "%s\n", removed.error().message().c_str());
    fs::remove_all(dir_);
    fs::remove_all(run_);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

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

  // As agentd makes them, before it asks.
  static void own(const std::string& path) {
    fs::create_directories(path);
    if (chown(path.c_str(), kPeer, kPeer) != 0 || chmod(path.c_str(), 0755) != 0) stop("cannot make " + path);
  }

  // Nanoseconds to the first instruction, teardown included in the call.
  long room() {
    RoomPlan plan;
    plan.id = *InstanceId::parse("bench." + randomToken(6));
    std::string scratch = dir_ + "/state/scratch/" + plan.id.str();
    for (const auto& path : {scratch, dir_ + "/log/" + plan.id.str(), dir_ + "/state/instances/" + plan.id.str()})
      own(path);
    plan.command = {"/programs/first_instruction", "/home/agent/at"};
    plan.mounts = {{scratch, "/home/agent", true, true, false},
                   {fs::path(AGENTOS_FIRST).parent_path(), "/programs", false, false, false}};
    plan.listenPorts = {4242, 4243};
    plan.hostName = "bench";
    plan.limits.pids = 64;
    plan.launchRecord = "{}";
    long before = nowNs();
    auto made = ask(client_->spawn(plan));
    if (!made) stop(made.error().message());
    pollfd set{made->pidfd.get(), POLLIN, 0};
    poll(&set, 1, 10'000);
    if (auto swept = ask(client_->sweep(plan.id)); !swept) stop(swept.error().message());
    return firstInstruction(scratch + "/at") - before;
  }

  long other(std::vector<std::string> words, const std::string& inside) {
    words.push_back(inside);
    unlink((dir_ + "/other/at").c_str());
    long before = nowNs();
    waitpid(start(words), nullptr, 0);
    return firstInstruction(dir_ + "/other/at") - before;
  }

  std::string dir_;
  std::string run_;  // on a tmpfs, as /run is
  std::string group_;

 private:
  boost::asio::io_context io_;
  std::unique_ptr<SpawnerClient> client_;
  pid_t spawner_ = 0;
};

struct Series {
  const char* name;
  std::function<long()> once;
  std::vector<long> first, whole;
};

double at(std::vector<long> values, double part) {
  std::sort(values.begin(), values.end());
  return static_cast<double>(values[static_cast<std::size_t>(static_cast<double>(values.size() - 1) * part)]) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  if (geteuid() != 0) stop("needs root");
  int rounds = argc > 1 ? std::atoi(argv[1]) : 300;
  std::string dir = "/var/tmp/agentd-bench-XXXXXX";
  if (mkdtemp(dir.data()) == nullptr) stop("no directory");
  Bench bench(dir);
  std::string program = AGENTOS_FIRST, file = dir + "/other/at";
  std::vector<std::string> wrap = {"/usr/bin/bwrap", "--unshare-all", "--ro-bind", "/usr",         "/usr",  "--symlink",
                                   "usr/lib64",      "/lib64",        "--proc",    "/proc",        "--dev", "/dev",
                                   "--tmpfs",        "/tmp",          "--bind",    dir + "/other", "/home", "--ro-bind",
                                   program,          "/first",        "--",        "/first"};
  std::vector<Series> all = {{"agentd-spawner", [&] { return bench.room(); }, {}, {}},
                             {"bubblewrap", [&] { return bench.other(wrap, "/home/at"); }, {}, {}},
                             {"posix_spawn", [&] { return bench.other({program}, file); }, {}, {}}};
  if (access(wrap[0].c_str(), X_OK) != 0) all.erase(all.begin() + 1);
  for (int round = -5; round < rounds; ++round) {
    for (auto& series : all) {
      long before = nowNs(), first = series.once();
      if (round < 0) continue;  // warming up
      series.first.push_back(first);
      series.whole.push_back(nowNs() - before);
    }
  }
  std::printf("%-16s %30s %30s\n", "", "first instruction p50/p95/p99 ms", "with teardown p50/p95 ms");
  for (const auto& series : all) {
    std::printf("%-16s %12.2f %8.2f %8.2f %16.2f %8.2f   ratio to it: %.2f\n", series.name, at(series.first, 0.5),
                at(series.first, 0.95), at(series.first, 0.99), at(series.whole, 0.5), at(series.whole, 0.95),
                at(all[0].first, 0.5) / at(series.first, 0.5));
  }
  return 0;
}
