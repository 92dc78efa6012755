// SPDX-License-Identifier: Apache-2.0
// The queue's promises, each beside a floor of the same run: what the kernel takes for the same files without us.
//   queue_bench [files] [directory]     10000 files by default, below /tmp
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/sqlite.h"
#include "company/layout.h"
#include "company/task_queue.h"
#include "support/figures.h"

namespace agentos::company {
namespace {

using Steady = std::chrono::steady_clock;

template <class Body>
double millisecondsOf(Body body) {
  const auto start = Steady::now();
  body();
  return std::chrono::duration<double, std::milli>(Steady::now() - start).count();
}

// What the process itself took: on a busy machine the fairer figure for work that waits for nothing.
double cpuMilliseconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

// The middle of several runs.
template <class Body>
double medianOf(int runs, Body body) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) times.push_back(millisecondsOf(body));
  std::ranges::sort(times);
  return times[times.size() / 2];
}

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "queue_bench: %s\n", result.error().message().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

void row(const char* what, double value, const char* unit, const char* aim, const char* floorName = "",
         double floor = 0) {
  const double most = *aim == '\0' ? 0 : std::atof(aim + 3);  // after "<= "
  bench::print({what, value, unit, floorName, floor > 0 ? floor : NAN, aim, *aim == '\0' || value <= most});
}

struct Bench {
  std::string root;
  std::unique_ptr<Company> company;
  std::unique_ptr<Database> db;
  std::unique_ptr<TaskQueue> queue;
  SystemClock clock;

  std::string path() const { return root + "/acme"; }
  void open() {
    company = must(Company::open(path()));
    db = must(Database::open(root + "/agentd.db"));
    queue = must(TaskQueue::open(*company, *db, clock, {}));
  }
  void close() { queue.reset(), db.reset(), company.reset(); }
};

void makeFiles(const Bench& bench, int count) {
  const std::string place = bench.path() + "/agents/tasks/queued/";
  for (int i = 1; i <= count; ++i) {
    const std::string digits = std::to_string(i);
    const std::string id = "task-2026-1101-" + std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
    static constexpr const char* kPriorities[] = {"critical", "high", "medium", "low"};
    const std::string text =
        "---\nid: " + id + "\ntitle: Task number " + digits + "\nstatus: queued\npriority: " + kPriorities[i % 4] +
        "\ncreated_by: steward\nassigned_to: " + (i % 3 == 0 ? "maker" : "agent-" + std::to_string(i % 50)) +
        "\ntags: [a, b]\ncreated: 2026-11-01T10:00:00Z\ncreated_at: 2026-11-01T10:00:00Z\nattempts: 3\n---\n\n"
        "What is to be done, in a few lines of Markdown.\n";
    const int fd = ::open((place + id + ".md").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0660);
    (void)!::write(fd, text.data(), text.size());
    ::close(fd);
  }
}

double floorOfStat(const Company& company) {
  return medianOf(7, [&] {
    const auto names = must(listDirectory(company.tasksFd(TaskStatus::kQueued)));
    struct stat info{};
    for (const std::string& name : names)
      ::fstatat(company.tasksFd(TaskStatus::kQueued), name.c_str(), &info, AT_SYMLINK_NOFOLLOW);
  });
}

double floorOfRead(const Company& company) {
  return medianOf(3, [&] {
    const auto names = must(listDirectory(company.tasksFd(TaskStatus::kQueued)));
    for (const std::string& name : names) must(readFile(company.tasksFd(TaskStatus::kQueued), name));
  });
}

