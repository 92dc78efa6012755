// SPDX-License-Identifier: Apache-2.0
// A writer that dies at every fault point, in mid-write and at any moment: each event that it was told is durable is
// there afterwards, the chain verifies, and the next writer goes on without a gap.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "govern/audit_log.h"

namespace agentos::govern {
namespace {

class AuditCrashTest : public ::testing::Test {
 protected:
  AuditCrashTest() {
    std::string name = (std::filesystem::temp_directory_path() / "agentos-crash-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    directory_ = root_ + "/audit";
  }
  ~AuditCrashTest() override { std::filesystem::remove_all(root_); }

  // Runs the writer until it dies; the last sequence that it was told is durable. Killed from here once it has said
  // `killAfter` of them.
  std::uint64_t runWriter(const std::function<void()>& prepare, std::uint64_t killAfter, int& status) {
    int pipe[2];
    EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    pid_t child = ::fork();
    if (child == 0) {
      prepare();
      ::dup2(pipe[1], STDOUT_FILENO);
      ::execl(AUDIT_WRITER, AUDIT_WRITER, directory_.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(pipe[1]);
    std::uint64_t last = 0, said = 0, sequence = 0;
    while (::read(pipe[0], &sequence, sizeof sequence) == sizeof sequence) {
      last = sequence;
      if (++said == killAfter) ::kill(child, SIGKILL);
    }
    ::close(pipe[0]);
    ::waitpid(child, &status, 0);
    return last;
  }

  // The head that a new writer finds, after the log verified from end to end.
  std::uint64_t expectWhole(std::uint64_t durable) {
    SystemClock clock;
    auto log = AuditLog::open(directory_, clock, 2000);
    EXPECT_TRUE(log) << log.error().message();
    if (!log) return 0;
    auto verdict = verifyAudit(directory_, {});
    EXPECT_TRUE(verdict);
    EXPECT_EQ(verdict->state, AuditVerdict::State::kUnanchored) << verdict->where << " " << verdict->what;
    EXPECT_EQ(verdict->events, (*log)->head().sequence);
    EXPECT_GE((*log)->head().sequence, durable);
    EXPECT_LE((*log)->head().sequence, durable + 2);  // the one in flight, and the note of a cut line
    return (*log)->head().sequence;
  }

  std::string root_, directory_;
};

TEST_F(AuditCrashTest, AtEveryFaultPoint) {
  for (const char* fault :
       {"audit.append.written:1", "audit.append.written:7", "audit.append.synced:1", "audit.append.synced:9",
        "audit.rotate.created:1", "audit.rotate.created:2", "audit.rotate.created:3"}) {
    std::filesystem::remove_all(directory_);
    int status = 0;
    auto durable = runWriter([&] { ::setenv("AGENTOS_FAULT", fault, 1); }, 100000, status);
    ASSERT_TRUE(WIFSIGNALED(status)) << fault << " was never passed";
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
    SCOPED_TRACE(fault);
    expectWhole(durable);
  }
}

// The kernel takes the part of a write that fits below the file-size limit, and kills the writer for the rest.
TEST_F(AuditCrashTest, InTheMiddleOfALine) {
  for (rlim_t limit : {100U, 400U, 401U, 777U, 1024U, 1500U}) {
    std::filesystem::remove_all(directory_);
    int status = 0;
    auto durable = runWriter(
        [&] {
          rlimit size{limit, limit};
          ::setrlimit(RLIMIT_FSIZE, &size);
        },
        100000, status);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGXFSZ);
    SCOPED_TRACE(limit);
    expectWhole(durable);
    auto cuts = queryAudit(directory_, {.kind = "audit.cut"});
    ASSERT_TRUE(cuts);
    EXPECT_EQ(cuts->size(), 1U);
  }
}

TEST_F(AuditCrashTest, AfterTheCutAndBeforeItsNote) {
  int status = 0;
  auto durable = runWriter(
      [] {
        rlimit size{777, 777};
        ::setrlimit(RLIMIT_FSIZE, &size);
      },
      100000, status);
  runWriter([] { ::setenv("AGENTOS_FAULT", "audit.cut.done", 1); }, 100000, status);
  ASSERT_TRUE(WIFSIGNALED(status));
  expectWhole(durable);
}

TEST_F(AuditCrashTest, AtAnyMomentAndAgain) {
  std::uint64_t head = 0;
  for (std::uint64_t round = 1; round <= 25; ++round) {
    int status = 0;
    auto durable = runWriter([] {}, round * 3, status);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_GT(durable, head);
    head = expectWhole(durable);
  }
}

}  // namespace
}  // namespace agentos::govern
