// SPDX-License-Identifier: Apache-2.0
// daemonizer N [EXIT]: leaves N sleepers behind, each double-forked into a session of its own with its output still
// open, says "N left" and exits with EXIT (0).
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include <sys/wait.h>

int main(int argc, char** argv) {
  int count = argc > 1 ? std::atoi(argv[1]) : 1;
  int left = 0;
  for (int i = 0; i < count; ++i) {
    pid_t child = fork();
    if (child < 0) break;
    if (child == 0) {
      setsid();
      pid_t grandchild = fork();
      if (grandchild != 0) _exit(grandchild < 0 ? 1 : 0);
      for (;;) pause();
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) ++left;
  }
  std::printf("%d left\n", left);
  std::fflush(stdout);
  return argc > 2 ? std::atoi(argv[2]) : 0;
}
