// SPDX-License-Identifier: Apache-2.0
// Writes when it began to run (CLOCK_MONOTONIC, nanoseconds, eight bytes) to the file it is given.
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char** argv) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  long nanoseconds = now.tv_sec * 1'000'000'000 + now.tv_nsec;
  if (argc < 2) return 2;
  int out = open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  return out >= 0 && write(out, &nanoseconds, sizeof nanoseconds) == static_cast<ssize_t>(sizeof nanoseconds) ? 0 : 1;
}
