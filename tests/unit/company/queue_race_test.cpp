// SPDX-License-Identifier: Apache-2.0
// Real processes, one database, one company: of many who claim a task one wins, and a person's mv wins or loses as
// well.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <random>

#include "fixture.h"

namespace agentos::company {
namespace {

using enum TaskStatus;

constexpr const char* kHolders[] = {"p1.aaaaaa", "p2.aaaaaa", "p3.aaaaaa", "p4.aaaaaa",
                                    "p5.aaaaaa", "p6.aaaaaa", "p7.aaaaaa", "p8.aaaaaa"};

// Counters that all processes share.
struct Shared {
  std::atomic<std::uint64_t> claims, errors, lostRaces, personMoves;
  std::atomic<std::uint32_t> holders[4096];  // how many hold task n just now
  std::atomic<std::uint64_t> doubles;
  std::atomic<bool> stop;
};

std::string idOf(unsigned number) {
  const std::string digits = std::to_string(number);
  return "task-2026-1101-" + std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
}

// In memory a race is tighter, since nobody waits for a disk; AGENTOS_RACE_ON_DISK=1 runs the same on /tmp.
class QueueRace : public ::testing::Test {
 protected:
  void SetUp() override {
    void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    shared = new (memory) Shared{};
    ASSERT_OK(Company::init(root(), "acme", "UTC"));
    SystemClock clock;  // the tables are made once, before many open them at the same moment
    auto company = Company::open(root()).value();
    auto db = Database::open(temp.path() + "/agentd.db").value();
    ASSERT_OK(TaskQueue::open(*company, *db, clock, {}));
  }
  void TearDown() override { ::munmap(shared, sizeof(Shared)); }
  std::string root() const { return temp.path() + "/acme"; }
  std::string queued() const { return root() + "/agents/tasks/queued/"; }

  void fillQueue(unsigned count) {
    for (unsigned i = 1; i <= count; ++i) {
      spill(queued() + idOf(i) + ".md", "---\ntitle: t\ncreated: 2026-11-01T00:00:00Z\nattempts: 1000\n---\nBody\n");
    }
  }
  template <class Body>
  void spawn(Body body) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      try {
        body();
      } catch (const std::exception& problem) {
        std::fprintf(stderr, "in a process of the race: %s\n", problem.what());
        ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(pid);
  }
  void joinAll() {
    for (const pid_t pid : children) {
      int status = 0;
      ::waitpid(pid, &status, 0);
      EXPECT_EQ(status, 0) << "a process of the race ended badly";
    }
    children.clear();
  }

  // Claims whatever is next until nothing is there; with `again`, gives it back and goes on until `target` claims.
  void work(unsigned self, std::uint64_t target, bool again) {
    SystemClock clock;
    auto company = Company::open(root()).value();
    auto db = Database::open(temp.path() + "/agentd.db").value();
    auto queue = TaskQueue::open(*company, *db, clock, {}).value();
    const InstanceId me = instance(kHolders[self]);
    const AgentName name = agent(std::string(agentOf(me)));
    for (int idle = 0; idle < 200 && shared->claims < target;) {
      const auto next = queue->next(name);
      if (!next || !next->task) {
        ++idle;
        if (!again && idle > 3) return;
        ::usleep(500);
        look(*queue);
        continue;
      }
      auto won = queue->claim(*next->task, me);
      if (!won) {
        if (won.error().code != ErrorCode::kUnavailable) complain("claim", won.error());  // else the database was busy
        continue;
      }
      if (!*won) {
        if (++shared->lostRaces % 64 == 0) look(*queue);
        continue;
      }
      idle = 0;
      hold(*queue, **won, again);
    }
  }

  // As a person would: the finished file goes, a fresh one of the same name comes, whole from its first moment.
  void putBack(const TaskId& id, unsigned self) {
    const std::string name = id.str() + ".md", fresh = queued() + ".fresh" + std::to_string(self);
    if (::unlink((root() + "/agents/tasks/done/" + name).c_str()) != 0) ++shared->doubles;
    spill(fresh, "---\ntitle: t\n---\nBody\n");
    if (::rename(fresh.c_str(), (queued() + name).c_str()) != 0) ++shared->errors;
  }

