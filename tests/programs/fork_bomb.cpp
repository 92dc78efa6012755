// SPDX-License-Identifier: Apache-2.0
// fork_bomb [N]: forks sleepers until the kernel refuses (or N are there), says "forked K errno E" and sleeps.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  int most = argc > 1 ? std::atoi(argv[1]) : 1'000'000;
  int count = 0, error = 0;
  while (count < most) {
    pid_t child = fork();
    if (child == 0) {
      for (;;) pause();
    }
    if (child < 0) {
      error = errno;
      break;
    }
    ++count;
  }
  std::printf("forked %d errno %d\n", count, error);
  std::fflush(stdout);
  for (;;) pause();
}
