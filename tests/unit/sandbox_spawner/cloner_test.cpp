// SPDX-License-Identifier: Apache-2.0
// The threads that bear rooms, where no room comes of it. (Rooms that do: tests/integration/sandbox.)
#include "sandbox/cloner.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <functional>

namespace agentos::sandbox {
namespace {

// In a process of its own, without root's rights: no network namespace is to be had.
int inAProcess(const std::function<int()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) ::_exit(99);
    ::_exit(work());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0) ours.reset(ends[0]);
    birth = std::make_shared<Birth>(ChildPlan{}, Fd(ends[1]));
  }
  bool hasWord(int milliseconds) const {
    pollfd set{ours.get(), POLLIN, 0};
    return ::poll(&set, 1, milliseconds) == 1;
  }
  Fd ours;
  std::shared_ptr<Birth> birth;
};

// The thread closes the group when it is done: before place() that would be a descriptor in the loop's hands.
TEST(Cloner, AThreadThatFailsWaitsForItsPlace) {
  EXPECT_EQ(inAProcess([] {
              Cloner cloner(std::make_shared<NetPool>(0));
              const Pair pair;
              if (!cloner.bear(pair.birth)) return 1;
              if (pair.hasWord(200)) return 2;
              Cloner::place(*pair.birth, Fd(::dup(0)));
              if (!pair.hasWord(2000)) return 3;
              char letter = 0;
              return ::recv(pair.ours.get(), &letter, 1, 0) == 1 && letter == kChildFailed ? 0 : 4;
            }),
            0);
}

TEST(Cloner, WithoutAThreadThereIsAnErrorAndAnotherTime) {
  EXPECT_EQ(inAProcess([] {
              Cloner cloner(std::make_shared<NetPool>(0));
              rlim_t pages = 0;
              std::ifstream("/proc/self/statm") >> pages;
              rlimit before{};
              ::getrlimit(RLIMIT_AS, &before);
              const rlimit tight{pages * 4096 + (1 << 20), before.rlim_max};
              const Pair first, second;
              ::setrlimit(RLIMIT_AS, &tight);
              const bool born = cloner.bear(first.birth).has_value();
              ::setrlimit(RLIMIT_AS, &before);
              if (born) return 1;
              if (!cloner.bear(second.birth)) return 2;
              Cloner::place(*second.birth, Fd());
              return second.hasWord(2000) && first.birth.use_count() == 1 ? 0 : 3;
            }),
            0);
}

}  // namespace
}  // namespace agentos::sandbox
