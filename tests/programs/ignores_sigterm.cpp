// SPDX-License-Identifier: Apache-2.0
// ignores_sigterm [CODE]: says "ready", and "ignored N" at each SIGTERM, SIGINT and SIGHUP; SIGUSR1 makes it exit with
// CODE (0).
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

int main(int argc, char** argv) {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::puts("ready");
  for (;;) {
    int number = 0;
    sigwait(&set, &number);
    if (number == SIGUSR1) return argc > 1 ? std::atoi(argv[1]) : 0;
    std::printf("ignored %d\n", number);
  }
}
