// SPDX-License-Identifier: Apache-2.0
// sleeper [SECONDS]: says "sleeping" and sleeps, for ever without a number. Ends with 0.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  std::puts("sleeping");
  std::fflush(stdout);
  if (argc > 1) return sleep(static_cast<unsigned>(std::atoi(argv[1]))) == 0 ? 0 : 1;
  for (;;) pause();
}