  // Two or three hands on each of a few tasks at any moment, without asking which is next.
  void grab(unsigned self, std::uint64_t target) {
    SystemClock clock;
    auto company = Company::open(root()).value();
    auto db = Database::open(temp.path() + "/agentd.db").value();
    auto queue = TaskQueue::open(*company, *db, clock, {}).value();
    const InstanceId me = instance(kHolders[self]);
    std::mt19937 random(self);
    while (shared->claims < target) {
      const TaskId id = taskId(idOf(1 + static_cast<unsigned>(random() % 16)));
      auto won = queue->claim(id, me);
      if (won && *won) {
        hold(*queue, **won, false);
        putBack(id, self);
      } else if (won) {
        ++shared->lostRaces;
        ::usleep(200);
        if (auto seen = queue->refreshFile(kQueued, id.str() + ".md"); !seen) complain("refresh", seen.error());
      } else if (won.error().code != ErrorCode::kUnavailable && won.error().code != ErrorCode::kNotFound) {
        complain("claim", won.error());  // not found: just between the finished file and the fresh one
      }
    }
  }

  void raceFor(std::uint64_t target) {
    fillQueue(16);
    const auto start = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < 8; ++i) spawn([&, i] { grab(i, target); });
    joinAll();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("%llu claims in %.0f s, %llu races lost\n", static_cast<unsigned long long>(shared->claims),
                took.count(), static_cast<unsigned long long>(shared->lostRaces));
    EXPECT_GE(shared->claims, target);
    EXPECT_GT(shared->lostRaces, 0U);
    EXPECT_EQ(shared->doubles, 0U);
    EXPECT_EQ(shared->errors, 0U);
  }

  void look(TaskQueue& queue) {
    if (auto seen = queue.refresh(std::nullopt); !seen) complain("refresh", seen.error());
  }
  void complain(const char* what, const Error& error) {
    ++shared->errors;
    std::fprintf(stderr, "%s: %s\n", what, error.message().c_str());
  }

  void hold(TaskQueue& queue, const Claim& claim, bool again) {
    const auto number = static_cast<unsigned>(std::stoul(claim.task.str().substr(15))) % 4096;
    if (shared->holders[number].fetch_add(1) != 0) ++shared->doubles;
    ++shared->claims;
    // Somebody else who believes that he holds it would be seen here.
    const auto holder = queue.claimOf(claim.task);
    if (holder && *holder && ((*holder)->holder != claim.holder || (*holder)->epoch != claim.epoch)) ++shared->doubles;
    shared->holders[number].fetch_sub(1);
    if (!again) {
      if (auto done = queue.complete(claim, "success", {}, {}); !done) complain("complete", done.error());
      return;
    }
    for (int tries = 0; tries < 5;
         ++tries) {  // as an operator gives it back: without a back-off, so that the race goes on
      const auto back = queue.move(claim.task, kQueued, "race", "");
      if (back || back.error().code != ErrorCode::kUnavailable) break;
    }
  }

  std::size_t count(const std::string& directory) {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(root() + "/agents/tasks/" + directory)) {
      files += entry.path().extension() == ".md" ? 1 : 0;
    }
    return files;
  }

  TempDirectory temp{std::getenv("AGENTOS_RACE_ON_DISK") != nullptr};
  Shared* shared = nullptr;
  std::vector<pid_t> children;
};

TEST_F(QueueRace, TwoProcessesNeverWinTheSameTask) {
  fillQueue(500);
  for (unsigned i = 0; i < 2; ++i) spawn([&] { work(i, 500, false); });
  joinAll();
  EXPECT_EQ(shared->claims, 500U);
  EXPECT_EQ(shared->doubles, 0U);
  EXPECT_EQ(shared->errors, 0U);
  EXPECT_EQ(count("done"), 500U);
}

TEST_F(QueueRace, EightProcessesNeverWinTheSameTask) {
  fillQueue(500);
  for (unsigned i = 0; i < 8; ++i) spawn([&] { work(i, 500, false); });
  joinAll();
  EXPECT_EQ(shared->claims, 500U);
  EXPECT_EQ(shared->doubles, 0U);
  EXPECT_EQ(shared->errors, 0U);
  EXPECT_EQ(count("done"), 500U);
}