void measureOpening(Bench& bench, const AgentName& agent) {
  double rebuild = millisecondsOf([&] {
    bench.open();
    must(bench.queue->next(agent));
  });
  const double read = floorOfRead(*bench.company), stat = floorOfStat(*bench.company);
  row("rebuild of the index and first next()", rebuild, "ms", "", "reading the files", read);
  std::vector<double> times, cpu;
  for (int i = 0; i < 9; ++i) {
    bench.close();
    const double before = cpuMilliseconds();
    times.push_back(millisecondsOf([&] {
      bench.open();
      must(bench.queue->next(agent));
    }));
    cpu.push_back(cpuMilliseconds() - before);
  }
  std::ranges::sort(times), std::ranges::sort(cpu);
  row("new agentd with its index: open and first next()", times[times.size() / 2], "ms", "<= 50", "readdir + stat",
      stat);
  row("  the same, processor time alone", cpu[cpu.size() / 2], "ms", "");
  row("refresh of the whole directory", medianOf(7, [&] { must(bench.queue->refresh(TaskStatus::kQueued)); }), "ms", "",
      "readdir + stat", stat);
  row("refresh of one file",
      medianOf(99, [&] { must(bench.queue->refreshFile(TaskStatus::kQueued, "task-2026-1101-001.md")); }), "ms", "");
  row("next(), warm", medianOf(999, [&] { must(bench.queue->next(agent)); }), "ms", "<= 1");
}

void measureIdle(Bench& bench, const char* what) {
  std::vector<AgentName> agents;
  for (int i = 0; i < 5000; ++i) agents.push_back(must(AgentName::parse("idle-" + std::to_string(i))));
  const double total = medianOf(21, [&] {
    for (const AgentName& agent : agents) {
      if (must(bench.queue->next(agent)).task) std::abort();
    }
  });
  row(what, total * 1000 / 5000, "us", "");
}

// What a claim cannot do without on this disk: a committed row, a rename, a synced file, a synced directory.
double floorOfClaim(const Bench& bench) {
  auto db = must(Database::open(bench.root + "/floor.db"));
  must(db->execute("CREATE TABLE t(x)"));
  const auto directory = must(openDirectory(bench.root));
  must(createFile(directory.get(), "0", "x"));
  auto insert = must(db->prepare("INSERT INTO t VALUES(1)"));
  const std::string text(700, 'x');
  int number = 0;
  return medianOf(201, [&] {
    must(insert.with().run());
    must(moveFile(directory.get(), std::to_string(number), directory.get(), std::to_string(number + 1), false));
    ++number;
    must(replaceFile(directory.get(), std::to_string(number), text));
  });
}

void measureClaims(Bench& bench, const AgentName& agent) {
  const double floor = floorOfClaim(bench);
  const InstanceId holder = must(InstanceId::parse(agent.str() + ".aaaaaa"));
  std::vector<double> claims, completes;
  for (int i = 0; i < 200; ++i) {
    const TaskId id = *must(bench.queue->next(agent)).task;
    std::optional<Claim> claim;
    claims.push_back(millisecondsOf([&] { claim = must(bench.queue->claim(id, holder)); }));
    completes.push_back(millisecondsOf([&] { must(bench.queue->complete(*claim, "success", {}, {})); }));
  }
  std::ranges::sort(claims), std::ranges::sort(completes);
  row("claim, durable", claims[100], "ms", "", "commit + rename + write", floor);
  row("complete, durable", completes[100], "ms", "", "commit + rename + write", floor);
}

int run(int files, const std::string& base) {
  std::string form = base + "/agentos-bench-XXXXXX";
  Bench bench;
  bench.root = ::mkdtemp(form.data());
  must(Company::init(bench.path(), "bench", "UTC"));
  makeFiles(bench, files);
  const AgentName maker = must(AgentName::parse("maker"));
  std::printf("%d queued files in %s\n", files, bench.root.c_str());
  measureOpening(bench, maker);
  measureIdle(bench, "next() for one of 5,000 agents, all work is others'");
  measureClaims(bench, maker);
  bench.close();
  std::filesystem::remove_all(bench.path() + "/agents/tasks/queued");
  bench.open();
  measureIdle(bench, "next() for one of 5,000 agents, empty queue");
  bench.close();
  std::filesystem::remove_all(bench.root);
  return 0;
}

}  // namespace
}  // namespace agentos::company

int main(int argc, char** argv) {
  return agentos::company::run(argc > 1 ? std::atoi(argv[1]) : 10'000, argc > 2 ? argv[2] : "/tmp");
}