// The barest race: eight processes, one task at a time, all on their marks.
TEST_F(QueueRace, ManyHandsOnOneTask) {
  constexpr unsigned kRounds = 500;
  fillQueue(kRounds);
  auto* round = new (::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
      std::atomic<unsigned>[kRounds + 1] {};
  for (unsigned self = 0; self < 8; ++self) {
    spawn([&] {
      SystemClock clock;
      auto company = Company::open(root()).value();
      auto db = Database::open(temp.path() + "/agentd.db").value();
      auto queue = TaskQueue::open(*company, *db, clock, {}).value();
      for (unsigned i = 1; i <= kRounds; ++i) {
        round[i].fetch_add(1);
        while (round[i] < 8) ::sched_yield();
        for (;;) {
          auto won = queue->claim(taskId(idOf(i)), instance(kHolders[self]));
          if (!won && won.error().code == ErrorCode::kUnavailable) continue;
          if (!won) ++shared->errors;
          if (won && *won) ++shared->holders[i], ++shared->claims;
          break;
        }
      }
    });
  }
  joinAll();
  EXPECT_EQ(shared->claims, kRounds);
  EXPECT_EQ(shared->errors, 0U);
  for (unsigned i = 1; i <= kRounds; ++i) EXPECT_EQ(shared->holders[i], 1U) << i;
  ::munmap(round, 4096);
}

// A person who moves files to and fro while others claim: every file is in one place in the end, and none is lost.
TEST_F(QueueRace, AMoveByHandRacesWithClaims) {
  constexpr unsigned kTasks = 200;
  fillQueue(kTasks);
  spawn([&] {
    std::mt19937 random(7);
    const std::string backlog = root() + "/agents/tasks/backlog/";
    while (!shared->stop) {
      const std::string name = idOf(1 + static_cast<unsigned>(random() % kTasks)) + ".md";
      if (::rename((queued() + name).c_str(), (backlog + name).c_str()) == 0) ++shared->personMoves;
      const std::string back = idOf(1 + static_cast<unsigned>(random() % kTasks)) + ".md";
      ::usleep(100);
      // RENAME_NOREPLACE as `mv -n` does: a person too must not overwrite.
      if (::access((queued() + back).c_str(), F_OK) != 0)
        (void)!::rename((backlog + back).c_str(), (queued() + back).c_str());
    }
  });
  for (unsigned i = 0; i < 2; ++i) spawn([&] { work(i, 400, true); });
  for (std::size_t i = 1; i < children.size(); ++i) {
    int status = 0;
    ::waitpid(children[i], &status, 0);
    EXPECT_EQ(status, 0);
  }
  shared->stop = true;
  children.resize(1);
  joinAll();
  EXPECT_EQ(shared->doubles, 0U);
  EXPECT_EQ(shared->errors, 0U);
  EXPECT_GE(shared->claims, 400U);
  EXPECT_GT(shared->personMoves, 100U);
  std::map<std::string, int> places;
  for (const TaskStatus status : kAllTaskStatuses) {
    const std::string path = root() + "/agents/tasks/" + std::string(directoryOf(status));
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (entry.path().extension() == ".md") ++places[entry.path().filename()];
    }
  }
  EXPECT_EQ(places.size(), kTasks);
  for (const auto& [name, times] : places) EXPECT_EQ(times, 1) << name;
}

TEST_F(QueueRace, ThousandsOfClaimsOnFewTasks) { raceFor(5000); }

// AGENTOS_LONG=1: a million; a larger number is the number of claims.
TEST_F(QueueRace, LongAMillionClaims) {
  const char* wanted = std::getenv("AGENTOS_LONG");
  const std::uint64_t value = wanted == nullptr ? 0 : std::strtoull(wanted, nullptr, 10);
  if (value == 0) GTEST_SKIP() << "AGENTOS_LONG=1 races for a million claims";
  raceFor(value == 1 ? 1'000'000 : value);
}

}  // namespace
}  // namespace agentos::company
